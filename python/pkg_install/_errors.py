"""What a command raises: a class for each kind of error, and some for single codes."""

from __future__ import annotations

from typing import Optional

from ._models import Refused, Result


class Error(Exception):
    """The program ended with an error.

    `code` is its stable name, such as `no-space`; `effect` says what became of the environment:
    `untouched`, `rolled-back` or `unfinished`. `result` is all that the program printed.
    """

    def __init__(self, result: Result, exit_code: int) -> None:
        error = result.error
        assert error is not None, "only a result with an error is raised"
        super().__init__(error.message)
        self.result = result
        self.exit_code = exit_code
        self.kind: str = error.kind
        self.code: str = error.code
        self.message: str = error.message
        self.effect: str = error.effect
        self.wheels: tuple[Refused, ...] = error.wheels


class OperationFailed(Error):
    """The command failed while it worked: disk, permissions, network (exit code 1)."""


class WrongUsage(Error):
    """The arguments are not understood or contradict each other (2)."""


class InputRefused(Error):
    """A wheel, list, report, lock file or index is not valid, or does not fit (3)."""


class ConflictFound(Error):
    """Two owners of one path, or two versions of one project (4); see `result.conflicts`."""


class EnvironmentRefused(Error):
    """No environment was found, or it cannot be changed (5)."""


class DifferencesFound(Error):
    """`check` found differences (6); they are in `result`."""


class NoSolution(Error):
    """No set of wheels satisfies the requirements (7)."""


class Interrupted(Error):
    """A signal, or the caller, has cancelled the command (130 or 143)."""


class EnvironmentLocked(EnvironmentRefused):
    """Another command holds the environment's lock for too long (code `locked`)."""


class NoSpace(OperationFailed):
    """The disk is full (code `no-space`)."""


class ProgramDied(RuntimeError):
    """The program ended without a result, for example because it was killed.

    The next command on the environment settles what it has left behind.
    """

    def __init__(self, exit_code: int, stderr: str) -> None:
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with {exit_code}"
        lines = stderr.strip().splitlines()
        super().__init__(f"pkg-install {how}" + (f": {lines[-1]}" if lines else ""))
        self.exit_code = exit_code
        self.stderr = stderr


_KINDS: dict[str, type[Error]] = {
    "usage": WrongUsage,
    "input": InputRefused,
    "conflict": ConflictFound,
    "environment": EnvironmentRefused,
    "differences": DifferencesFound,
    "unsolvable": NoSolution,
    "interrupted": Interrupted,
}
_CODES: dict[str, type[Error]] = {"locked": EnvironmentLocked, "no-space": NoSpace}


def error_of(result: Result, exit_code: int) -> Optional[Error]:
    """The exception for a result; none if the command succeeded."""
    if result.error is None:
        return None
    # A kind that a newer program adds is a failure like any other.
    kind = _KINDS.get(result.error.kind, OperationFailed)
    return _CODES.get(result.error.code, kind)(result, exit_code)
