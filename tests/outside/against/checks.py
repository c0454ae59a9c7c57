"""Print checks, and count those that fail."""

from __future__ import annotations

from lib import venv


class Checks:
    """The number of failed checks."""

    def __init__(self):
        self.failed = 0

    def check(self, name, good, detail=""):
        """Print one check; `detail` is printed if it failed."""
        self.failed += not good
        print("ok    " + name if good else f"FAIL  {name}\n{detail}", flush=True)
        return good

    def ran(self, name, done):
        """Check that a command succeeded."""
        detail = f"{venv.describe_status(done.returncode)}\n{done.stdout[-4000:]}"
        return self.check(name, done.returncode == 0, detail)

    def finish(self):
        """Print the number of failed checks; return the exit code."""
        print(f"{self.failed} failed")
        return 1 if self.failed else 0
