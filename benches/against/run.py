"""Time pkg-install beside uv, pip and installer on real wheels.

    cargo build --release
    python3 benches/against/run.py --list benches/against/sets/sci.txt
    python3 benches/against/run.py --wheels DIR --job install --job uninstall --runs 7 --output results/sci.md
    python3 benches/against/run.py --wheels DIR --only "uv, empty cache" --tools TOOLS
    python3 benches/against/run.py --wheels DIR --job durable --runs 3 --scratch /var/tmp --keep

Each DIR is a directory of wheels for this Python; a list of pinned requirements is fetched into one by `pip
download`. All tools get the same job, without an index, without dependencies, without bytecode:

- install: these wheels into a fresh virtual environment
- reinstall: these wheels once more into an environment that pkg-install has filled with them
- uninstall: all projects of such an environment
- durable: install, so that it survives the loss of power, and what one `sync` afterwards takes; only on a disk

They take turns: every round runs each of them once, beginning with another one each time, so that what else the
machine does falls on all alike. The ratio of a tool is the median of the ratios within each round. One round
before that is not counted; it brings the wheels into the page cache, and after it the trees are compared: each has
to have the files and sizes that pkg-install makes, and to pass `pkg-install check`. Making the environment,
emptying the cache and flushing what the run before has written are not timed. After every run the installed
projects are counted.

uv, pip and installer come from a virtual environment that the script makes; `--tools DIR` keeps it from one call
to the next. The scratch directory holds the environments and uv's cache, so that uv can link from one to the
other. Peak memory is the resident set of the largest process, as the kernel reports it, and never less than this
script's own; processor time, the median over all cores, suffers least from what else runs. The result is Markdown
on stdout, or in `--output`, with every single time in a JSON file beside it, from which `plot.py` draws.

ext4 does not use the inodes of deleted files again for some minutes and searches past them, one by one, for every
new file: whoever installs soon after something large was deleted takes ten or twenty times as long, whichever the
tool. So on a disk nothing may be deleted between the runs, nor for five minutes before them: `--keep` puts aside
what is done with and deletes it at the end, which takes as much room as all the runs write.

What is not alike: pkg-install checks every byte against RECORD (but with `--verify off`) and installs all or
nothing; no other tool here does either. uv also resolves the names, which takes it a few milliseconds.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FOREIGN = ("PKG_INSTALL_", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV")
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
JOBS = ("install", "reinstall", "uninstall", "durable")
THEN_SYNC = 'venv=$1; shift; "$@" && sync -f "$venv"'


class Contender:
    """A tool in one mode: what it is called and how its command line begins; all the wheels, or names, follow."""

    def __init__(self, name, command, variables=None, cache=None):
        self.name = name
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
        self.tools = tools
        self.tool_python = tools / "bin" / "python"
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.variables.update(
            PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_CONFIG_FILE=os.devnull, UV_NO_CONFIG="1", UV_NO_PROGRESS="1"
        )

    def make_tools(self):
        """Make the environment that uv, pip and installer come from, unless it is there."""
        if not (self.tools / "alone" / "installer").is_dir():
            subprocess.run([sys.executable, "-m", "venv", self.tools], check=True)
            install = [self.tool_python, "-m", "pip", "install", "--quiet"]
            subprocess.run([*install, "--upgrade", "pip", "uv"], check=True, env=self.variables)
            # On its own, so that the environment to be filled can run it without seeing the rest.
            subprocess.run([*install, "--target", self.tools / "alone", "installer"], check=True, env=self.variables)

    def fetch(self, requirements):
        """Download a list of pinned requirements; return the directory."""
        directory = self.scratch / ("wheels-" + requirements.stem)
        command = [self.tool_python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", directory, "--requirement", requirements], check=True, env=self.variables)
        return directory

    def contenders(self, job):
        """All tools in all modes; the first is the one that the others are compared with."""
        python = self.venv / "bin" / "python"
        uv, pip = [self.tools / "bin" / "uv", "pip"], [self.tool_python, "-m", "pip", "--quiet", "--python", python]
        offline = ["--no-index", "--no-deps"]
        ours = [self.binary, "--quiet", "--target", self.venv]
        theirs = [*uv, "install", "--quiet", "--offline", *offline, "--python", python]
        cold = {"UV_CACHE_DIR": str(self.cold_cache)}
        warm = {"UV_CACHE_DIR": str(self.warm_cache)}
        alone = {"PYTHONPATH": str(self.tools / "alone"), "PYTHONDONTWRITEBYTECODE": "1"}
        slow_pip = [*pip, "install", *offline, "--no-compile", "--no-cache-dir"]
        if job == "reinstall":
            return [
                Contender("pkg-install", [*ours, "--reinstall"]),
                Contender("uv, --no-cache", [*theirs, "--reinstall", "--no-cache"], {"TMPDIR": str(self.scratch)}),
                Contender("uv, empty cache", [*theirs, "--reinstall"], cold, self.cold_cache),
                Contender("uv, warm cache, hard links", [*theirs, "--reinstall", "--link-mode", "hardlink"], warm),
                Contender("pip", [*slow_pip, "--force-reinstall"]),
            ]
        if job == "uninstall":
            return [
                Contender("pkg-install", [self.binary, "uninstall", "--quiet", "--target", self.venv]),
                Contender("uv", [*uv, "uninstall", "--quiet", "--python", python], cold),
                Contender("pip", [*pip, "uninstall", "--yes"]),
            ]
        if job == "durable":
            return [
                Contender("pkg-install", ours),
                Contender("pkg-install --durable", [*ours, "--durable"]),
                Contender("pkg-install, then sync", ["sh", "-c", THEN_SYNC, "sh", self.venv, *ours]),
            ]
        return [
            Contender("pkg-install", ours),
            Contender("pkg-install --verify off", [*ours, "--verify", "off"]),
            Contender("uv, --no-cache", [*theirs, "--no-cache"], {"TMPDIR": str(self.scratch)}),
            Contender("uv, empty cache", theirs, cold, self.cold_cache),
            Contender("uv, empty cache, copy", [*theirs, "--link-mode", "copy"], cold, self.cold_cache),
            Contender("uv, warm cache, hard links", [*theirs, "--link-mode", "hardlink"], warm),
            Contender("uv, warm cache, copy", [*theirs, "--link-mode", "copy"], warm),
            Contender("pip", slow_pip),
            Contender("installer", [python, "-m", "installer", "--no-compile-bytecode", "--overwrite-existing"], alone),
        ]

    def measure(self, job, wheels, asked):
        """Run everybody in turn; return the contenders with what was measured."""
        self.discard(self.warm_cache)
        contenders = chosen(self.contenders(job), asked.only)
        tree = None
        for number in range(asked.runs + 1):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                self.prepare(contender, job, wheels)
                words = sorted(projects(wheels)) if job == "uninstall" else wheels
                seconds, processor, memory = self.run(contender, words)
                self.count(contender.name, set() if job == "uninstall" else projects(wheels))
                print("round {}: {} {:.3f} s".format(number, contender.name, seconds), file=sys.stderr, flush=True)
                if number == 0:
                    tree = self.compare(contender.name, tree)
                    continue
                contender.seconds.append(seconds)
                contender.processor.append(processor)
                contender.memory = max(contender.memory, memory)
        self.discard(self.venv)
        return contenders

    def prepare(self, contender, job, wheels):
        """Make a fresh environment, fill it where that is asked, and let what was written reach its disk."""
        self.discard(self.venv)
        if contender.cache:
            self.discard(contender.cache)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.venv], check=True, env=self.variables)
        if job in ("reinstall", "uninstall"):
            self.run(Contender("pkg-install", [self.binary, "--quiet", "--target", self.venv]), wheels)
        os.sync()

    def discard(self, directory):
        """Delete a directory, or put it aside."""
        if self.keeps and directory.exists():
            directory.rename(tempfile.mkdtemp(prefix="old-", dir=self.scratch))
        shutil.rmtree(directory, ignore_errors=True)

    def run(self, contender, words):
        """Run a contender once; return its seconds, those of all its processors, and the peak of its memory in MB."""
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
                raise SystemExit("{} failed with {}:\n{}".format(contender.name, process.returncode, text))
        unit = 1 if sys.platform == "darwin" else 1024
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6

    def count(self, name, wanted):
        """Count the installed projects."""
        found = {project(path.name) for path in self.venv.glob("lib/python*/site-packages/*.dist-info")}
        if found != wanted:
            raise SystemExit("{}: these should, or should not, be there: {}".format(name, sorted(wanted ^ found)))

    def compare(self, name, wanted):
        """Check that the tree is whole and like that of the first; return that."""
        checker = [self.binary, "check", "--quiet", "--target", self.venv]
        self.run(Contender("pkg-install check after " + name, checker), [])
        found = self.tree()
        wanted = found if wanted is None else wanted
        differs = sorted(path for path in {*found, *wanted} if found.get(path) != wanted.get(path))
        if differs:
            raise SystemExit("{} made another tree than the first:\n{}".format(name, "\n".join(differs[:20])))
        return wanted

    def tree(self):
        """The size of every file; of launchers, which tools write in words of their own, only the name."""
        sizes = {}
        for directory, _, names in os.walk(self.venv):
            place = os.path.relpath(directory, self.venv)
            if place.endswith(".dist-info"):
                continue
            for name in names:
                path = os.path.join(directory, name)
                sizes[os.path.join(place, name)] = None if place == "bin" else os.lstat(path).st_size
        # The lock of pkg-install and uv.
        sizes.pop("./.lock", None)
        return sizes

    def versions(self):
        """The versions of all tools, in words."""
        commands = [
            [self.binary, "--version"],
            [self.tools / "bin" / "uv", "--version"],
            [self.tool_python, "-m", "pip", "--version"],
        ]
        said = [subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in commands]
        words = [" ".join(text.split()[:2]) for text in said]
        metadata = next((self.tools / "alone").glob("installer-*.dist-info")).name
        return [*words, "installer " + metadata.split("-")[1].removesuffix(".dist")]


def project(file_name):
    """The name of the project that a wheel or a dist-info directory is of, in its one normal spelling."""
    return re.sub(r"[-_.]+", "-", file_name.split("-")[0]).lower()


def projects(wheels):
    """The names of the projects of some wheels."""
    return {project(wheel.name) for wheel in wheels}


def chosen(contenders, only):
    """Those that were asked for, and the first."""
    unknown = set(only or []) - {each.name for each in contenders}
    if unknown:
        names = "\n".join(each.name for each in contenders)
        raise SystemExit("nobody here is called {}, but:\n{}".format(", ".join(sorted(unknown)), names))
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
    said = subprocess.run(["df", "-PT", path], capture_output=True, text=True, check=False).stdout.splitlines()
    return said[-1].split()[1] if len(said) > 1 else "unknown"


def head(bench, runs):
    """What the tables are about: date, machine, versions, method."""
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
    """Everything that was measured of one job with one set of wheels."""
    wheels = sorted(directory.resolve().glob("*.whl"))
    if not wheels:
        raise SystemExit("there are no wheels in {}".format(directory))
    load = [os.getloadavg()[0]]
    contenders = bench.measure(job, wheels, asked)
    load.append(os.getloadavg()[0])
    keys = ("name", "seconds", "processor", "memory")
    rows = [{**{key: getattr(each, key) for key in keys}, "command": command_line(bench, each)} for each in contenders]
    size = sum(wheel.stat().st_size for wheel in wheels)
    return {"set": directory.name, "job": job, "wheels": len(wheels), "bytes": size, "load": load, "rows": rows}


def command_line(bench, contender):
    """How a tool was called, with the paths of the scratch directory left out."""
    text = shlex.join(["{}={}".format(*item) for item in contender.variables.items()] + contender.command)
    names = [(bench.venv, "VENV"), (bench.tools / "bin", "TOOLS"), (bench.tools, "TOOLS"), (bench.scratch, "SCRATCH")]
    for path, name in [(bench.binary, "pkg-install"), *names]:
        text = text.replace(os.fspath(path), name)
    return text


def table(measured):
    """The Markdown of one job with one set of wheels."""
    many = "" if measured["wheels"] == 1 else "s"
    title = "## {}: `{set}`, {wheels} wheel{}, {:.0f} MB"
    lines = [
        title.format(measured["job"], many, measured["bytes"] / 1e6, set=measured["set"], wheels=measured["wheels"]),
        "",
        "Load of the machine when it began: {:.1f}; when it ended: {:.1f}.".format(*measured["load"]),
        "",
        "| tool | median | fastest | slowest | ratio to pkg-install | processor time | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    base = measured["rows"][0]["seconds"]
    for each in measured["rows"]:
        times = each["seconds"]
        ratio = statistics.median(own / other for own, other in zip(times, base))
        row = "| {} | {:.2f} s | {:.2f} s | {:.2f} s | {:.2f} | {:.2f} s | {:.0f} MB |"
        seconds = (statistics.median(times), min(times), max(times))
        lines.append(row.format(each["name"], *seconds, ratio, statistics.median(each["processor"]), each["memory"]))
    lines += ["", "```text"]
    last = " NAME..." if measured["job"] == "uninstall" else " *.whl"
    lines += [each["command"] + last for each in measured["rows"]]
    return [*lines, "```", ""]


def arguments():
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", metavar="DIR", action="append", default=[], help="a directory of wheels")
    parser.add_argument("--list", metavar="FILE", action="append", default=[], help="requirements to download")
    parser.add_argument("--job", choices=JOBS, action="append", help="what to measure (default: install)")
    parser.add_argument("--runs", metavar="N", type=int, default=5, help="counted rounds (default: %(default)s)")
    parser.add_argument("--scratch", metavar="DIR", help="where to work (default: /dev/shm where there is one)")
    parser.add_argument("--keep", action="store_true", help="delete nothing before the end; for ext4, see above")
    parser.add_argument("--tools", metavar="DIR", help="where uv, pip and installer are, or are to be kept")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this tool, as tables name it, and ours")
    parser.add_argument("--binary", metavar="PATH", default=REPOSITORY / "target/release/pkg-install")
    parser.add_argument("--output", metavar="FILE", help="write the tables there, and JSON beside it")
    asked = parser.parse_args()
    asked.binary = pathlib.Path(asked.binary).resolve()
    if not asked.wheels and not asked.list:
        parser.error("name wheels with --wheels or --list")
    if not asked.binary.is_file():
        parser.error("{} is not there; run `cargo build --release` first".format(asked.binary))
    return asked


def main():
    """Measure, and print the tables."""
    asked = arguments()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="against-", dir=asked.scratch or memory)).resolve()
    try:
        jobs = asked.job or ["install"]
        if "durable" in jobs and file_system(scratch) == "tmpfs":
            raise SystemExit("nothing in memory is durable; name a directory on a disk with --scratch")
        tools = pathlib.Path(asked.tools).absolute() if asked.tools else scratch / "tools"
        bench = Bench(scratch, tools, asked)
        bench.make_tools()
        directories = [pathlib.Path(each) for each in asked.wheels]
        directories += [bench.fetch(pathlib.Path(each)) for each in asked.list]
        facts = head(bench, asked.runs)
        measured = [result(bench, job, directory, asked) for directory in directories for job in jobs]
        lines = ["# pkg-install beside uv, pip and installer", ""]
        lines += ["- {}: {}".format(*fact) for fact in facts.items()] + [""]
        text = "\n".join(lines + [line for each in measured for line in table(each)])
        if asked.output:
            output = pathlib.Path(asked.output)
            output.write_text(text, encoding="utf-8")
            everything = json.dumps({"head": facts, "results": measured}, indent=1)
            output.with_suffix(".json").write_text(everything + "\n", encoding="utf-8")
        else:
            print(text, end="")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
