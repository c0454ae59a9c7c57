"""The environment that the crash tests change, and the projects that they install in it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

from lib import trees, venv, wheels
from lib.wheels import module_text, project


def scenario_projects(size: int) -> tuple[list[wheels.Wheel], list[wheels.Wheel]]:
    """Two versions of some projects that conflict in every way a replacement has to handle.

    They share a namespace; a module becomes a package and a package becomes a module; scripts are
    added, kept and removed; there are data files, headers, a nested package that gains and loses
    files, a `.pth` file, and a file that two projects own with the same content. `size` is the
    number of plain modules in each package.
    """
    return _projects("1.0", size, False), _projects("2.0", size, True)


def _projects(version: str, size: int, new: bool) -> list[wheels.Wheel]:
    plain = {f"alpha/m{n}.py": module_text("alpha", version, n) for n in range(size)}
    plain["alpha/__init__.py"] = module_text("alpha", version)
    plain["alpha/deep/er/__init__.py"] = module_text("alpha", version, 1)
    plain["alpha/deep/new.py" if new else "alpha/deep/old.py"] = module_text("alpha", version, 2)
    alpha = project(
        "alpha",
        version,
        plain,
        scripts=["alpha = alpha:main", f"alpha-{'new' if new else 'old'} = alpha:main"],
        data={
            "share/alpha/data.txt": version,
            f"share/alpha/only-{version}.txt": "x",
            "share/man/man1/a.1": version,
        },
        headers={"alpha.h": f"/* {version} */"},
    )
    half = range(size // 2)
    first = {f"space/one/m{n}.py": module_text("space-one", version, n) for n in half}
    second = {f"space/two/m{n}.py": module_text("space-two", version, n) for n in half}
    first["space/common.txt"] = second["space/common.txt"] = "both have this\n"
    only = "space/only_new.py" if new else "space/only_old.py"
    second[only] = module_text("space-two", version)
    if new:
        grows = {
            "grows/__init__.py": module_text("grows", version),
            "grows/inside.py": "y = 2\n",
        }
        shrinks = {"shrinks.py": module_text("shrinks", version), "shrinks.pth": "# 2\n"}
    else:
        grows = {"grows.py": module_text("grows", version)}
        shrinks = {
            "shrinks/__init__.py": module_text("shrinks", version),
            "shrinks/inside/a.py": "y = 1\n",
            "shrinks.pth": "# 1\n",
        }
    return [
        alpha,
        project("space-one", version, first, scripts=["one = space.one.m0:main"]),
        project("space-two", version, second),
        project("grows", version, grows),
        project("shrinks", version, shrinks, data={"etc/shrinks/conf.d/a.conf": version}),
    ]


class Projects:
    """The scenario's wheels in a directory: `old` and `new` paths, and `names`."""

    def __init__(self, directory: pathlib.Path, size: int):
        old, new = scenario_projects(size)
        self.old = [wheel.write(directory / "wheels-old") for wheel in old]
        self.new = [wheel.write(directory / "wheels-new") for wheel in new]
        self.names = [wheel.name for wheel in old]


class Workspace:
    """A scratch directory with an environment `root`, and copies of its states to restore.

    The environment's root directory itself is never replaced, so that it can be a mount.
    """

    def __init__(self, scratch: pathlib.Path, binary: pathlib.Path, size: int):
        self.scratch, self.binary = scratch, binary
        self.root = venv.make_fast(scratch / "venv")
        self.projects = Projects(scratch, size)
        self.fresh_target = scratch / "place" / "target"
        (scratch / "place").mkdir()

    def command(self, *words, target: pathlib.Path | None = None) -> list:
        """A command line of pkg-install for this environment."""
        return [self.binary, *words, "--target", target or self.root]

    def must(self, *words) -> None:
        """Run a command that has to succeed."""
        venv.must(self.command(*words), code=1)

    def faults_after_recovery(self, before: dict, after: dict) -> Iterator[str]:
        """Recover, and yield what is wrong with that or with what it leaves."""
        done = venv.run(self.command("recover"))
        if done.returncode:
            status = venv.describe_status(done.returncode)
            yield f"recover: {status}: {venv.one_line(done.stderr)}"
        found = trees.snapshot(self.root)
        if found not in (before, after):
            yield f"after recover: {trees.nearer(before, after, found)}"

    def save(self, state: str) -> pathlib.Path:
        """Keep a copy of the environment as it is."""
        copy = self.scratch / f"state-{state}"
        trees.remove(copy)
        copy.mkdir()
        trees.copy_contents(self.root, copy)
        return copy

    def restore(self, state: str) -> None:
        """Put the environment back into a saved state."""
        trees.empty(self.root)
        trees.copy_contents(self.scratch / f"state-{state}", self.root)


# Tools of the system


def find(tool: str) -> str | None:
    """The path of a program, which may be one for administrators."""
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin:/usr/local/sbin")


def need(*tools: tuple[str, str]) -> list[str]:
    """Install missing tools with apt-get if possible; return those that are still missing.

    `tools` are (program, package) pairs.
    """
    missing = [(tool, package) for tool, package in tools if find(tool) is None]
    if missing and shutil.which("apt-get"):
        packages = sorted({package for _, package in missing})
        as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
        apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        with contextlib.suppress(OSError):
            subprocess.run([*apt, "update"], check=False, **quiet)
            subprocess.run([*apt, "install", "-y", *packages], check=False, **quiet)
    return [f"{tool} (package {package})" for tool, package in missing if find(tool) is None]


def insist(*tools: tuple[str, str]) -> None:
    """Install missing tools, or exit with a message."""
    lacking = need(*tools)
    if lacking:
        sys.exit("missing: " + ", ".join(lacking))
