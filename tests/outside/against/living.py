"""Let pip live in an environment that pkg-install filled: list, check, use, uninstall.

    python3 living.py WHEELS --binary PATH [--import a,b,c] [--run "jupyter --version"] [--option=--on-conflict=last ...]

A fresh virtual environment gets every wheel of the directory WHEELS from pkg-install. Then pip has to see as many
projects as there were wheels and to find nothing broken; the modules are imported and the commands run inside the
environment; and pip has to uninstall everything and leave nothing behind. One line for each check; the exit code is 1
where one fails.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile


class Environment:
    """A fresh virtual environment and what to do in it."""

    def __init__(self, scratch):
        self.root = pathlib.Path(scratch, "venv")
        foreign = ("PKG_INSTALL_", "PIP_", "PYTHON", "VIRTUAL_ENV")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.variables.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_CONFIG_FILE=os.devnull)
        self.variables["PYTHONDONTWRITEBYTECODE"] = "1"
        self.scratch = scratch
        self.run([sys.executable, "-m", "venv", "--without-pip", self.root]).check_returncode()

    def run(self, command, **more):
        """Run a command in the scratch directory; return what it left."""
        variables = dict(self.variables, **more)
        return subprocess.run(
            command,
            env=variables,
            cwd=self.scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )

    def run_inside(self, command):
        """Run a command as an activated environment does."""
        path = os.pathsep.join([str(self.root / "bin"), self.variables.get("PATH", os.defpath)])
        program = shutil.which(command[0], path=path) or command[0]
        return self.run([program, *command[1:]], PATH=path, VIRTUAL_ENV=str(self.root))

    def pip(self, *arguments):
        """Run pip for this environment."""
        return self.run([sys.executable, "-m", "pip", "--python", self.root / "bin/python", *arguments])

    def files(self):
        """Every file of the environment, but for the lock."""
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir())
        return sorted(path for path in found if path != ".lock")

    def site_packages(self):
        """Every file below the package directories; bytecode that an interpreter wrote meanwhile is not pip's to remove."""
        places = {path.resolve() for path in self.root.glob("lib*/python*/site-packages")}
        found = (path for place in places for path in place.rglob("*") if not path.is_dir() or path.is_symlink())
        return sorted(str(path) for path in found if path.suffix != ".pyc")


class Checks:
    """What was checked, and how it went."""

    def __init__(self):
        self.failed = 0

    def check(self, name, good, detail=""):
        """Print one check; `detail` is shown where it failed."""
        self.failed += not good
        print("ok    " + name if good else "FAIL  {}\n{}".format(name, detail), flush=True)

    def ran(self, name, done):
        """Check that a command ended well."""
        self.check(name, done.returncode == 0, "exit code {}\n{}".format(done.returncode, done.stdout[-4000:]))
        return done.returncode == 0


def names_of(done):
    """The names that `pip list` printed; none where it printed something else."""
    try:
        return [project["name"] for project in json.loads(done.stdout)]
    except ValueError:
        return []


def live(environment, arguments, checks):
    """Everything that is done in the environment."""
    wheels = sorted(pathlib.Path(arguments.wheels).resolve().glob("*.whl"))
    before = environment.files()
    installed = environment.run([arguments.binary, *wheels, "--target", environment.root, *arguments.option])
    if not checks.ran("pkg-install installs {} wheels".format(len(wheels)), installed):
        return
    names = names_of(environment.pip("list", "--format", "json"))
    checks.check("pip lists {} projects".format(len(wheels)), len(names) == len(wheels), ", ".join(names))
    checks.ran("pip check", environment.pip("check"))
    for module in filter(None, ",".join(arguments.imports).split(",")):
        checks.ran("import " + module, environment.run_inside(["python", "-c", "import " + module]))
    for command in arguments.run:
        checks.ran(command, environment.run_inside(shlex.split(command)))
    if names and not checks.ran("pip uninstalls them", environment.pip("uninstall", "--yes", *names)):
        return
    # pip leaves empty directories of namespaces behind, whoever installed them; it is files that must not be left.
    left = environment.site_packages()
    checks.check("no file is left in site-packages", not left, "\n".join(left[:50]))
    after = environment.files()
    for place, those in (("bin", True), ("the rest", False)):
        old, new = ({path for path in files if path.startswith("bin/") is those} for files in (before, after))
        differs = ["+ " + path for path in sorted(new - old)] + ["- " + path for path in sorted(old - new)]
        checks.check("{} is as it was".format(place), not differs, "\n".join(differs[:50]))


def main():
    """Check one directory of wheels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", help="a directory of wheels, one for each project")
    parser.add_argument("--binary", required=True, type=os.path.abspath, help="pkg-install")
    parser.add_argument("--import", dest="imports", action="append", default=[], help="modules, with commas between")
    parser.add_argument("--run", action="append", default=[], help="a command to run inside the environment")
    parser.add_argument("--option", action="append", default=[], help="one more argument for pkg-install")
    arguments = parser.parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="living-", dir=memory))
    checks = Checks()
    try:
        live(Environment(scratch), arguments, checks)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("{} failed".format(checks.failed))
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
