"""`python -m pkg_install` is the program `pkg-install`, for this interpreter's environment."""

from __future__ import annotations

import os
import subprocess
import sys

from ._find_bin import ProgramNotFound, find_bin


def main() -> int:
    """Run the program with this process's arguments; return its exit code."""
    try:
        program = find_bin()
    except ProgramNotFound as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # The program reads this variable if no option names an environment. A shell sets it when a
    # virtual environment is activated; an interpreter that is called by its path does not.
    environment = dict(os.environ)
    if sys.prefix != sys.base_prefix:
        environment.setdefault("VIRTUAL_ENV", sys.prefix)
    arguments = [program, *sys.argv[1:]]
    if os.name == "nt":
        return subprocess.run(arguments, env=environment, check=False).returncode
    # Replacing the process hands over signals, streams and the exit code as they are.
    os.execve(program, arguments, environment)


if __name__ == "__main__":
    sys.exit(main())
