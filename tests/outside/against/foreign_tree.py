"""Lay out wheels for another machine in a root directory that holds nothing but the program.

    sudo python3 tests/outside/against/foreign_tree.py [--python-version 3.12]
                                                       [--platform manylinux_2_28_aarch64]
                                                       [--require NAME ...]

pip downloads wheels for the platform and installs them with `--target`, `--platform` and
`--python-version`. pkg-install does the same below a root directory (chroot) in which there is no
interpreter, no shell and no other program: only its own binary and the libraries it is linked to.
The trees must have the same files with the same contents and execute bits, but for

- the names of dist-info directories, which pkg-install normalises;
- INSTALLER, REQUESTED, direct_url.json, and RECORD, which pip fills with the paths of its staging
  directory: that of pkg-install must list exactly the files that are there, with their digests;
- the first lines of scripts, and the text of those for entry points, which have to import and call
  the same function.

`list` and `check` then run in the root directory, too. It takes root, since chroot does. Exit code
1: the trees differ, or a command needs something that is not there.
"""

from __future__ import annotations

import csv
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import venv

REQUIRED = ("flask", "numpy", "cryptography", "aiohttp", "sqlalchemy", "black", "pydantic")
DIST_INFO = re.compile(r"^([^/]+?)-([^/-]+)\.dist-info/(.*)$")
UNCOMPARED = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")
CALL = re.compile(r"^\s*from (\S+) import (\S+)|sys\.exit\(([\w.]+)\(\)\)", re.MULTILINE)


def normal_path(path: str) -> str:
    """A path with its dist-info directory in the normal spelling."""
    match = DIST_INFO.match(path)
    if not match:
        return path
    name, version, rest = match.groups()
    return f"{venv.normal_name(name, '_')}-{version}.dist-info/{rest}"


def content_of(file: pathlib.Path, path: str) -> tuple:
    """What has to be equal of a file."""
    content, executable = file.read_bytes(), os.access(file, os.X_OK)
    if path.startswith("bin/") and content.startswith(b"#!"):
        text = content.decode("utf-8", "replace")
        calls = CALL.findall(text)
        # pip and pkg-install write different launchers; other scripts differ in the first line.
        return (executable, calls) if len(calls) == 2 else (executable, content.split(b"\n", 1)[1])
    return executable, content


def read(root: pathlib.Path) -> dict[str, tuple]:
    """The files below a root, by normal path."""
    found = {}
    for file in root.rglob("*"):
        path = file.relative_to(root).as_posix()
        name = path.rsplit("/", 1)[-1]
        if file.is_file() and not (DIST_INFO.match(path) and name in UNCOMPARED):
            found[normal_path(path)] = content_of(file, path)
    return found


def unlisted(root: pathlib.Path) -> set[str]:
    """The files that no RECORD lists, and the rows without a file."""
    listed = set()
    for record in root.glob("*.dist-info/RECORD"):
        with open(record, newline="", encoding="utf-8") as file:
            listed.update(os.path.normpath(row[0]) for row in csv.reader(file))
    files = {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}
    return files ^ listed


def libraries_of(binary: pathlib.Path) -> list[pathlib.Path]:
    """The libraries that a program is linked to, and its loader; none if it is static."""
    done = venv.run(["ldd", binary])
    return [pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)]


def bare_root(root: pathlib.Path, binary: pathlib.Path) -> pathlib.Path:
    """A root directory with nothing but the program."""
    for file in [binary, *libraries_of(binary)]:
        place = root / ("pkg-install" if file == binary else str(file)[1:])
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return root


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--python-version", default="3.12", help="the version of Python")
    add("--platform", default="manylinux_2_28_aarch64", help="a wheel's platform tag")
    add("--require", action="append", help="a project to install with all that it needs")
    add("--wheels", type=pathlib.Path, help="take the wheels of this directory instead")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("chroot takes root")
        return 2
    binary = venv.checked_binary(options.binary)
    older = [options.platform]
    if match := re.fullmatch(r"manylinux_2_(\d+)_(\w+)", options.platform):
        # pip does not know that such a tag includes the older ones.
        minors = range(int(match[1]), 16, -1)
        older = [*(f"manylinux_2_{minor}_{match[2]}" for minor in minors)]
        older.append(f"manylinux2014_{match[2]}")
    described = ["--python-version", options.python_version]
    for_pip = ["--implementation", "cp", "--only-binary=:all:", *described]
    for_pip += [f"--platform={tag}" for tag in older]
    variables = venv.clean_variables(keep=("PIP_",))
    with venv.scratch_directory("foreign") as scratch:
        pip = [venv.make_tools(scratch / "tools", "pip"), "-m", "pip"]
        root = bare_root(scratch / "root", binary)
        wheels = root / "wheels"
        wheels.mkdir()
        if options.wheels:
            for wheel in options.wheels.glob("*.whl"):
                shutil.copy(wheel, wheels)
        else:
            names = options.require or REQUIRED
            download = ["download", "--quiet", "--dest", wheels, *for_pip, *names]
            venv.must([*pip, *download], env=variables)
        count = len(list(wheels.glob("*.whl")))
        theirs, mine = scratch / "pip", root / "app"
        alone = ["--no-index", "--no-deps", "--no-compile", "--quiet", "--target", theirs]
        venv.must([*pip, "install", *alone, *for_pip, *wheels.glob("*.whl")], env=variables)
        chroot = shutil.which("chroot", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        inside = [chroot or "/usr/sbin/chroot", root, "/pkg-install"]
        target = ["--target", "/app"]
        install = [*described, "--python-platform", options.platform, *target, "/wheels"]
        venv.must([*inside, *install], code=1, env={})
        listed = venv.must([*inside, "list", "--format", "freeze", *target], code=1, env={})
        venv.must([*inside, "check", *target], code=1, env={})
        one, two = read(theirs), read(mine)
        wrong = [f"only pip has {path}" for path in one.keys() - two.keys()]
        wrong += [f"only pkg-install has {path}" for path in two.keys() - one.keys()]
        wrong += [f"{path} differs" for path in one.keys() & two.keys() if one[path] != two[path]]
        wrong += [f"{path}: RECORD and the tree disagree" for path in unlisted(mine)]
        if len(listed.split()) != count:
            wrong.append(f"`list` names {len(listed.split())} projects")
    print("\n".join(sorted(wrong)[:50]))
    print(f"{count} wheels, {len(two)} files: {len(wrong)} differences")
    return 1 if wrong or not two else 0


if __name__ == "__main__":
    sys.exit(main())
