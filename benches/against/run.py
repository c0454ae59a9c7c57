"""Measure pkg-install, uv, pip and installer on real wheels.

    cargo build --release
    python3 benches/against/run.py --list benches/against/sets/sci.txt
    python3 benches/against/run.py --wheels DIR --job install --job uninstall --output sci.md
    python3 benches/against/run.py --wheels DIR --only "uv, empty cache" --tools TOOLS
    python3 benches/against/run.py --wheels DIR --job durable --scratch /var/tmp --keep

Each DIR is a directory of wheels for this Python; a list of pinned requirements is downloaded into
one by `pip download`. All tools get the same job, without an index, dependencies or bytecode:

- install: install these wheels into a fresh virtual environment;
- reinstall: install them again into an environment that pkg-install has filled with them;
- uninstall: remove all projects from such an environment;
- warm: install what the tool has unpacked before, from its cache: with hard links, with copies, with
  symbolic links (of whole packages where pkg-install makes them) and, on btrfs or XFS, with clones;
  uv is compared with pkg-install in the same mode;
- durable: install so that the result survives a loss of power, and the time of a `sync` after an
  ordinary installation; only on a disk.

The tools take turns: every round runs each of them once, starting with another one each time, so
that other work on the machine affects all alike. The ratio of a tool is the median of the ratios
within each round. One round before that is not counted; it brings the wheels into the page cache,
and after it the trees are compared: each has to have the files and sizes that pkg-install makes,
and to pass `pkg-install check`. Making the environment, emptying the cache and flushing earlier
writes are not timed. After every run the installed projects are counted.

uv, pip and installer come from a virtual environment that the script makes; `--tools DIR` keeps it
for the next call. The scratch directory holds the environments and uv's cache, so that uv can link
from one to the other. Peak memory is the resident set of the largest process, as the kernel reports
it, and never less than that of this script; processor time, the median over all cores, is affected
least by other work. The result is Markdown on stdout or in `--output`, with every single time in a
JSON file beside it, from which plot.py draws.

For some minutes ext4 does not reuse the inodes of deleted files and searches past them, one by one,
for every new file: an installation soon after a large deletion takes ten or twenty times as long
with any tool. So on a disk nothing may be deleted between the runs, nor for five minutes before
them: `--keep` puts old directories aside and deletes them at the end, which needs room for
everything that the runs write.

The tools differ: pkg-install checks every byte against RECORD (except with `--verify off`) and
installs all or nothing; the others do neither. uv also resolves the names, which takes a few
milliseconds. Exit code 1: a tool failed, or its tree differs.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "outside"))

from lib import trees, venv

JOBS = ("install", "warm", "reinstall", "uninstall", "durable")
# How both tools call the ways to make files from a cache: (title, pkg-install, uv).
WARM = (
    ("hard links", "hardlink", "hardlink"),
    ("copies", "copy", "copy"),
    ("clones", "reflink", "clone"),
    ("symbolic links", "symlink", "symlink"),
)
CLONING = ("btrfs", "xfs", "bcachefs")
THEN_SYNC = 'venv=$1; shift; "$@" && sync -f "$venv"'


class Contender:
    """A tool in one mode: its name and the start of its command line, without wheels or names.

    `against` is the name of the one that it is compared with; the first one if that is `None`.
    """

    def __init__(self, name, command, variables=None, cache=None, against=None):
        self.name = name
        self.against = against
        self.command = [os.fspath(word) for word in command]
        self.variables = variables or {}
        self.cache = cache
        self.seconds = []
        self.processor = []
        self.memory = 0


class Bench:
    """The scratch directory with the tools, and the environment that is being filled or emptied."""

    def __init__(self, scratch, tools, asked):
        self.scratch = scratch
        self.binary = asked.binary
        self.keeps = asked.keep
        self.venv = scratch / "venv"
        self.cold_cache = scratch / "cold-cache"
        self.warm_cache = scratch / "warm-cache"
        self.store_cache = scratch / "store-cache"
        self.peers = venv.Peers(tools).make()
        self.variables = venv.clean_variables()

    def fetch(self, requirements):
        """Download a list of pinned requirements; return the directory."""
        directory = self.scratch / ("wheels-" + requirements.stem)
        download = [self.peers.python, "-m", "pip", "download", "--quiet", "--no-deps"]
        command = [*download, "--only-binary=:all:", "--dest", directory]
        variables = venv.clean_variables(keep=("PIP_",))
        venv.must([*command, "--requirement", requirements], env=variables)
        return directory

    def contenders(self, job):
        """All tools in all modes; the others are compared with the first one."""
        python = self.venv / "bin" / "python"
        uv = [self.peers.uv, "pip"]
        pip = [self.peers.python, "-m", "pip", "--quiet", "--python", python]
        offline = ["--no-index", "--no-deps"]
        ours = [self.binary, "--quiet", "--target", self.venv]
        theirs = [*uv, "install", "--quiet", "--offline", *offline, "--python", python]
        cold = {"UV_CACHE_DIR": str(self.cold_cache)}
        warm = {"UV_CACHE_DIR": str(self.warm_cache)}
        alone = {"PYTHONPATH": str(self.peers.installer)}
        slow_pip = [*pip, "install", *offline, "--no-compile", "--no-cache-dir"]
        if job == "reinstall":
            return [
                Contender("pkg-install", [*ours, "--reinstall"]),
                Contender(
                    "uv, --no-cache",
                    [*theirs, "--reinstall", "--no-cache"],
                    {"TMPDIR": str(self.scratch)},
                ),
                Contender("uv, empty cache", [*theirs, "--reinstall"], cold, self.cold_cache),
                Contender(
                    "uv, warm cache, hard links",
                    [*theirs, "--reinstall", "--link-mode", "hardlink"],
                    warm,
                ),
                Contender("pip", [*slow_pip, "--force-reinstall"]),
            ]
        if job == "warm":
            store = [*ours, "--cache-dir", self.store_cache, "--store", "always", "--link-mode"]
            clones = file_system(self.scratch) in CLONING
            us = "pkg-install, {}"
            return [
                contender
                for title, own, other in WARM
                if clones or own != "reflink"
                for contender in (
                    Contender(us.format(title), [*store, own], against=us.format(title)),
                    Contender(
                        f"uv, {title}",
                        [*theirs, "--link-mode", other],
                        warm,
                        against=us.format(title),
                    ),
                )
            ]
        if job == "uninstall":
            return [
                Contender(
                    "pkg-install", [self.binary, "uninstall", "--quiet", "--target", self.venv]
                ),
                Contender("uv", [*uv, "uninstall", "--quiet", "--python", python], cold),
                Contender("pip", [*pip, "uninstall", "--yes"]),
            ]
        if job == "durable":
            return [
                Contender("pkg-install", ours),
                Contender("pkg-install --durable", [*ours, "--durable"]),
                Contender(
                    "pkg-install, then sync", ["sh", "-c", THEN_SYNC, "sh", self.venv, *ours]
                ),
            ]
        return [
            Contender("pkg-install", ours),
            Contender("pkg-install --verify off", [*ours, "--verify", "off"]),
            Contender("uv, --no-cache", [*theirs, "--no-cache"], {"TMPDIR": str(self.scratch)}),
            Contender("uv, empty cache", theirs, cold, self.cold_cache),
            Contender(
                "uv, empty cache, copy", [*theirs, "--link-mode", "copy"], cold, self.cold_cache
            ),
            Contender("uv, warm cache, hard links", [*theirs, "--link-mode", "hardlink"], warm),
            Contender("uv, warm cache, copy", [*theirs, "--link-mode", "copy"], warm),
            Contender("pip", slow_pip),
            Contender(
                "installer",
                [python, "-m", "installer", "--no-compile-bytecode", "--overwrite-existing"],
                alone,
            ),
        ]

    def measure(self, job, wheels, asked):
        """Run all tools in turn; return them with their measurements."""
        self.discard(self.warm_cache)
        self.discard(self.store_cache)
        contenders = chosen(self.contenders(job), asked.only)
        tree = None
        for number in range(asked.runs + 1):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                self.prepare(contender, job, wheels)
                words = sorted(projects(wheels)) if job == "uninstall" else wheels
                seconds, processor, memory = self.run(contender, words)
                self.count(contender.name, set() if job == "uninstall" else projects(wheels))
                print(
                    "round {}: {} {:.3f} s".format(number, contender.name, seconds),
                    file=sys.stderr,
                    flush=True,
                )
                if number == 0:
                    tree = self.compare(contender.name, tree)
                    continue
                contender.seconds.append(seconds)
                contender.processor.append(processor)
                contender.memory = max(contender.memory, memory)
        self.discard(self.venv)
        return contenders

    def prepare(self, contender, job, wheels):
        """Make a fresh environment, fill it if the job needs that, and flush all writes."""
        self.discard(self.venv)
        if contender.cache:
            self.discard(contender.cache)
        venv.make(self.venv)
        if job in ("reinstall", "uninstall"):
            self.run(
                Contender("pkg-install", [self.binary, "--quiet", "--target", self.venv]), wheels
            )
        os.sync()

    def discard(self, directory):
        """Delete a directory, or put it aside with `--keep`."""
        if self.keeps and directory.exists():
            directory.rename(tempfile.mkdtemp(prefix="old-", dir=self.scratch))
        trees.remove(directory)

    def run(self, contender, words):
        """Run a tool once; return its seconds, its processor time, and its peak memory in MB."""
        with tempfile.TemporaryFile() as output:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [*contender.command, *map(os.fspath, words)],
                env={**self.variables, **contender.variables},
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                text = output.read().decode(errors="replace")[-2000:]
                raise SystemExit(
                    "{} failed with {}:\n{}".format(contender.name, process.returncode, text)
                )
        unit = 1 if sys.platform == "darwin" else 1024
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6

    def count(self, name, wanted):
        """Check that exactly the wanted projects are installed."""
        found = {
            project(path.name) for path in self.venv.glob("lib/python*/site-packages/*.dist-info")
        }
        if found != wanted:
            raise SystemExit(f"{name}: missing or unwanted projects: {sorted(wanted ^ found)}")

    def compare(self, name, wanted):
        """Check that the tree is complete and like that of the first tool; return that."""
        checker = [self.binary, "check", "--quiet", "--target", self.venv]
        self.run(Contender("pkg-install check after " + name, checker), [])
        found = self.tree()
        wanted = found if wanted is None else wanted
        differs = trees.differences(wanted, found)
        if differs:
            words = "\n".join(differs[:20])
            raise SystemExit(f"{name} made another tree than the first tool:\n{words}")
        return wanted

    def tree(self):
        """The size of every file; only the name of scripts, whose text differs between tools.

        A link counts as what it leads to: some tools link files, others directories.
        """
        found = {}
        for directory, names, files in os.walk(self.venv, followlinks=True):
            names[:] = [name for name in names if name not in ("lib64", ".pkg-install")]
            for path in (pathlib.Path(directory, name) for name in files):
                below = path.relative_to(self.venv).as_posix()
                if ".dist-info/" not in below:
                    found[below] = None if below.startswith("bin/") else path.stat().st_size
        return found

    def versions(self):
        """The names and versions of all tools."""
        own = " ".join(venv.must([self.binary, "--version"]).split()[:2])
        pip, uv, installer = self.peers.versions()
        return [own, uv, pip, installer]


def project(file_name):
    """The project of a wheel or a dist-info directory, in normal spelling."""
    return venv.normal_name(file_name.split("-")[0])


def projects(wheels):
    """The names of the projects of some wheels."""
    return {project(wheel.name) for wheel in wheels}


def chosen(contenders, only):
    """The tools of `--only`, and the first one."""
    unknown = set(only or []) - {each.name for each in contenders}
    if unknown:
        names = "\n".join(each.name for each in contenders)
        raise SystemExit("unknown: {}; known:\n{}".format(", ".join(sorted(unknown)), names))
    return [contenders[0], *(each for each in contenders[1:] if not only or each.name in only)]


def processor():
    """The processor's name."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def file_system(path):
    """The type of the file system that holds a path."""
    said = subprocess.run(
        ["df", "-PT", path], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return said[-1].split()[1] if len(said) > 1 else "unknown"


def head(bench, runs):
    """The date, the machine, the versions and the method."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = "{} {}".format(platform.system(), platform.release().split("-")[0])
    cores = "{} core{}".format(os.cpu_count(), "" if os.cpu_count() == 1 else "s")
    return {
        "Date": datetime.date.today().isoformat(),
        "Machine": "{}, {}, {:.0f} GiB memory, {}".format(processor(), cores, memory, system),
        "File system of environments and caches": file_system(bench.scratch),
        "Tools": "{}; Python {}".format(", ".join(bench.versions()), platform.python_version()),
        "Runs": "{} of each, taking turns; wheels in the page cache".format(runs),
    }


def result(bench, job, directory, asked):
    """The measurements of one job with one set of wheels."""
    wheels = sorted(directory.resolve().glob("*.whl"))
    if not wheels:
        raise SystemExit("there are no wheels in {}".format(directory))
    load = [os.getloadavg()[0]]
    contenders = bench.measure(job, wheels, asked)
    load.append(os.getloadavg()[0])
    keys = ("name", "against", "seconds", "processor", "memory")
    rows = [
        {**{key: getattr(each, key) for key in keys}, "command": command_line(bench, each)}
        for each in contenders
    ]
    size = sum(wheel.stat().st_size for wheel in wheels)
    return {
        "set": directory.name,
        "job": job,
        "wheels": len(wheels),
        "bytes": size,
        "load": load,
        "rows": rows,
    }


def command_line(bench, contender):
    """The command line of a tool, with names for the paths of the scratch directory."""
    text = shlex.join(
        ["{}={}".format(*item) for item in contender.variables.items()] + contender.command
    )
    tools = bench.peers.directory
    names = [(bench.venv, "VENV"), (tools / "bin", "TOOLS"), (tools, "TOOLS")]
    names.append((bench.scratch, "SCRATCH"))
    for path, name in [(bench.binary, "pkg-install"), *names]:
        text = text.replace(os.fspath(path), name)
    return text


def table(measured):
    """The Markdown of one job with one set of wheels."""
    many = "" if measured["wheels"] == 1 else "s"
    title = "## {}: `{set}`, {wheels} wheel{}, {:.0f} MB"
    lines = [
        title.format(
            measured["job"],
            many,
            measured["bytes"] / 1e6,
            set=measured["set"],
            wheels=measured["wheels"],
        ),
        "",
        "Load of the machine when it began: {:.1f}; when it ended: {:.1f}.".format(
            *measured["load"]
        ),
        "",
        "| tool | median | fastest | slowest | ratio to pkg-install "
        "| processor time | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    seconds_of = {each["name"]: each["seconds"] for each in measured["rows"]}
    for each in measured["rows"]:
        times = each["seconds"]
        base = seconds_of[each["against"] or measured["rows"][0]["name"]]
        ratio = statistics.median(own / other for own, other in zip(times, base))
        row = "| {} | {:.2f} s | {:.2f} s | {:.2f} s | {:.2f} | {:.2f} s | {:.0f} MB |"
        seconds = (statistics.median(times), min(times), max(times))
        lines.append(
            row.format(
                each["name"], *seconds, ratio, statistics.median(each["processor"]), each["memory"]
            )
        )
    lines += ["", "```text"]
    last = " NAME..." if measured["job"] == "uninstall" else " *.whl"
    lines += [each["command"] + last for each in measured["rows"]]
    return [*lines, "```", ""]


def arguments():
    """The command line."""
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--wheels", metavar="DIR", action="append", default=[], help="a directory of wheels")
    add("--list", metavar="FILE", action="append", default=[], help="requirements to download")
    add("--job", choices=JOBS, action="append", help="the job to measure (default: install)")
    add("--runs", metavar="N", type=int, default=5, help="counted rounds (default: 5)")
    add("--scratch", metavar="DIR", help="the scratch directory (default: in memory)")
    add("--keep", action="store_true", help="delete nothing before the end; for ext4, see above")
    add("--tools", metavar="DIR", help="keep uv, pip and installer there")
    only = "only this tool, by its name in the tables, and pkg-install; may be repeated"
    add("--only", metavar="NAME", action="append", help=only)
    add("--output", metavar="FILE", help="write the tables there, and JSON beside it")
    asked = parser.parse_args()
    asked.binary = venv.checked_binary(asked.binary)
    if not asked.wheels and not asked.list:
        parser.error("name wheels with --wheels or --list")
    return asked


def main():
    """Measure, and print the tables."""
    asked = arguments()
    with venv.scratch_directory("against", asked.scratch) as scratch:
        jobs = asked.job or ["install"]
        if "durable" in jobs and file_system(scratch) == "tmpfs":
            raise SystemExit("`durable` needs a disk: name a directory with --scratch")
        tools = pathlib.Path(asked.tools) if asked.tools else scratch / "tools"
        bench = Bench(scratch, tools, asked)
        directories = [pathlib.Path(each) for each in asked.wheels]
        directories += [bench.fetch(pathlib.Path(each)) for each in asked.list]
        facts = head(bench, asked.runs)
        measured = [
            result(bench, job, directory, asked) for directory in directories for job in jobs
        ]
    lines = ["# pkg-install compared with uv, pip and installer", ""]
    lines += ["- {}: {}".format(*fact) for fact in facts.items()] + [""]
    text = "\n".join(lines + [line for each in measured for line in table(each)])
    if asked.output:
        output = pathlib.Path(asked.output)
        output.write_text(text, encoding="utf-8")
        everything = json.dumps({"head": facts, "results": measured}, indent=1)
        output.with_suffix(".json").write_text(everything + "\n", encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
