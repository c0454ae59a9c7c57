"""Compare what pkg-install makes of a resolution with what pip makes of the same one.

    python3 resolved.py --binary PATH (--requirements FILE | NAME...) [--uv UV] [--pip PYTHON]

pip resolves the projects (`pip install --dry-run --report`) and then installs them itself, held to the versions of
its report. pkg-install makes the same environment again and again, each time from what another resolver left:

- the report, by its path, from stdin, and made for another Python;
- the lock file of `pip lock`, and that of `uv export`, which is for every system;
- the lists of `pip-compile`, `uv pip compile` and `uv export`, with hashes, and the wheels that
  `pkg-install download` fetched;
- a third of the report, a third of the lock file and the rest as URLs, in one transaction;
- the report once more, offline.

Each tree is compared with pip's as `compare_with_pip.py` does. REQUESTED and direct_url.json are compared too: from a
report both are pip's own; a lock file or a list does not say what was requested, so there REQUESTED has to be nowhere.
Then all but the offline and the mixed way are gone again with two of the projects as direct references, one by URL and
one by path (which uv writes relative to its project), and what has to be refused is tried: another Python, and a
mixture of which one hash is wrong.

It needs the registry that pip is set up for, and three projects or more. FILE has names or pins, one a line. PYTHON
has a pip that can lock (25.1) and pip-tools; without it both are fetched into a scratch environment. Without UV what uv
leaves is not tried, and said so. The exit code is 1 where anything differs.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from urllib.parse import unquote

from compare_with_pip import Tree, compare, metadata_file, normal_name

SHOWN = 20
ONLY_WHEELS = "--only-binary=:all:"


@dataclasses.dataclass
class Way:
    """One way to tell pkg-install what to install."""

    label: str
    arguments: list
    stdin: str | None = None
    # The items that come from a report, which alone says what was requested.
    reported: list = dataclasses.field(default_factory=list)
    # Where it is typed.
    cwd: pathlib.Path | None = None


class Room:
    """A scratch directory, the tools, and what was found to differ."""

    def __init__(self, scratch: str, arguments: argparse.Namespace) -> None:
        self.scratch = pathlib.Path(scratch)
        self.binary = arguments.binary
        self.uv = arguments.uv
        foreign = ("PKG_INSTALL_", "PYTHON", "VIRTUAL_ENV", "PIP_FIND_LINKS")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.variables.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONDONTWRITEBYTECODE="1")
        self.variables["PKG_INSTALL_CACHE_DIR"] = str(self.scratch / "cache")
        self.failed = 0
        self.python = arguments.pip or self.make_tools()

    def make_tools(self) -> str:
        """A scratch environment with the newest pip and pip-tools."""
        root = self.scratch / "tools"
        self.run([sys.executable, "-m", "venv", root])
        python = str(root / "bin/python")
        self.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip", "pip-tools"])
        return python

    def start(self, command: list, stdin: str | None = None, cwd: pathlib.Path | None = None):
        """Run a command; return what it left."""
        text = "" if stdin is None else stdin
        words = list(map(str, command))
        return subprocess.run(
            words, env=self.variables, cwd=cwd, input=text, capture_output=True, text=True, check=False
        )

    def run(self, command: list, stdin: str | None = None, cwd: pathlib.Path | None = None) -> str:
        """Run a command that has to succeed; return what it printed."""
        done = self.start(command, stdin, cwd)
        if done.returncode != 0:
            print(" ".join(map(str, command))[:300], "...: exit code", done.returncode)
            print(done.stdout[-3000:], done.stderr[-6000:], sep="\n")
            sys.exit(2)
        return done.stdout

    def fresh(self, name: str) -> Tree:
        """A new virtual environment with nothing in it; one of that name goes."""
        root = self.scratch / name
        shutil.rmtree(root, ignore_errors=True)
        self.run([sys.executable, "-m", "venv", "--without-pip", root])
        tree = Tree(root)
        tree.remember_own()
        return tree

    def tell(self, label: str, detail: str, differences: list[str]) -> None:
        """Print one comparison."""
        self.failed += bool(differences)
        print("{:<34} {}, {} differences".format(label, detail, len(differences)), flush=True)
        for line in differences[:SHOWN]:
            print("    " + line)


class Resolution:
    """The projects that were asked for, what pip chose, and the environment that pip made of them."""

    def __init__(self, room: Room, name: str, asked: list[str]) -> None:
        self.room = room
        self.asked = asked
        self.place = room.scratch / name
        self.place.mkdir(exist_ok=True)
        self.list = self.write("asked.in", "\n".join(asked) + "\n")
        self.reference = room.fresh(name + "/pip")
        pip = [room.python, "-m", "pip", "--python", self.reference.root / "bin/python", "install", "--quiet"]
        self.report = self.place / "report.json"
        room.run([*pip, "--dry-run", "--ignore-installed", ONLY_WHEELS, "--report", self.report, "-r", self.list])
        self.items = json.loads(self.report.read_text())["install"]
        # What is asked for by its URL cannot be held to a version too.
        self.pins = {
            item["metadata"]["name"]: item["metadata"]["version"] for item in self.items if not item["is_direct"]
        }
        lines = ["{}=={}\n".format(name, version) for name, version in self.pins.items()]
        self.constraints = self.write("constraints.txt", "".join(lines))
        room.run([*pip, "--no-compile", ONLY_WHEELS, "-c", self.constraints, "-r", self.list])
        self.reference.read()

    def write(self, name: str, text: str) -> pathlib.Path:
        """Write a file of this resolution."""
        path = self.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def pip_lock(self) -> pathlib.Path:
        """What `pip lock` writes."""
        lock = self.place / "pylock.toml"
        held = ["-c", self.constraints, "-r", self.list, "-o", lock]
        self.room.run([self.room.python, "-m", "pip", "lock", "--quiet", ONLY_WHEELS, *held])
        return lock

    def uv_exports(self) -> tuple[pathlib.Path, pathlib.Path]:
        """The lock file and the list that `uv export` writes, for a project that depends on what was asked for."""
        # A package may ask for a patch version.
        python = ">={}.{}.{},<{}.{}".format(*sys.version_info[:3], sys.version_info[0], sys.version_info[1] + 1)
        held = ["{}=={}".format(name, version) for name, version in self.pins.items()]
        project = self.place / "project"
        local = [entry.split(" @ file://") for entry in self.asked if " @ file://" in entry]
        paths = [(name, os.path.relpath(unquote(path), project)) for name, path in local]
        sources = ["{} = {{path = '{}'}}\n".format(name, path) for name, path in paths]
        asked = [entry.split(" @ file:")[0] for entry in self.asked]
        text = (
            "[project]\nname = 'asked-for'\nversion = '1'\nrequires-python = '{}'\ndependencies = {}\n"
            "[tool.uv]\nconstraint-dependencies = {}\n[tool.uv.sources]\n{}"
        ).format(python, json.dumps(asked), json.dumps(held), "".join(sources))
        self.write("project/pyproject.toml", text)
        files = project / "pylock.uv.toml", project / "uv-export.txt"
        for file in files:
            export = ["export", "--quiet", "--no-emit-project", "--python", sys.executable, "-o", file]
            kind = "pylock.toml" if file.suffix == ".toml" else "requirements.txt"
            self.room.run([self.room.uv, *export, "--format", kind], cwd=project)
        return files

    def compiled(self, compiler: list, name: str) -> pathlib.Path:
        """The list with hashes that a compiler writes."""
        path = self.place / name
        self.room.run([*compiler, "--quiet", "--generate-hashes", "-c", self.constraints, "-o", path, self.list])
        return path

    def ways(self) -> Iterator[Way]:
        """Everything that resolvers leave."""
        yield Way("report", ["--report", self.report], reported=self.items)
        yield Way("report from stdin", ["--report", "-"], self.report.read_text(), self.items)
        other = json.loads(self.report.read_text())
        other["environment"]["python_version"] = "2.7"
        other = self.write("other.json", json.dumps(other))
        yield Way("report for Python 2.7, unchecked", ["--report", other, "--no-compat-check"], reported=self.items)
        yield Way("lock file of pip", ["--lock", self.pip_lock()])
        wheels = self.place / "wheels"
        fetch = [self.room.binary, "download", "--target", self.reference.root, "--report", self.report]
        self.room.run([*fetch, "--dest", wheels])
        found = ["--find-links", wheels, "--require-hashes"]
        if self.room.uv:
            lock, exported = self.uv_exports()
            yield Way("lock file of uv", ["--lock", lock])
            yield Way("list of uv export", ["-r", exported, *found], cwd=exported.parent)
            compiler = [self.room.uv, "pip", "compile", "--python", sys.executable, ONLY_WHEELS]
            yield Way("list of uv pip compile", ["-r", self.compiled(compiler, "uv.txt"), *found])
        else:
            print("no uv: its lock file and its lists are not tried")
        # The slowest comes last.
        compiler = [self.room.python, "-m", "piptools", "compile", "--allow-unsafe", "--strip-extras"]
        yield Way("list of pip-compile", ["-r", self.compiled(compiler, "pip.txt"), *found])

    def mixed(self) -> list:
        """Every third project as a URL, every third from the report, the rest from the lock file of pip."""
        report = json.loads(self.report.read_text())
        report["install"] = self.items[1::3]
        parts = self.write("part.json", json.dumps(report))
        locked = {normal_name(item["metadata"]["name"]) for item in self.items[2::3]}
        head, *packages = re.split(r"(?m)^(?=\[\[packages\]\]$)", (self.place / "pylock.toml").read_text())
        of = [re.search(r'(?m)^name = "(.+)"$', package) for package in packages]
        meant = [package for package, name in zip(packages, of) if name and normal_name(name[1]) in locked]
        lock = self.write("pylock.part.toml", head + "".join(meant))
        files = [item["download_info"] for item in self.items[0::3]]
        urls = ["{}#sha256={}".format(file["url"], file["archive_info"]["hashes"]["sha256"]) for file in files]
        return ["--report", parts, "--lock", lock, *urls]

    def check(self, way: Way) -> None:
        """Install in one way and compare with what pip made."""
        ours = self.room.fresh("ours")
        command = [self.room.binary, *way.arguments, "--target", ours.root, "--json"]
        done = json.loads(self.room.run(command, way.stdin, way.cwd))
        differences = list(compare(self.reference, ours.read()))
        differences += list(self.compare_origins(ours, way.reported))
        if len(done["changes"]) != len(self.items):
            differences.append("{} projects were installed".format(len(done["changes"])))
        files = sum(1 for path in ours.paths.values() if path.is_file()) - sum(
            1 for path, kind in ours.own if kind[0] == "file"
        )
        self.room.tell(way.label, "{} projects, {} files".format(len(done["changes"]), files), differences)

    def compare_origins(self, ours: Tree, reported: list) -> Iterator[str]:
        """The differences in INSTALLER, REQUESTED and direct_url.json."""
        known = {normal_name(item["metadata"]["name"]) for item in reported}
        theirs, mine = origins(self.reference), origins(ours)
        for project in sorted(set(theirs) | set(mine)):
            pip, own = theirs.get(project, {}), mine.get(project, {})
            if own.get("INSTALLER") != "pkg-install" or pip.get("INSTALLER") != "pip":
                yield "{}: INSTALLER".format(project)
            if ("REQUESTED" in own) != ("REQUESTED" in pip and project.partition("-")[0] in known):
                yield "{}: REQUESTED: pip {}, pkg-install {}".format(project, "REQUESTED" in pip, "REQUESTED" in own)
            if own.get("direct_url.json") != pip.get("direct_url.json"):
                said = [tree.get("direct_url.json") for tree in (pip, own)]
                yield "{}: direct_url.json: pip has {}, pkg-install {}".format(project, *said)

    def refuses(self, label: str, arguments: list, words: str) -> None:
        """What has to be refused with these words, and to change nothing."""
        ours = self.room.fresh("ours")
        done = self.room.start([self.room.binary, *arguments, "--target", ours.root])
        after = {path for path in ours.read().paths if not ours.is_own(path)}
        differences = ["it is there: " + path for path in sorted(after)]
        if done.returncode != 3 or words not in done.stderr:
            differences.append("exit code {}: {}".format(done.returncode, done.stderr))
        self.room.tell(label, "exit code {}".format(done.returncode), differences)


def origins(tree: Tree) -> dict[str, dict]:
    """What each project's metadata says of how it came; direct_url.json without the old `hash`."""
    found: dict[str, dict] = {}
    for path, full in tree.paths.items():
        name = metadata_file(path)
        if name in ("INSTALLER", "REQUESTED", "direct_url.json"):
            text: object = full.read_text().strip()
            if name == "direct_url.json":
                text = json.loads(full.read_text())
                text.get("archive_info", {}).pop("hash", None)
            found.setdefault(os.path.basename(os.path.dirname(path)), {})[name] = text
    return found


def check_all(room: Room, asked: list[str]) -> None:
    """Every way, direct references, and what is refused."""
    resolution = Resolution(room, "named", asked)
    print("{} projects asked for, {} chosen".format(len(asked), len(resolution.items)), flush=True)
    if len(resolution.items) < 3:
        sys.exit("three projects are needed")
    for way in resolution.ways():
        resolution.check(way)
    mixed = resolution.mixed()
    resolution.check(Way("mixed", mixed, reported=resolution.items[1::3]))
    resolution.check(Way("report, offline", ["--report", resolution.report, "--offline"], reported=resolution.items))
    other = resolution.place / "other.json"
    resolution.refuses("report for Python 2.7", ["--report", other], "`python_version` is `2.7` there")
    wrong = mixed[-1].rpartition("=")[0] + "=" + "0" * 64
    resolution.refuses("mixed, one hash wrong", [*mixed[:-1], wrong], "0" * 64)
    first, second = (item["download_info"]["url"] for item in resolution.items[:2])
    names = [item["metadata"]["name"] for item in resolution.items[:2]]
    path = resolution.place / "wheels" / second.rpartition("/")[2].replace("%2B", "+")
    # Inside the project that uv is asked in.
    below = room.scratch / "direct/project" / path.name
    below.parent.mkdir(parents=True)
    shutil.copy(path, below)
    direct = Resolution(room, "direct", [names[0] + " @ " + first, names[1] + " @ " + below.as_uri()])
    print("2 projects asked for by URL, {} chosen".format(len(direct.items)), flush=True)
    for way in direct.ways():
        direct.check(way)


def lines_of(path: str) -> list[str]:
    """The requirements in a file."""
    lines = (line.partition("#")[0].strip() for line in pathlib.Path(path).read_text().splitlines())
    return [line for line in lines if line]


def main() -> None:
    """Compare one set of projects."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a project to install, with or without a version")
    parser.add_argument("--requirements", metavar="FILE", help="a file with such names")
    parser.add_argument("--binary", required=True, type=os.path.abspath, help="pkg-install")
    parser.add_argument("--uv", help="the program uv")
    parser.add_argument("--pip", metavar="PYTHON", help="an interpreter with a new pip and pip-tools")
    arguments = parser.parse_args()
    asked = arguments.names + (lines_of(arguments.requirements) if arguments.requirements else [])
    if not asked:
        parser.error("no project is named")
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="resolved-", dir=memory))
    try:
        room = Room(scratch, arguments)
        check_all(room, asked)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("{} failed".format(room.failed))
    sys.exit(1 if room.failed else 0)


if __name__ == "__main__":
    main()
