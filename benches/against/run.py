"""Time pkg-install beside uv, pip and installer on real wheels.

    cargo build --release
    python3 benches/against/run.py --list benches/against/sets/sci.txt
    python3 benches/against/run.py --wheels DIR --wheels OTHER --runs 7 --scratch /dev/shm --output table.md

Each DIR is a directory of wheels for this Python; a list of pinned requirements is fetched into one by `pip download`.
All tools get the same job: these wheels into a fresh virtual environment, without an index, without dependencies,
without bytecode. They take turns: every round runs each of them once, beginning with another one each time, so that what
else the machine does falls on all alike. The ratio of a tool is the median of the ratios within each round. One round
before that is not counted; it brings the wheels into the page cache. Making the environment, emptying the cache and
flushing what the run before has written are not timed. After every run the installed projects are counted.

uv, pip and installer come from a virtual environment that the script makes; `--tools DIR` keeps it from one call to the
next. The scratch directory holds the environments and uv's cache, so that uv can link from one to the other. Peak memory
is the resident set of the largest process, as the kernel reports it, and never less than this script's own; processor
time, the median over all cores, suffers least from what else runs. The result is Markdown on stdout, or in `--output`.

What is not alike: pkg-install checks every byte against RECORD (but with `--verify off`) and installs all or nothing; no
other tool here does either. uv also resolves the names, which takes it a few milliseconds.
"""

import argparse
import datetime
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


class Contender:
    """A tool in one mode: what it is called and how its command line begins; all the wheels follow."""

    def __init__(self, name, command, variables=None, cache=None):
        self.name = name
        self.command = command
        self.variables = variables or {}
        self.cache = cache
        self.seconds = []
        self.processor = []
        self.memory = 0


class Bench:
    """The scratch directory with the tools, and the environment that is being filled."""

    def __init__(self, scratch, tools, binary):
        self.scratch = scratch
        self.binary = binary
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

    def contenders(self):
        """All tools in all modes; the first is the one that the others are compared with."""
        python = self.venv / "bin" / "python"
        ours = [self.binary, "--quiet", "--target", self.venv]
        offline = ["--no-index", "--no-deps"]
        uv = [self.tools / "bin" / "uv", "pip", "install", "--quiet", "--offline", *offline, "--python", python]
        pip = [self.tool_python, "-m", "pip", "--quiet", "--python", python, "install", *offline, "--no-compile"]
        alone = {"PYTHONPATH": str(self.tools / "alone"), "PYTHONDONTWRITEBYTECODE": "1"}
        cold = {"UV_CACHE_DIR": str(self.cold_cache)}
        warm = {"UV_CACHE_DIR": str(self.warm_cache)}
        return [
            Contender("pkg-install", ours),
            Contender("pkg-install --verify off", [*ours, "--verify", "off"]),
            Contender("uv, --no-cache", [*uv, "--no-cache"], {"TMPDIR": str(self.scratch)}),
            Contender("uv, empty cache", uv, cold, self.cold_cache),
            Contender("uv, empty cache, copy", [*uv, "--link-mode", "copy"], cold, self.cold_cache),
            Contender("uv, warm cache, hard links", [*uv, "--link-mode", "hardlink"], warm),
            Contender("uv, warm cache, copy", [*uv, "--link-mode", "copy"], warm),
            Contender("pip", [*pip, "--no-cache-dir"]),
            Contender("installer", [python, "-m", "installer", "--no-compile-bytecode", "--overwrite-existing"], alone),
        ]

    def prepare(self, contender):
        """Make a fresh environment, and let what was written before reach its disk."""
        shutil.rmtree(self.venv, ignore_errors=True)
        if contender.cache:
            shutil.rmtree(contender.cache, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.venv], check=True, env=self.variables)
        os.sync()

    def run(self, contender, wheels):
        """Run a contender once; return its seconds, those of all its processors, and the peak of its memory in MB."""
        self.prepare(contender)
        command = [os.fspath(word) for word in [*contender.command, *wheels]]
        with tempfile.TemporaryFile() as output:
            begin = time.perf_counter()
            process = subprocess.Popen(
                command,
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
        self.check(contender, wheels)
        unit = 1 if sys.platform == "darwin" else 1024
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6

    def check(self, contender, wheels):
        """Count the installed projects."""
        wanted = {normal(wheel.name.split("-")[0]) for wheel in wheels}
        found = {normal(path.name.split("-")[0]) for path in self.venv.glob("lib/python*/site-packages/*.dist-info")}
        if found != wanted:
            raise SystemExit("{} did not install {}".format(contender.name, sorted(wanted ^ found)))

    def measure(self, wheels, runs, only):
        """Run everybody in turn; return the contenders with what was measured."""
        shutil.rmtree(self.warm_cache, ignore_errors=True)
        contenders = [each for each in self.contenders() if not only or each.name in (*only, "pkg-install")]
        for number in range(runs + 1):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                seconds, processor, memory = self.run(contender, wheels)
                print("round {}: {} {:.3f} s".format(number, contender.name, seconds), file=sys.stderr, flush=True)
                if number > 0:
                    contender.seconds.append(seconds)
                    contender.processor.append(processor)
                    contender.memory = max(contender.memory, memory)
        shutil.rmtree(self.venv, ignore_errors=True)
        return contenders

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


def normal(name):
    """A project's name in its one normal spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


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
    return [
        "- Date: {}".format(datetime.date.today().isoformat()),
        "- Machine: {}, {}, {:.0f} GiB memory, {}".format(processor(), cores, memory, system),
        "- File system of environments and caches: {}".format(file_system(bench.scratch)),
        "- Tools: {}; Python {}".format(", ".join(bench.versions()), platform.python_version()),
        "- Runs: {} of each, taking turns; wheels in the page cache".format(runs),
        "",
    ]


def table(directory, wheels, contenders, load):
    """The Markdown of one set of wheels."""
    size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    lines = [
        "## `{}`: {} wheel{}, {:.0f} MB".format(directory, len(wheels), "" if len(wheels) == 1 else "s", size),
        "",
        "Load of the machine when it began: {:.1f}; when it ended: {:.1f}.".format(*load),
        "",
        "| tool | median | fastest | slowest | ratio to pkg-install | processor time | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    base = contenders[0].seconds
    for each in contenders:
        ratio = statistics.median(own / other for own, other in zip(each.seconds, base))
        row = "| {} | {:.2f} s | {:.2f} s | {:.2f} s | {:.2f} | {:.2f} s | {:.0f} MB |"
        seconds = (statistics.median(each.seconds), min(each.seconds), max(each.seconds))
        lines.append(row.format(each.name, *seconds, ratio, statistics.median(each.processor), each.memory))
    return [*lines, ""]


def command_lines(bench, contenders):
    """How each tool was called, with the paths of the scratch directory left out."""
    lines = ["## Command lines", "", "```text"]
    names = [(bench.venv, "VENV"), (bench.tools / "bin", "TOOLS"), (bench.tools, "TOOLS"), (bench.scratch, "SCRATCH")]
    for each in contenders:
        words = ["{}={}".format(*item) for item in each.variables.items()]
        words += [os.fspath(word) for word in each.command]
        text = shlex.join(words).replace(os.fspath(bench.binary), "pkg-install")
        for path, name in names:
            text = text.replace(os.fspath(path), name)
        lines.append(text + " *.whl")
    return [*lines, "```", ""]


def arguments():
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", metavar="DIR", action="append", default=[], help="a directory of wheels")
    parser.add_argument("--list", metavar="FILE", action="append", default=[], help="requirements to download")
    parser.add_argument("--runs", metavar="N", type=int, default=5, help="counted rounds (default: %(default)s)")
    parser.add_argument("--scratch", metavar="DIR", help="where to work (default: /dev/shm where there is one)")
    parser.add_argument("--tools", metavar="DIR", help="where uv, pip and installer are, or are to be kept")
    parser.add_argument("--only", metavar="NAME", action="append", help="run only this one, as the table names it")
    parser.add_argument("--binary", metavar="PATH", default=REPOSITORY / "target/release/pkg-install")
    parser.add_argument("--output", metavar="FILE", help="write the tables there")
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
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="against-", dir=asked.scratch or memory))
    try:
        tools = pathlib.Path(asked.tools).absolute() if asked.tools else scratch / "tools"
        bench = Bench(scratch, tools, asked.binary)
        bench.make_tools()
        directories = [pathlib.Path(each) for each in asked.wheels]
        directories += [bench.fetch(pathlib.Path(each)) for each in asked.list]
        lines = ["# pkg-install beside uv, pip and installer", "", *head(bench, asked.runs)]
        for directory in directories:
            wheels = sorted(directory.resolve().glob("*.whl"))
            load = [os.getloadavg()[0]]
            contenders = bench.measure(wheels, asked.runs, asked.only)
            load.append(os.getloadavg()[0])
            lines += table(directory.name, wheels, contenders, load)
        lines += command_lines(bench, contenders)
        text = "\n".join(lines)
        if asked.output:
            pathlib.Path(asked.output).write_text(text, encoding="utf-8")
        else:
            print(text, end="")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
