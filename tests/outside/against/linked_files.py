"""Let pip and uv change and remove projects whose files are links into the store.

    python3 tests/outside/against/linked_files.py

For each way of linking, once as this user and, if that is root, once without root's powers (with
setpriv of util-linux, if that is there): pkg-install installs projects from its store. Then pip, and in another environment uv, lists them, upgrades one,
and uninstalls all. Each time nothing may be left, and the store has to hold what it held before.

Prints a line for each check. Exit code 1: a check failed.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checks import Checks
from lib import trees, venv
from lib.wheels import module_text, project

# Root in name only: permissions hold for it as for everybody.
POWERLESS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]


def wheels(directory):
    """Two projects, one of them in two versions; both have a part of a namespace package."""

    def made(name, version):
        files = {
            f"{name}/__init__.py": f"version = {version!r}\n",
            f"{name}/only_{version[0]}.py": module_text(name, version),
            f"{name}/deep/__init__.py": "",
            f"space/{name}/__init__.py": module_text(name, version, 1),
        }
        return project(name, version, files, scripts=[f"{name} = {name}:main"]).write(directory)

    return [made("alpha", "1.0"), made("beta", "1.0")], made("alpha", "2.0")


class User:
    """Runs commands, each behind the words `before`, with a cache of its own."""

    def __init__(self, scratch, binary, before):
        self.scratch, self.binary, self.before = scratch, binary, before
        self.cache = scratch / "cache"
        home = {"HOME": str(scratch), "UV_CACHE_DIR": str(scratch / "uv")}
        self.variables = venv.clean_variables(**home)

    def run(self, *command):
        """Run a command; its output has both streams."""
        command = [*self.before, *command]
        return venv.run(command, env=self.variables, cwd=self.scratch, stderr=subprocess.STDOUT)

    def store(self):
        """The files of the store's wheels. Root's interpreters may have added bytecode."""
        found = trees.files(trees.snapshot(self.cache / "store"))
        return {path: node for path, node in found.items() if "/tree/" in path and not path.endswith(".pyc")}

    def environment(self, name):
        root = self.scratch / name
        self.run(sys.executable, "-m", "venv", "--without-pip", root)
        return root


def left(root):
    """What is installed, without bytecode."""
    # pip also removes the library itself if there was nothing in it but what it has removed.
    found = [path for library in root.glob("lib/python*/site-packages") for path in library.rglob("*")]
    return sorted(str(path) for path in found if path.is_symlink() or path.is_file())


def managed(checks, user, mode, tool, words):
    """One tool changes and removes what is linked in one way."""
    who = f"{tool}, {mode}{', without powers' if user.before else ''}"
    old, new = wheels(user.scratch / "wheels")
    root = user.environment(f"{tool}-{mode}")
    install = [user.binary, *old, "--target", root, "--cache-dir", user.cache, "--store", "always"]
    checks.ran(f"{who}: installed", user.run(*install, "--link-mode", mode))
    links = [path for path in root.glob("lib/*/site-packages/*") if path.is_symlink()]
    checks.check(f"{who}: packages are links", bool(links) == (mode == "symlink"), str(links))
    python, before = root / "bin/python", user.store()
    checks.ran(f"{who}: imported", user.run(python, "-c", "import alpha.deep, beta, space.alpha, space.beta"))
    listed = user.run(*words("list", python))
    good = listed.returncode == 0 and "alpha" in listed.stdout and "beta" in listed.stdout
    checks.check(f"{who}: listed", good, listed.stdout)
    offline = ["--no-index", "--no-deps"]
    checks.ran(f"{who}: upgraded", user.run(*words("install", python), *offline, new))
    code = "import alpha, beta, space.alpha, space.beta; print(alpha.version, alpha.__file__)"
    imported = user.run(python, "-B", "-c", code)
    good = imported.stdout.startswith("2.0 ") and not (root / "only_1.py").exists()
    checks.check(f"{who}: the new version is imported", good, imported.stdout)
    checks.check(f"{who}: the store is as before", user.store() == before)
    yes = ["-y"] if tool == "pip" else []
    checks.ran(f"{who}: uninstalled", user.run(*words("uninstall", python), *yes, "alpha", "beta"))
    checks.check(f"{who}: nothing is left", not left(root), "\n".join(left(root)))
    checks.check(f"{who}: the store is as before", user.store() == before)
    verified = user.run(user.binary, "cache", "verify", "--cache-dir", user.cache)
    checks.ran(f"{who}: the store is whole", verified)


def main():
    options = venv.new_parser(__doc__).parse_args()
    binary, checks = venv.checked_binary(options.binary), Checks()
    with venv.scratch_directory("linked") as scratch:
        peers = venv.Peers(scratch / "peers").make()
        pip = [peers.python, "-m", "pip"]
        tools = {
            "pip": lambda word, python: [*pip, "--python", python, word],
            "uv": lambda word, python: [peers.uv, "pip", word, "--python", python],
        }
        befores = [[]]
        if os.geteuid() == 0 and shutil.which(POWERLESS[0]):
            befores.append(POWERLESS)
        for number, before in enumerate(befores):
            place = scratch / str(number)
            place.mkdir()
            user = User(place, binary, before)
            for mode in ("hardlink", "symlink"):
                for tool, words in tools.items():
                    managed(checks, user, mode, tool, words)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
