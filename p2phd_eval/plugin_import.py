"""Code of one's own by ``MODULE:CALLABLE``: found, imported and called, with an error that says which step failed."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from p2phd_eval.errors import InputError
from p2phd_eval.torchvision_ops import declare_missing_operators

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A callable that an option names, and what its errors say.

    The module's code runs with the rights of this process. The current folder is searched last: nothing in it takes the
    place of a module of Python or of a package that is installed.
    """

    option: str  # such as "--feature-network"
    spec: str  # such as "my_features:build"
    contract: str  # what the callable takes and returns, and where that is written: the errors' advice

    @property
    def module(self) -> str:
        """The module's dotted name."""
        return self.spec.partition(":")[0]

    def load(self) -> Callable[..., Any]:
        """Import the module and return the callable; raise `InputError` if there is none."""
        module_name, _, name = self.spec.partition(":")
        if not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
            raise self.refused(expected="MODULE:CALLABLE, such as my_module:build", found="another form")
        here = str(Path.cwd())
        if here not in sys.path:
            # It stays: decoding processes that are started afresh import the module too, on this path.
            sys.path.append(here)
        declare_missing_operators()  # most networks' modules import torchvision
        module = self.run(f"a module {module_name} that can be imported", lambda: importlib.import_module(module_name))
        build: Callable[..., Any] | None = getattr(module, name, None)
        if not callable(build):
            found = "no such name" if build is None else f"a {type(build).__name__}"
            raise self.refused(expected=f"a callable {name} in {module_name}", found=found)
        return build

    def run(self, expected: str, step: Callable[[], _T]) -> _T:
        """Run a step of the plug-in's own code, which may raise anything; that becomes an `InputError`."""
        try:
            return step()
        except InputError:
            raise
        except Exception as error:
            raise self.refused(expected=expected, found=f"{type(error).__name__}: {error}") from error

    def refused(self, *, expected: str, found: str, fix: str | None = None) -> InputError:
        """Return the error of a plug-in that does not keep the contract."""
        where = f"{self.option} {self.spec}"
        return InputError(where, expected=expected, found=found, fix=self.contract if fix is None else fix)
