"""Check that pkg-install accepts real wheels: plan and install each wheel of some directories.

    python3 tests/outside/against/accept_real_wheels.py [--expect NAME ...] DIR...

Every `*.whl` directly inside a directory is planned (`--dry-run`) with `--verify strict` and with
`--verify normal`, and installed with `normal` into an empty directory, in which `check` then has to
find no difference. Tags are ignored, so that wheels for other systems count too. Duplicates of a
wheel count once.

Prints the wheels by generator and by the year of their newest entry, the number that each level
accepts, the refusals with their reasons, the warnings by code, and the slowest runs. Exit code 1:
`normal` refuses a wheel that no `--expect` names, or accepts one that an `--expect` names, or a run
ends with a code other than done (0) or refused (3).
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
import time
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv

DONE, REFUSED = 0, 3
# The runs for each wheel, in this order.
STEPS = ("strict", "normal", "install", "check")
# The number of lines of a message that are printed.
SHOWN = 5


@dataclasses.dataclass
class Step:
    """The result of one run of the binary."""

    code: int
    message: str
    warnings: list
    seconds: float


@dataclasses.dataclass
class Surveyed:
    """One wheel and its steps; a step is missing if an earlier one failed."""

    name: str
    generator: str
    year: str
    steps: dict


def run(command: list) -> Step:
    """Run the binary with `--json`; its report is read even if it failed."""
    begin = time.monotonic()
    done = venv.run([*command, "--json", "--no-progress"])
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
    """The generator in WHEEL, and the year of the newest entry."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            year = max((entry.date_time[0] for entry in archive.infolist()), default=0)
            info = next(
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/WHEEL") and name.count("/") == 1
            )
            lines = archive.read(info).decode(errors="replace").splitlines()
    except (zipfile.BadZipFile, NotImplementedError, StopIteration, OSError) as error:
        return "unreadable ({})".format(type(error).__name__), "-"
    generator = next(
        (line.partition(":")[2].strip() for line in lines if line.lower().startswith("generator:")),
        "none",
    )
    return generator, str(year)


def survey(wheel: pathlib.Path, binary: pathlib.Path, scratch: pathlib.Path) -> Surveyed:
    """Run every step on one wheel, in a directory of its own."""
    place = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    target = place / "target"
    common = [binary, wheel, "--target", target, "--no-compat-check", "--jobs", "1"]
    steps = {}
    try:
        for level in ("strict", "normal"):
            steps[level] = run([*common, "--dry-run", "--verify", level])
            trees.remove(target)
        if steps["normal"].code == DONE:
            steps["install"] = run([*common, "--verify", "normal"])
        if "install" in steps and steps["install"].code == DONE:
            steps["check"] = run([binary, "check", "--target", target])
    finally:
        trees.remove(place)
    return Surveyed(wheel.name, *describe(wheel), steps)


def wheels_of(directories: list) -> list:
    """The wheels of the directories, without duplicates."""
    found = {}
    for directory in directories:
        for wheel in sorted(pathlib.Path(directory).glob("*.whl")):
            digest = hashlib.sha256(wheel.read_bytes()).digest()
            found.setdefault((wheel.name, digest), wheel.resolve())
    return list(found.values())


def family(generator: str) -> str:
    """A generator without its version: `bdist_wheel (0.37.1)` counts as `bdist_wheel`."""
    return generator.partition(" ")[0].rstrip(":") or "none"


def print_counts(title: str, counts: collections.Counter) -> None:
    """Print a counter on one line, the most frequent first."""
    pairs = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    print("{}: {}".format(title, ", ".join("{} {}".format(*pair) for pair in pairs) or "none"))


def print_years(wheels: list) -> None:
    """Print the wheels by year, in order."""
    years = collections.Counter(wheel.year for wheel in wheels)
    print(
        "by year of the newest entry: "
        + ", ".join("{} {}".format(year, years[year]) for year in sorted(years))
    )


def print_steps(wheels: list) -> None:
    """Print the number of wheels that each step accepted, and the messages for the others."""
    for name in STEPS:
        ran = [wheel for wheel in wheels if name in wheel.steps]
        bad = [wheel for wheel in ran if wheel.steps[name].code != DONE]
        print("{}: {} of {} accepted".format(name, len(ran) - len(bad), len(ran)))
        for wheel in bad:
            print("  {} (code {})".format(wheel.name, wheel.steps[name].code))
            lines = wheel.steps[name].message.splitlines()
            print("".join("    {}\n".format(line) for line in lines[:SHOWN]), end="")
            if len(lines) > SHOWN:
                print("    ... {} more lines".format(len(lines) - SHOWN))


def print_warnings(wheels: list) -> None:
    """Print the warnings of `normal` by code: their number, and the wheels."""
    codes = collections.defaultdict(collections.Counter)
    for wheel in wheels:
        last = wheel.steps.get("install", wheel.steps["normal"])
        for warning in last.warnings:
            codes[warning["code"]][wheel.name] += 1
    print("warnings of normal:" + ("" if codes else " none"))
    for code, names in sorted(codes.items()):
        print(
            "  {}: {} in {} wheels: {}".format(
                code, sum(names.values()), len(names), ", ".join(sorted(names)[:6])
            )
        )


def print_slowest(wheels: list) -> None:
    """Print the slowest runs."""
    runs = (
        (step.seconds, name, wheel.name) for wheel in wheels for name, step in wheel.steps.items()
    )
    print("slowest:")
    for seconds, name, wheel in sorted(runs, reverse=True)[:5]:
        print("  {:.2f} s {} {}".format(seconds, name, wheel))


def faults_of(wheels: list, expected: list) -> list:
    """The faults, in words."""
    faults = []
    for wheel in wheels:
        refused = wheel.steps["normal"].code == REFUSED or (
            "install" in wheel.steps and wheel.steps["install"].code == REFUSED
        )
        if refused != (wheel.name in expected):
            faults.append(
                "{} is {}".format(
                    wheel.name, "refused" if refused else "accepted, and should be refused"
                )
            )
        for name, step in wheel.steps.items():
            if step.code != DONE and (step.code != REFUSED or name == "check"):
                faults.append("{}: {} ended with code {}".format(wheel.name, name, step.code))
    return faults


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("directories", nargs="+", metavar="DIR", help="a directory of wheels")
    refused = "the file name of a wheel that has to be refused"
    add("--expect", action="append", default=[], metavar="NAME", help=refused)
    workers = "wheels at the same time (default: one per core)"
    add("--workers", metavar="N", type=int, default=os.cpu_count(), help=workers)
    options = parser.parse_args()
    binary, found = venv.checked_binary(options.binary), wheels_of(options.directories)
    if not found:
        sys.exit("no wheel in " + ", ".join(options.directories))
    with venv.scratch_directory("accept") as scratch:
        with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
            wheels = list(pool.map(lambda wheel: survey(wheel, binary, scratch), found))
    print(f"{len(wheels)} wheels")
    print_counts("by generator", collections.Counter(family(wheel.generator) for wheel in wheels))
    print_years(wheels)
    print_steps(wheels)
    print_warnings(wheels)
    print_slowest(wheels)
    faults = faults_of(wheels, options.expect)
    for fault in faults:
        print("FAIL  " + fault)
    print(f"{len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
