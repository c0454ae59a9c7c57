"""Show that no honest wheel is refused: plan and install every wheel of some directories, each alone.

    python3 survey.py --binary PATH [--expect six-1.5.2-py2.py3-none-any.whl ...] DIR...

Every `*.whl` directly inside a directory is planned (`--dry-run`) with `--verify strict` and with `--verify normal`, and
installed with `normal` into an empty directory in memory, where `check` then has to find it as it was installed. Tags are
not looked at, so that wheels of other systems count too, and a wheel whose bytes were seen already counts once.

Printed are the wheels by generator and by the year of their newest entry, how many each level accepts, what is refused
and why, the warnings by code, and the slowest. The exit code is 1 where `normal` refuses a wheel that no `--expect`
names, accepts one that an `--expect` names, or where any run ends in another way than done (0) or refused (3).
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

DONE, REFUSED = 0, 3
#: What is run on each wheel, in this order.
STEPS = ("strict", "normal", "install", "check")
#: How many lines of a message are printed.
SHOWN = 5


@dataclasses.dataclass
class Step:
    """How one run of the binary went."""

    code: int
    message: str
    warnings: list
    seconds: float


@dataclasses.dataclass
class Surveyed:
    """One wheel and what became of it; a step that had nothing to work on is missing."""

    name: str
    generator: str
    year: str
    steps: dict


def foreign_free() -> dict:
    """The variables of this process, but for those that the binary reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PKG_INSTALL_")}


def run(arguments: list, variables: dict) -> Step:
    """Run the binary with `--json`; what it says is read even where it failed."""
    begin = time.monotonic()
    done = subprocess.run(
        [*map(str, arguments), "--json", "--no-progress"],
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    seconds = time.monotonic() - begin
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return Step(done.returncode or -1, "no report: " + done.stderr[-2000:], [], seconds)
    message = (report["error"] or {}).get("message", "")
    if report.get("differences"):
        message += json.dumps(report["differences"][:5])
    return Step(done.returncode, message, report["warnings"], seconds)


def describe(wheel: pathlib.Path) -> tuple:
    """The generator that WHEEL names, and the year of the newest entry."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            year = max((entry.date_time[0] for entry in archive.infolist()), default=0)
            info = next(name for name in archive.namelist() if name.endswith(".dist-info/WHEEL") and name.count("/") == 1)
            lines = archive.read(info).decode(errors="replace").splitlines()
    except (zipfile.BadZipFile, NotImplementedError, StopIteration, OSError) as error:
        return "unreadable ({})".format(type(error).__name__), "-"
    generator = next((line.partition(":")[2].strip() for line in lines if line.lower().startswith("generator:")), "none")
    return generator, str(year)


def survey(wheel: pathlib.Path, binary: str, scratch: str) -> Surveyed:
    """Run every step on one wheel, in a directory of its own that is gone afterwards."""
    variables = foreign_free()
    place = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    target = place / "target"
    common = [binary, wheel, "--target", target, "--no-compat-check", "--jobs", "1"]
    steps = {}
    try:
        for level in ("strict", "normal"):
            steps[level] = run([*common, "--dry-run", "--verify", level], variables)
            shutil.rmtree(target, ignore_errors=True)
        if steps["normal"].code == DONE:
            steps["install"] = run([*common, "--verify", "normal"], variables)
        if "install" in steps and steps["install"].code == DONE:
            steps["check"] = run([binary, "check", "--target", target], variables)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Surveyed(wheel.name, *describe(wheel), steps)


def wheels_of(directories: list) -> list:
    """The wheels of the directories; one that is there twice counts once."""
    found = {}
    for directory in directories:
        for wheel in sorted(pathlib.Path(directory).glob("*.whl")):
            with open(wheel, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            found.setdefault((wheel.name, digest), wheel.resolve())
    return list(found.values())


def family(generator: str) -> str:
    """A generator without its version: `bdist_wheel (0.37.1)` is counted with its kin."""
    return generator.partition(" ")[0].rstrip(":") or "none"


def print_counts(title: str, counts: collections.Counter) -> None:
    """Print a counter on one line, the most frequent first."""
    pairs = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    print("{}: {}".format(title, ", ".join("{} {}".format(*pair) for pair in pairs) or "none"))


def print_years(wheels: list) -> None:
    """Print the wheels by year, in order."""
    years = collections.Counter(wheel.year for wheel in wheels)
    print("by year of the newest entry: " + ", ".join("{} {}".format(year, years[year]) for year in sorted(years)))


def print_steps(wheels: list) -> None:
    """Print how many wheels each step accepted, and what it said of the others."""
    for name in STEPS:
        ran = [wheel for wheel in wheels if name in wheel.steps]
        bad = [wheel for wheel in ran if wheel.steps[name].code != DONE]
        print("{}: {} of {} accepted".format(name, len(ran) - len(bad), len(ran)))
        for wheel in bad:
            print("  {} (code {})".format(wheel.name, wheel.steps[name].code))
            lines = wheel.steps[name].message.splitlines()
            print("".join("    {}\n".format(line) for line in lines[:SHOWN]), end="")
            if len(lines) > SHOWN:
                print("    … {} more lines".format(len(lines) - SHOWN))


def print_warnings(wheels: list) -> None:
    """Print the warnings of `normal` by code: how many, in how many wheels, and the wheels."""
    codes = collections.defaultdict(collections.Counter)
    for wheel in wheels:
        last = wheel.steps.get("install", wheel.steps["normal"])
        for warning in last.warnings:
            codes[warning["code"]][wheel.name] += 1
    print("warnings of normal:" + ("" if codes else " none"))
    for code, names in sorted(codes.items()):
        print("  {}: {} in {} wheels: {}".format(code, names.total(), len(names), ", ".join(sorted(names)[:6])))


def print_slowest(wheels: list) -> None:
    """Print the runs that took longest."""
    runs = ((step.seconds, name, wheel.name) for wheel in wheels for name, step in wheel.steps.items())
    print("slowest:")
    for seconds, name, wheel in sorted(runs, reverse=True)[:5]:
        print("  {:.2f} s {} {}".format(seconds, name, wheel))


def faults_of(wheels: list, expected: list) -> list:
    """What makes the survey fail, in words."""
    faults = []
    for wheel in wheels:
        refused = wheel.steps["normal"].code == REFUSED or (
            "install" in wheel.steps and wheel.steps["install"].code == REFUSED
        )
        if refused != (wheel.name in expected):
            faults.append("{} is {}".format(wheel.name, "refused" if refused else "accepted, and should be refused"))
        for name, step in wheel.steps.items():
            if step.code != DONE and (step.code != REFUSED or name == "check"):
                faults.append("{}: {} ended with code {}".format(wheel.name, name, step.code))
    return faults


def main() -> None:
    """Survey the directories."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", nargs="+", metavar="DIR", help="a directory of wheels")
    parser.add_argument("--binary", required=True, type=os.path.abspath, help="pkg-install")
    parser.add_argument("--expect", action="append", default=[], metavar="NAME", help="a wheel's file name: refused")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="wheels at the same time")
    arguments = parser.parse_args()
    found = wheels_of(arguments.directories)
    if not found:
        sys.exit("no wheel in " + ", ".join(arguments.directories))
    scratch = tempfile.mkdtemp(prefix="survey-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
            wheels = list(pool.map(lambda wheel: survey(wheel, arguments.binary, scratch), found))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("{} wheels".format(len(wheels)))
    print_counts("by generator", collections.Counter(family(wheel.generator) for wheel in wheels))
    print_years(wheels)
    print_steps(wheels)
    print_warnings(wheels)
    print_slowest(wheels)
    faults = faults_of(wheels, arguments.expect)
    print("".join("FAIL  {}\n".format(fault) for fault in faults) + "{} failed".format(len(faults)))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
