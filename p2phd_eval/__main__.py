"""`python -m p2phd_eval`."""

from p2phd_eval.cli import main

if __name__ == "__main__":
    main()
