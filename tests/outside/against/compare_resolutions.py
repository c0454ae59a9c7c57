"""Compare what pkg-install and pip make of the same resolution.

    python3 tests/outside/against/compare_resolutions.py (--requirements FILE | NAME...)
                                                         [--uv UV] [--pip PYTHON]

pip resolves the projects (`pip install --dry-run --report`) and installs exactly the versions in
its report. pkg-install makes the same environment several times, from the output of each resolver:

- the report, by its path, from stdin, and changed to name another Python;
- the lock file of `pip lock`, and that of `uv export`, which is for every system;
- the lists of `pip-compile`, `uv pip compile` and `uv export`, with hashes, and the wheels that
  `pkg-install download` fetched;
- a third of the report, a third of the lock file and the rest as URLs, in one transaction;
- the report again, offline.

Each tree is compared with pip's as in compare_with_pip.py. REQUESTED and direct_url.json are
compared too: from a report both have to equal pip's; a lock file or a list does not say which
projects were requested, so REQUESTED must not exist. Everything except the mixed and the offline
installation is repeated with two of the projects as direct references, one by URL and one by path
(which uv writes relative to its project). Two inputs have to be refused: a report for another
Python, and a mixture with one wrong hash.

It needs the package index that pip is configured for, and three projects or more. FILE has names or
pins, one per line. PYTHON is an interpreter with a pip that can lock (25.1) and pip-tools; without
it both are fetched into a scratch environment. Without UV the output of uv is not tested, which is
reported. Exit code 1: anything differs; 2: a resolver failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator
from urllib.parse import unquote

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from compare_with_pip import Tree, compare, fresh, metadata_file, normal_name
from lib import trees, venv

SHOWN = 20
ONLY_WHEELS = "--only-binary=:all:"


@dataclasses.dataclass
class Way:
    """One way to pass a resolution to pkg-install."""

    label: str
    arguments: list
    stdin: str | None = None
    # The items from a report; only a report says which projects were requested.
    reported: list = dataclasses.field(default_factory=list)
    # The working directory.
    cwd: pathlib.Path | None = None


class Bench:
    """A scratch directory, the tools, and the number of comparisons that failed."""

    def __init__(self, scratch: pathlib.Path, options: argparse.Namespace) -> None:
        self.scratch = scratch
        self.binary = options.binary
        self.uv = options.uv
        self.variables = venv.clean_variables(
            keep=("PIP_", "UV_"), PKG_INSTALL_CACHE_DIR=str(scratch / "cache")
        )
        self.variables.pop("PIP_FIND_LINKS", None)
        self.failed = 0
        self.python = options.pip or venv.make_tools(scratch / "tools", "pip", "pip-tools")

    def start(self, command: list, stdin: str = "", cwd: pathlib.Path | None = None):
        """Run a command, which may fail."""
        return venv.run(command, env=self.variables, cwd=cwd, input=stdin)

    def run(self, command: list, stdin: str = "", cwd: pathlib.Path | None = None) -> str:
        """Run a command that has to succeed; return its output."""
        return venv.must(command, env=self.variables, cwd=cwd, input=stdin)

    def fresh(self, name: str) -> Tree:
        """A new virtual environment with nothing in it, in place of an older one."""
        root = self.scratch / name
        trees.remove(root)
        return fresh(root)

    def report(self, label: str, detail: str, differences: list[str]) -> None:
        """Print one comparison."""
        self.failed += bool(differences)
        print("{:<34} {}, {} differences".format(label, detail, len(differences)), flush=True)
        for line in differences[:SHOWN]:
            print("    " + line)


class Resolution:
    """The requested projects, the versions that pip chose, and the environment that pip made."""

    def __init__(self, bench: Bench, name: str, asked: list[str]) -> None:
        self.bench = bench
        self.asked = asked
        self.place = bench.scratch / name
        self.place.mkdir(exist_ok=True)
        self.list = self.write("asked.in", "\n".join(asked) + "\n")
        self.reference = bench.fresh(name + "/pip")
        pip = [
            bench.python,
            "-m",
            "pip",
            "--python",
            self.reference.root / "bin/python",
            "install",
            "--quiet",
        ]
        self.report = self.place / "report.json"
        bench.run(
            [
                *pip,
                "--dry-run",
                "--ignore-installed",
                ONLY_WHEELS,
                "--report",
                self.report,
                "-r",
                self.list,
            ]
        )
        self.items = json.loads(self.report.read_text())["install"]
        # A project that is requested by URL cannot be pinned to a version too.
        self.pins = {
            item["metadata"]["name"]: item["metadata"]["version"]
            for item in self.items
            if not item["is_direct"]
        }
        lines = ["{}=={}\n".format(name, version) for name, version in self.pins.items()]
        self.constraints = self.write("constraints.txt", "".join(lines))
        bench.run([*pip, "--no-compile", ONLY_WHEELS, "-c", self.constraints, "-r", self.list])
        self.reference.read()

    def write(self, name: str, text: str) -> pathlib.Path:
        """Write a file for this resolution."""
        path = self.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def pip_lock(self) -> pathlib.Path:
        """The lock file of `pip lock`."""
        lock = self.place / "pylock.toml"
        held = ["-c", self.constraints, "-r", self.list, "-o", lock]
        self.bench.run([self.bench.python, "-m", "pip", "lock", "--quiet", ONLY_WHEELS, *held])
        return lock

    def uv_exports(self) -> tuple[pathlib.Path, pathlib.Path]:
        """The lock file and the list of `uv export`, for a project with the same dependencies."""
        # A package may require a patch version.
        python = ">={}.{}.{},<{}.{}".format(
            *sys.version_info[:3], sys.version_info[0], sys.version_info[1] + 1
        )
        held = ["{}=={}".format(name, version) for name, version in self.pins.items()]
        project = self.place / "project"
        local = [entry.split(" @ file://") for entry in self.asked if " @ file://" in entry]
        paths = [(name, os.path.relpath(unquote(path), project)) for name, path in local]
        sources = ["{} = {{path = '{}'}}\n".format(name, path) for name, path in paths]
        asked = [entry.split(" @ file:")[0] for entry in self.asked]
        text = (
            "[project]\nname = 'requested'\nversion = '1'\nrequires-python = '{}'\n"
            "dependencies = {}\n"
            "[tool.uv]\nconstraint-dependencies = {}\n[tool.uv.sources]\n{}"
        ).format(python, json.dumps(asked), json.dumps(held), "".join(sources))
        self.write("project/pyproject.toml", text)
        files = project / "pylock.uv.toml", project / "uv-export.txt"
        for file in files:
            export = [
                "export",
                "--quiet",
                "--no-emit-project",
                "--python",
                sys.executable,
                "-o",
                file,
            ]
            kind = "pylock.toml" if file.suffix == ".toml" else "requirements.txt"
            self.bench.run([self.bench.uv, *export, "--format", kind], cwd=project)
        return files

    def compiled(self, compiler: list, name: str) -> pathlib.Path:
        """The list with hashes of a compiler."""
        path = self.place / name
        self.bench.run(
            [
                *compiler,
                "--quiet",
                "--generate-hashes",
                "-c",
                self.constraints,
                "-o",
                path,
                self.list,
            ]
        )
        return path

    def ways(self) -> Iterator[Way]:
        """The outputs of all resolvers."""
        yield Way("report", ["--report", self.report], reported=self.items)
        yield Way("report from stdin", ["--report", "-"], self.report.read_text(), self.items)
        other = json.loads(self.report.read_text())
        other["environment"]["python_version"] = "2.7"
        other = self.write("other.json", json.dumps(other))
        yield Way(
            "report for Python 2.7, unchecked",
            ["--report", other, "--no-compat-check"],
            reported=self.items,
        )
        yield Way("lock file of pip", ["--lock", self.pip_lock()])
        wheels = self.place / "wheels"
        fetch = [
            self.bench.binary,
            "download",
            "--target",
            self.reference.root,
            "--report",
            self.report,
        ]
        self.bench.run([*fetch, "--dest", wheels])
        found = ["--find-links", wheels, "--require-hashes"]
        if self.bench.uv:
            lock, exported = self.uv_exports()
            yield Way("lock file of uv", ["--lock", lock])
            yield Way("list of uv export", ["-r", exported, *found], cwd=exported.parent)
            compiler = [self.bench.uv, "pip", "compile", "--python", sys.executable, ONLY_WHEELS]
            yield Way("list of uv pip compile", ["-r", self.compiled(compiler, "uv.txt"), *found])
        else:
            print("not tested: the lock file and the lists of uv")
        # The slowest one is last.
        compiler = [
            self.bench.python,
            "-m",
            "piptools",
            "compile",
            "--allow-unsafe",
            "--strip-extras",
        ]
        yield Way("list of pip-compile", ["-r", self.compiled(compiler, "pip.txt"), *found])

    def mixed(self) -> list:
        """A third as URLs, a third from the report, the rest from the lock file of pip."""
        report = json.loads(self.report.read_text())
        report["install"] = self.items[1::3]
        parts = self.write("part.json", json.dumps(report))
        locked = {normal_name(item["metadata"]["name"]) for item in self.items[2::3]}
        head, *packages = re.split(
            r"(?m)^(?=\[\[packages\]\]$)", (self.place / "pylock.toml").read_text()
        )
        of = [re.search(r'(?m)^name = "(.+)"$', package) for package in packages]
        meant = [
            package
            for package, name in zip(packages, of)
            if name and normal_name(name[1]) in locked
        ]
        lock = self.write("pylock.part.toml", head + "".join(meant))
        files = [item["download_info"] for item in self.items[0::3]]
        urls = [
            "{}#sha256={}".format(file["url"], file["archive_info"]["hashes"]["sha256"])
            for file in files
        ]
        return ["--report", parts, "--lock", lock, *urls]

    def check(self, way: Way) -> None:
        """Install in one way and compare with pip's environment."""
        ours = self.bench.fresh("ours")
        command = [self.bench.binary, *way.arguments, "--target", ours.root, "--json"]
        done = json.loads(self.bench.run(command, way.stdin, way.cwd))
        differences = list(compare(self.reference, ours.read()))
        differences += list(self.compare_origins(ours, way.reported))
        if len(done["changes"]) != len(self.items):
            differences.append("{} projects were installed".format(len(done["changes"])))
        files = sum(1 for path in ours.paths.values() if path.is_file()) - sum(
            1 for path, kind in ours.own if kind[0] == "file"
        )
        self.bench.report(
            way.label, "{} projects, {} files".format(len(done["changes"]), files), differences
        )

    def compare_origins(self, ours: Tree, reported: list) -> Iterator[str]:
        """The differences in INSTALLER, REQUESTED and direct_url.json."""
        known = {normal_name(item["metadata"]["name"]) for item in reported}
        theirs, mine = origins(self.reference), origins(ours)
        for project in sorted(set(theirs) | set(mine)):
            pip, own = theirs.get(project, {}), mine.get(project, {})
            if own.get("INSTALLER") != "pkg-install" or pip.get("INSTALLER") != "pip":
                yield "{}: INSTALLER".format(project)
            if ("REQUESTED" in own) != ("REQUESTED" in pip and project.partition("-")[0] in known):
                yield "{}: REQUESTED: pip {}, pkg-install {}".format(
                    project, "REQUESTED" in pip, "REQUESTED" in own
                )
            if own.get("direct_url.json") != pip.get("direct_url.json"):
                said = [tree.get("direct_url.json") for tree in (pip, own)]
                yield "{}: direct_url.json: pip has {}, pkg-install {}".format(project, *said)

    def refuses(self, label: str, arguments: list, words: str) -> None:
        """Check that an input is refused with these words, and that nothing changes."""
        ours = self.bench.fresh("ours")
        done = self.bench.start([self.bench.binary, *arguments, "--target", ours.root])
        after = {path for path in ours.read().paths if not ours.is_own(path)}
        differences = ["left behind: " + path for path in sorted(after)]
        if done.returncode != 3 or words not in done.stderr:
            differences.append("exit code {}: {}".format(done.returncode, done.stderr))
        self.bench.report(label, "exit code {}".format(done.returncode), differences)


def origins(tree: Tree) -> dict[str, dict]:
    """INSTALLER, REQUESTED and direct_url.json of each project; without the outdated `hash`."""
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


def check_all(bench: Bench, asked: list[str]) -> None:
    """All ways, direct references, and the inputs to refuse."""
    resolution = Resolution(bench, "named", asked)
    print("{} projects requested, {} chosen".format(len(asked), len(resolution.items)), flush=True)
    if len(resolution.items) < 3:
        sys.exit("at least three projects are needed")
    for way in resolution.ways():
        resolution.check(way)
    mixed = resolution.mixed()
    resolution.check(Way("mixed", mixed, reported=resolution.items[1::3]))
    resolution.check(
        Way(
            "report, offline",
            ["--report", resolution.report, "--offline"],
            reported=resolution.items,
        )
    )
    other = resolution.place / "other.json"
    resolution.refuses(
        "report for Python 2.7", ["--report", other], "`python_version` is `2.7` there"
    )
    wrong = mixed[-1].rpartition("=")[0] + "=" + "0" * 64
    resolution.refuses("mixed, one hash wrong", [*mixed[:-1], wrong], "0" * 64)
    first, second = (item["download_info"]["url"] for item in resolution.items[:2])
    names = [item["metadata"]["name"] for item in resolution.items[:2]]
    path = resolution.place / "wheels" / second.rpartition("/")[2].replace("%2B", "+")
    # Inside the project in which uv runs.
    below = bench.scratch / "direct/project" / path.name
    below.parent.mkdir(parents=True)
    shutil.copy(path, below)
    direct = Resolution(
        bench, "direct", [names[0] + " @ " + first, names[1] + " @ " + below.as_uri()]
    )
    print("2 projects requested by URL, {} chosen".format(len(direct.items)), flush=True)
    for way in direct.ways():
        direct.check(way)


def lines_of(path: str) -> list[str]:
    """The requirements in a file."""
    lines = (line.partition("#")[0].strip() for line in pathlib.Path(path).read_text().splitlines())
    return [line for line in lines if line]


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="a project, with or without a version")
    add("--requirements", metavar="FILE", help="a file with such names")
    add("--uv", metavar="UV", help="the program uv")
    add("--pip", metavar="PYTHON", help="an interpreter with a new pip and pip-tools")
    options = parser.parse_args()
    asked = options.names + (lines_of(options.requirements) if options.requirements else [])
    if not asked:
        parser.error("name a project or use --requirements")
    options.binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("resolutions") as scratch:
        bench = Bench(scratch, options)
        check_all(bench, asked)
    print(f"{bench.failed} failed")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
