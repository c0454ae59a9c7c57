"""Let pkg-install upgrade what pip installed, and pip upgrade what pkg-install installed.

    python3 tests/outside/against/upgrades_with_pip.py DIR [--old REQUIREMENT ...]

DIR has wheels of newer versions of the projects that `--old` names in older ones; the older ones
are fetched from the package index. First pip installs the old versions and pkg-install the new ones
over them: the tree has to equal, byte for byte, that of a fresh installation of the new ones, and
pip has to list the same projects in both. Then pkg-install installs the old versions and pip
upgrades them: without a complaint, and nothing of the old versions may be left.

Prints a line for each check. Exit code 1: a check failed.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checks import Checks
from lib import trees, venv

OLD = (
    "attrs==23.1.0 certifi==2023.7.22 click==8.1.3 idna==3.4 jinja2==3.1.2 markupsafe==2.1.2 "
    "packaging==23.0 pyyaml==6.0.1 requests==2.28.0 six==1.16.0 urllib3==1.26.15"
).split()
PIP = [sys.executable, "-m", "pip"]
OFFLINE = ["--no-index", "--no-deps"]


def tree(root):
    """The tree of an environment, without bytecode and without what depends on its path."""
    own = str(root).encode()

    def rewrite(path, content):
        # RECORD has the digests of scripts, which contain the path.
        return b"" if path.endswith("/RECORD") else content.replace(own, b"ROOT")

    def counts(path):
        name = path.rpartition("/")[2]
        return not (name.startswith("activate") or name.endswith(".pyc") or name == "__pycache__")

    found = trees.snapshot(root, rewrite=rewrite)
    return {path: node for path, node in found.items() if counts(path)}


def run(*command):
    """Run a command with the settings of pip; its output has both streams."""
    variables = venv.clean_variables(keep=("PIP_",))
    return venv.run(command, env=variables, stderr=subprocess.STDOUT)


def pip(root, *words):
    """Run pip for an environment."""
    return run(*PIP, "--python", root / "bin/python", *words)


def lines(expected, found):
    """The differences between two trees, for printing."""
    return "\n".join(trees.differences(expected, found)[:40])


def pip_first(checks, scratch, binary, old, new):
    """pkg-install replaces what pip installed."""
    fresh = venv.make(scratch / "fresh")
    checks.ran("pkg-install installs the new versions", run(binary, *new, "--target", fresh))
    over = venv.make(scratch / "over")
    installed = pip(over, "install", "-q", "--compile", *OFFLINE, *old)
    checks.ran("pip installs the old versions, with bytecode", installed)
    checks.check("pip wrote bytecode", any(over.rglob("*.pyc")))
    done = run(binary, *new, "--target", over)
    good = done.returncode == 0 and "edited" not in done.stdout
    checks.check("pkg-install replaces them", good, done.stdout)
    one, other = tree(fresh), tree(over)
    checks.check("the tree equals that of a fresh installation", one == other, lines(one, other))
    caches = [str(path) for path in over.rglob("*.pyc")]
    lists = [pip(root, "list", "--format", "freeze") for root in (fresh, over)]
    same = lists[0].stdout == lists[1].stdout and not any(done.returncode for done in lists)
    checks.check("pip lists the same projects", same, lists[1].stdout)
    text = "\n".join(caches[:20])
    checks.check("no bytecode of the old versions is left", not caches, text)
    checks.ran("pkg-install check", run(binary, "check", "--target", over))


def pkg_install_first(checks, scratch, binary, old, new):
    """pip replaces what pkg-install installed."""
    ours = venv.make(scratch / "ours")
    checks.ran("pkg-install installs the old versions", run(binary, *old, "--target", ours))
    done = pip(ours, "install", *OFFLINE, "--no-compile", "--upgrade", *new)
    complaints = [line for line in done.stdout.splitlines() if "WARNING" in line or "ERROR" in line]
    good = done.returncode == 0 and not complaints
    checks.check("pip upgrades them without a complaint", good, done.stdout)
    theirs = venv.make(scratch / "theirs")
    pip(theirs, "install", "-q", *OFFLINE, "--no-compile", *new)
    one, other = tree(theirs), tree(ours)
    checks.check("nothing of the old versions is left", one == other, lines(one, other))


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("wheels", metavar="DIR", type=pathlib.Path, help="wheels of the new versions")
    add("--old", nargs="+", metavar="REQUIREMENT", default=OLD, help="the old versions")
    options = parser.parse_args()
    binary, checks = venv.checked_binary(options.binary), Checks()
    names = {venv.normal_name(requirement.split("==")[0]) for requirement in options.old}
    new = [path.resolve() for path in sorted(options.wheels.glob("*.whl"))]
    new = [path for path in new if venv.normal_name(path.name.split("-")[0]) in names]
    with venv.scratch_directory("upgrades") as scratch:
        place = scratch / "old"
        download = [*PIP, "download", "-q", "--no-deps", "--only-binary=:all:", "-d", place]
        done = run(*download, *options.old)
        title = f"{len(options.old)} old wheels are fetched, {len(new)} new ones are in DIR"
        complete = done.returncode == 0 and len(new) == len(names)
        checks.check(title, complete, done.stdout)
        old = sorted(place.glob("*.whl"))
        pip_first(checks, scratch, binary, old, new)
        pkg_install_first(checks, scratch, binary, old, new)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
