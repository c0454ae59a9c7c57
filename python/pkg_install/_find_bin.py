"""Where the program is that was installed together with this package."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_NAME = "pkg-install" + (".exe" if os.name == "nt" else "")


class ProgramNotFound(FileNotFoundError):
    """The program is in none of the directories in which an installer puts it."""


def find_bin() -> str:
    """Return the absolute path of the program `pkg-install`.

    It is looked for beside this package first, so that a package in a `--target` directory or
    under another prefix uses the program of its own version, and then in the directories of
    scripts of the running interpreter. `PATH` is not searched.

    Raises `ProgramNotFound`, which names the directories that were searched.
    """
    searched = []
    for directory in _directories():
        program = directory / _NAME
        if os.access(program, os.X_OK) and program.is_file():
            return str(program)
        searched.append(str(directory))
    raise ProgramNotFound(f"{_NAME} is in none of: {', '.join(searched)}")


def _directories() -> Iterator[Path]:
    seen = set()
    for directory in _candidates():
        if directory not in seen:
            seen.add(directory)
            yield directory


def _candidates() -> Iterator[Path]:
    library = Path(__file__).absolute().parent.parent
    scripts = "Scripts" if os.name == "nt" else "bin"
    # `--target DIR`: DIR/pkg_install and DIR/bin.
    yield library / scripts
    # A prefix: PREFIX/lib/python3.12/site-packages, or PREFIX/lib/python3/dist-packages.
    if library.name in ("site-packages", "dist-packages") and len(library.parents) > 2:
        yield library.parents[2] / scripts
    yield Path(sysconfig.get_path("scripts"))
    # A virtual environment with the system's packages: the package is the system's.
    yield Path(sysconfig.get_path("scripts", vars={"base": sys.base_prefix}))
    yield Path(sysconfig.get_path("scripts", scheme=_user_scheme()))


def _user_scheme() -> str:
    # The function is new in Python 3.10.
    preferred = getattr(sysconfig, "get_preferred_scheme", None)
    if preferred is not None:
        return str(preferred("user"))
    return "nt_user" if os.name == "nt" else "posix_user"
