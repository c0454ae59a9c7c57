"""Running the program: its arguments, its events, its result, and how it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from typing import IO, Any, Callable, Optional, Union

from ._errors import ProgramDied, error_of
from ._find_bin import find_bin
from ._models import Result

StrPath = Union[str, "os.PathLike[str]"]
Event = dict[str, Any]
"""One event of `--progress json`, as docs/cli.md describes them; `event` names its kind."""

# How long a cancelled command may take to roll back before it is killed. Both directions of a
# transaction only rename, so this is far more than it needs.
_GRACE = 30.0
_STOPPED_AT_ONCE: dict[str, Any] = {
    "version": 1,
    "outcome": "failed",
    "environment": None,
    "changes": [],
    "conflicts": [],
    "warnings": [],
    "timings_ms": {},
    "error": {
        "kind": "interrupted",
        "code": "interrupted",
        "message": "interrupted",
        "effect": "untouched",
    },
}


class Cancellation:
    """Stops a command from another thread: pass it to the command, and call `cancel()`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Stop the command; it rolls back, and raises `Interrupted`."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()


class Run:
    """How to run the program.

    - `on_event` is called with each event, from another thread, one call at a time;
    - `cancellation` stops the command;
    - `timeout` stops it after so many seconds;
    - `program` is its path, by default that of `find_bin()`;
    - `environ` replaces the variables of this process.
    """

    def __init__(
        self,
        *,
        on_event: Optional[Callable[[Event], None]] = None,
        cancellation: Optional[Cancellation] = None,
        timeout: Optional[float] = None,
        program: Optional[StrPath] = None,
        environ: Optional[dict[str, str]] = None,
    ) -> None:
        self.on_event = on_event
        self.cancellation = cancellation
        self.timeout = timeout
        self.program = program
        self.environ = environ

    def __call__(self, arguments: Sequence[StrPath], accepted: Iterable[str] = ()) -> Result:
        """Run a command with `--json`, and return its result.

        Raises the `Error` of the result, unless its kind is in `accepted`, and `ProgramDied` if
        there is no result.
        """
        program = os.fspath(self.program or find_bin())
        output = ["--json", "--no-color"]
        if self.on_event is not None:
            output += ["--progress", "json"]
        # Options of output go before `--`, behind which everything is a name.
        words = [os.fspath(word) for word in arguments]
        command = [program, words[0], *output, *words[1:]]
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._variables(),
            # Ctrl-C at the terminal would reach the command beside this process, which then asks it
            # to stop for the second time; and the second request ends it without a roll-back.
            start_new_session=True,
        )
        try:
            printed, said = self._wait(child, deadline)
        except BaseException:
            # An exception of the caller's, such as KeyboardInterrupt, must not leave a command
            # behind that goes on to change the environment.
            _stop(child)
            raise
        try:
            result = Result.from_json(json.loads(printed))
        except (ValueError, KeyError):
            if child.returncode != -signal.SIGTERM or not self._is_over(deadline):
                raise ProgramDied(child.returncode, said) from None
            # It was stopped before it could handle the signal, and so before it did anything.
            result = Result.from_json(_STOPPED_AT_ONCE)
        error = error_of(result, child.returncode)
        if error is not None and error.kind not in accepted:
            raise error
        return result

    def _is_over(self, deadline: Optional[float]) -> bool:
        """Whether the command has to stop."""
        is_cancelled = self.cancellation is not None and self.cancellation.is_cancelled
        return is_cancelled or (deadline is not None and time.monotonic() >= deadline)

    def _variables(self) -> Optional[dict[str, str]]:
        """The child's variables, without those that would change the form of its output."""
        variables = dict(os.environ if self.environ is None else self.environ)
        for name in ("JSON", "JSON_SCHEMA", "PROGRESS", "NO_PROGRESS", "COLOR", "VERBOSE", "QUIET"):
            variables.pop(f"PKG_INSTALL_{name}", None)
        return variables

    def _wait(
        self, child: subprocess.Popen[bytes], deadline: Optional[float]
    ) -> tuple[bytes, str]:
        """Read both streams until the command ends, and stop it when it is time to."""
        assert child.stdout is not None and child.stderr is not None, "both are pipes"
        printed: list[bytes] = []
        said: list[str] = []
        failures: list[BaseException] = []
        stdout, stderr = child.stdout, child.stderr
        readers = [
            threading.Thread(target=lambda: printed.append(stdout.read()), daemon=True),
            threading.Thread(target=self._listen, args=(stderr, said, failures), daemon=True),
        ]
        for reader in readers:
            reader.start()
        while child.poll() is None:
            if failures or self._is_over(deadline):
                _stop(child)
                break
            try:
                child.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        for reader in readers:
            reader.join()
        stdout.close()
        stderr.close()
        if failures:
            raise failures[0]
        return b"".join(printed), "".join(said)

    def _listen(
        self, stderr: IO[bytes], said: list[str], failures: list[BaseException]
    ) -> None:
        """Call back for each event, and keep the other lines."""
        for line in stderr:
            text = line.decode("utf-8", "replace")
            event = _event(text) if self.on_event else None
            if event is None or self.on_event is None:
                said.append(text)
            elif not failures:
                try:
                    self.on_event(event)
                except BaseException as failure:
                    # It is raised by the caller's thread, after the command has rolled back.
                    failures.append(failure)


def _event(line: str) -> Optional[Event]:
    if not line.startswith('{"event":'):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the command: it may roll back, and is killed if that takes too long."""
    child.terminate()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
