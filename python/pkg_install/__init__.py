"""`pkg-install` for Python programs.

    import pkg_install

    venv = pkg_install.Environment(target="venv")
    result = pkg_install.install("flask>=3", environment=venv)
    for change in result.changes:
        print(change.action, change.name, change.version)

Every function runs the program that was installed together with this package, and returns the
object that `--json` prints. A failure raises an `Error`, whose `code` is stable. `find_bin()` is
the path of the program, and `python -m pkg_install` runs it.
"""

from __future__ import annotations

from ._commands import (
    Environment,
    check,
    history,
    install,
    installed,
    pack,
    plan,
    resolve,
    undo,
    uninstall,
)
from ._errors import (
    ConflictFound,
    DifferencesFound,
    EnvironmentLocked,
    EnvironmentRefused,
    Error,
    InputRefused,
    Interrupted,
    NoSolution,
    NoSpace,
    OperationFailed,
    ProgramDied,
    WrongUsage,
)
from ._find_bin import ProgramNotFound, find_bin
from ._models import (
    Artifact,
    Change,
    Conflict,
    Difference,
    Package,
    PastChange,
    Project,
    Result,
    Transaction,
)
from ._results import CheckResult, PackResult, PlanResult
from ._run import Cancellation, Event, Run
from ._version import __version__

__all__ = [
    "Artifact",
    "Cancellation",
    "Change",
    "CheckResult",
    "Conflict",
    "ConflictFound",
    "Difference",
    "DifferencesFound",
    "Environment",
    "EnvironmentLocked",
    "EnvironmentRefused",
    "Error",
    "Event",
    "InputRefused",
    "Interrupted",
    "NoSolution",
    "NoSpace",
    "OperationFailed",
    "PackResult",
    "Package",
    "PastChange",
    "PlanResult",
    "ProgramDied",
    "ProgramNotFound",
    "Project",
    "Result",
    "Run",
    "Transaction",
    "WrongUsage",
    "__version__",
    "check",
    "find_bin",
    "history",
    "install",
    "installed",
    "pack",
    "plan",
    "resolve",
    "undo",
    "uninstall",
]
