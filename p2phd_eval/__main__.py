"""`python -m p2phd_eval`; and the file that a study starts its runs by, which is the same.

Python searches a folder before its own library: with `-m` the one that it was started in, with a file that of the file.
What lies there under the name of a module, such as a random.py, would be run in its place; so nothing is imported here
before that folder is off the path.
"""

import sys

if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):  # -P, from Python 3.11 on
        del sys.path[0]
    import os

    # This very package, wherever it was found.
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    sys.path.insert(0, home)
    import p2phd_eval  # noqa: F401, it needs no other module

    del sys.path[0]
    if home not in sys.path:
        sys.path.append(home)

    from p2phd_eval.cli import main

    main()
