"""Let pip manage an environment that pkg-install filled: list, check, use, uninstall.

    python3 tests/outside/against/managed_by_pip.py WHEELS [--import a,b,c] [--run "tool --version"]
                                                    [--option=--on-conflict=last ...]

pkg-install installs every wheel of the directory WHEELS into a fresh virtual environment. pip has
to list as many projects as there are wheels and to find no broken requirement; the modules are
imported and the commands run inside the environment; and pip has to uninstall everything and leave
nothing behind.

Prints a line for each check. Exit code 1: a check failed.
"""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checks import Checks
from lib import trees, venv


class Environment:
    """A fresh virtual environment, and ways to use it."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.root = venv.make(scratch / "venv")

    def run(self, command, **more):
        """Run a command in the scratch directory; its output has both streams."""
        variables = venv.clean_variables(**more)
        return venv.run(command, env=variables, cwd=self.scratch, stderr=subprocess.STDOUT)

    def run_inside(self, command):
        """Run a command as in an activated environment."""
        path = os.pathsep.join([str(self.root / "bin"), os.environ.get("PATH", os.defpath)])
        program = shutil.which(command[0], path=path) or command[0]
        return self.run([program, *command[1:]], PATH=path, VIRTUAL_ENV=str(self.root))

    def pip(self, *arguments):
        """Run pip for this environment."""
        python = ["--python", self.root / "bin/python"]
        return self.run([sys.executable, "-m", "pip", *python, *arguments])

    def files(self):
        """Every file of the environment except the lock."""
        return sorted(trees.files(trees.snapshot(self.root, contents=False)))

    def site_packages(self):
        """Every file in site-packages, without bytecode that interpreters wrote meanwhile."""
        places = {path.resolve() for path in self.root.glob("lib*/python*/site-packages")}
        found = (
            str(place / path)
            for place in places
            for path in trees.files(trees.snapshot(place, contents=False))
        )
        return sorted(path for path in found if not path.endswith(".pyc"))


def names_of(done):
    """The names that `pip list` printed; none if it printed something else."""
    try:
        return [project["name"] for project in json.loads(done.stdout)]
    except ValueError:
        return []


def use(environment, options, checks):
    """Install, list, check, import, run and uninstall."""
    wheels = sorted(pathlib.Path(options.wheels).resolve().glob("*.whl"))
    before = environment.files()
    command = [options.binary, *wheels, "--target", environment.root, *options.option]
    if not checks.ran(f"pkg-install installs {len(wheels)} wheels", environment.run(command)):
        return
    names = names_of(environment.pip("list", "--format", "json"))
    checks.check(f"pip lists {len(wheels)} projects", len(names) == len(wheels), ", ".join(names))
    checks.ran("pip check", environment.pip("check"))
    for module in filter(None, ",".join(options.imports).split(",")):
        checks.ran("import " + module, environment.run_inside(["python", "-c", "import " + module]))
    for command in options.run:
        checks.ran(command, environment.run_inside(shlex.split(command)))
    if names:
        removed = environment.pip("uninstall", "--yes", *names)
        if not checks.ran("pip uninstalls them", removed):
            return
    # pip leaves empty directories of namespaces behind after any installer, so only files count.
    left = environment.site_packages()
    checks.check("no file is left in site-packages", not left, "\n".join(left[:50]))
    after = environment.files()
    for place, is_bin in (("bin", True), ("the rest", False)):
        old, new = (
            {path for path in files if path.startswith("bin/") is is_bin}
            for files in (before, after)
        )
        differs = trees.differences(dict.fromkeys(old), dict.fromkeys(new))
        checks.check(f"{place} is as before", not differs, "\n".join(differs[:50]))


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("wheels", metavar="WHEELS", help="a directory of wheels, one for each project")
    modules = "modules to import, separated by commas"
    add("--import", dest="imports", action="append", default=[], metavar="NAMES", help=modules)
    inside = "a command to run inside the environment"
    add("--run", action="append", default=[], metavar="COMMAND", help=inside)
    add("--option", action="append", default=[], help="one more argument for pkg-install")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    checks = Checks()
    with venv.scratch_directory("managed") as scratch:
        use(Environment(scratch), options, checks)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
