"""Type TAB in bash, zsh and fish, and look at what appears.

    python3 tests/outside/package/complete_in_shells.py [--shell bash --shell zsh ...]

Each shell runs at a pseudo-terminal with an empty home, and loads only what `pkg-install completions
SHELL` prints. In its directory are a virtual environment with two projects, a directory of wheels
and a lock file with extras. Words are typed, TAB is pressed, and the word that the shell completes
has to appear; the finished command is then run.

Prints a line for each check. A shell that is not installed is left out. Needs pexpect, which is
fetched from the package index if it cannot be imported. Exit code 1: a check failed, or no shell
was tested.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "against"))

from checks import Checks
from lib import venv, wheels

# What is typed before TAB, and what the line has to hold behind it.
TYPED = (
    ("pkg-install unin", "uninstall"),
    ("pkg-install uninstall --target venv alp", "alphabet"),
    ("pkg-install show -t venv alphabet zeb", "zebra"),
    ("pkg-install --on-conf", "--on-conflict"),
    ("pkg-install --on-conflict la", "last"),
    ("pkg-install verify dist/zeb", "dist/zebra-1.0-py3-none-any.whl"),
    ("pkg-install --lock pylock.toml --extra do", "docs"),
    ("pkg-install sync pylock.toml --group te", "testing"),
    ("pkg-install help rec", "recover"),
    ("pkg-install cache pru", "prune"),
    ("pkg-install completions fi", "fish"),
    ("pkg-install check --target ven", "venv/"),
    ("pkg-install uninstall --target=venv alp", "alphabet"),
    ("pkg-install --output-format gi", "github"),
    ("pkg-install --index-strat", "--index-strategy"),
    ("pkg-install hist", "history"),
    ("pkg-install pack --format oc", "oci"),
)
# Printed by the function `words`, which shows the words of the finished line.
PRINT = {
    "bash": "words() { printf '<%s>' \"$@\"; echo; }",
    "zsh": "words() { printf '<%s>' \"$@\"; echo; }",
    "fish": "function words; printf '<%s>' $argv; echo; end",
}
LOCK = 'lock-version = "1.0"\nextras = ["docs"]\ndependency-groups = ["testing"]\npackages = []\n'


def shell_command(shell, home):
    """The command that starts a shell without the user's own settings."""
    if shell == "bash":
        return ["bash", "--norc", "--noprofile", "-i"]
    if shell == "zsh":
        # An EDITOR such as vi would choose other keys.
        (home / ".zshrc").write_text("bindkey -e\nautoload -Uz compinit && compinit -u\n")
        return ["zsh", "-i"]
    return ["fish", "--no-config", "--private", "-i"]


def start(shell, directory, binary):
    """The shell at a pseudo-terminal, with its completions loaded."""
    import pexpect

    home = directory / f"home-{shell}"
    home.mkdir()
    more = {"HOME": str(home), "ZDOTDIR": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    variables = venv.clean_variables(**more)
    variables["PATH"] = f"{binary.parent}{os.pathsep}{variables['PATH']}"
    command = shell_command(shell, home)
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(directory),
        env=variables,
        dimensions=(50, 200),
        encoding="utf-8",
        timeout=20,
    )
    load = f"{shlex.quote(str(binary))} completions {shell}"
    child.sendline(PRINT[shell])
    child.sendline(f"{load} | source" if shell == "fish" else f"source <({load})")
    # The echo of the line has the quotes, so the marker says that all lines were obeyed.
    child.sendline("echo load''ed")
    child.expect_exact("loaded")
    return child


def try_shell(shell, directory, binary, checks):
    """Type each line, press TAB, and show the words that the line has then."""
    import pexpect

    child = start(shell, directory, binary)
    for typed, expected in TYPED:
        # The keys behind TAB are read when the completion is done: to the begin of the line, and
        # the function that prints the words.
        child.send(f"{typed}\t\x01words \r")
        wanted = "".join(f"<{word}>" for word in [*typed.split()[:-1], expected])
        try:
            child.expect_exact(wanted)
            good, seen = True, ""
        except (pexpect.TIMEOUT, pexpect.EOF):
            good, seen = False, repr(child.before)
        checks.check(f"{shell}: {typed}<TAB> {expected}", good, seen)
    child.close(force=True)


def prepare(directory, binary):
    """The environment, the wheels and the lock file."""
    dist = directory / "dist"
    for name in ("alphabet", "zebra"):
        wheels.project(name, "1.0", {f"{name}.py": "x = 1\n"}).write(dist)
    (directory / "pylock.toml").write_text(LOCK)
    root = venv.make_fast(directory / "venv")
    venv.must([binary, dist, "--target", root])


def main():
    parser = venv.new_parser(__doc__)
    shells = ("bash", "zsh", "fish")
    parser.add_argument("--shell", action="append", choices=shells, help="only this shell")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    checks, tried = Checks(), 0
    with venv.scratch_directory("shells") as scratch:
        try:
            import pexpect  # noqa: F401
        except ImportError:
            python = venv.make_tools(scratch / "tools", "pexpect")
            return venv.run([python, *sys.argv], stdout=None, stderr=None).returncode
        directory = scratch / "work"
        directory.mkdir()
        prepare(directory, binary)
        for shell in options.shell or shells:
            if shutil.which(shell) is None:
                print(f"left out: {shell} is not installed")
                continue
            tried += 1
            try_shell(shell, directory, binary, checks)
    return checks.finish() if tried else 1


if __name__ == "__main__":
    sys.exit(main())
