"""Check that the time grows linearly: ten times as much work takes ten times as long.

    cargo build --release
    python3 benches/against/linear.py [--binary PATH] [--runs 5] [--scratch DIR] [--most 1.3]

There are two pairs of jobs with generated wheels: a set of 20 wheels and ten copies of it under
other names; one wheel with 10,000 entries and one with 100,000. Each is installed into an empty
directory, checked, reinstalled and uninstalled. Every round runs the small and the large job one
after the other, and divides a tenth of the time of the large one by the time of the small one: 1.00
is linear, more grows faster. The table shows medians, for processor time too. One round before that
is not counted. Costs that occur once for each command matter less in the large job, so ratios below
1 are usual.

Exit code 1: both ratios of a command, for time and for processor time, are more than `--most`. Work
that grows faster increases both; other work on the machine increases only one. Needs about 2 GB in
the scratch directory, which is in /dev/shm if possible.
"""

import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "outside"))

from lib import trees, venv
from lib.wheels import Wheel

FACTOR = 10
WHEELS = 20
ENTRIES = 10_000
STEPS = ("install", "check", "reinstall", "uninstall")


def make_wheel(directory, project, contents):
    """Write a wheel with a package of these modules, with a hundred in each directory."""
    wheel = Wheel(project, level=1)
    for number, content in enumerate(contents):
        wheel.file(f"{project}/part_{number // 100}/module_{number}.py", content)
    wheel.write(directory)


def text(source, lines):
    """Lines of text that resemble Python."""
    return "".join(
        "value_{} = {}\n".format(line, source.getrandbits(64)) for line in range(lines)
    ).encode()


def make_copies(directory, count):
    """Write copies of a set of wheels of mixed sizes, under other names; return the directory."""
    directory.mkdir()
    source = random.Random(0)
    sets = [
        [text(source, source.choice((4, 40, 400))) for _ in range(20 * number + 50)]
        for number in range(WHEELS)
    ]
    for copy in range(count):
        for number, contents in enumerate(sets):
            make_wheel(directory, "copy{}_{}".format(copy, number), contents)
    return directory


def make_wide(directory, entries):
    """Write one wheel with many small entries; return its directory."""
    directory.mkdir()
    source = random.Random(0)
    make_wheel(directory, "wide", [text(source, 8) for _ in range(entries)])
    return directory


def run(command):
    """Run a command; return its seconds, and those of all its processors."""
    variables = venv.clean_variables()
    before = os.times()
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=variables, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    after = os.times()
    busy = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return seconds, busy


def run_all(binary, wheels, scratch):
    """The time of each step with these wheels in an empty directory."""
    target = scratch / "target"
    target.mkdir()
    files = sorted(map(str, wheels.iterdir()))
    names = [pathlib.Path(file).name.split("-")[0] for file in files]
    options = ["--quiet", "--target", str(target)]
    commands = {
        "install": [binary, *options, *files],
        "check": [binary, "check", *options],
        "reinstall": [binary, *options, "--reinstall", *files],
        "uninstall": [binary, "uninstall", *options, *names],
    }
    taken = {}
    for step in STEPS:
        taken[step] = run(commands[step])
        if step != "uninstall" and len(list(target.glob("*.dist-info"))) != len(files):
            raise SystemExit(f"{step}: a project is missing")
    left = sorted(trees.files(trees.snapshot(target, contents=False)))
    if left:
        raise SystemExit(f"uninstall left {left[:5]}")
    trees.remove(target)
    return taken


def measure(title, jobs, asked):
    """Print the rows for a small and a large job; return the worst of their ratios."""
    binary, scratch, runs = asked
    rounds = [[run_all(binary, job, scratch) for job in jobs] for _ in range(runs + 1)][1:]
    worst = 0.0
    for step in STEPS:
        pairs = [(small[step], large[step]) for small, large in rounds]
        seconds = [statistics.median(pair[index][0] for pair in pairs) for index in (0, 1)]
        ratios = [
            statistics.median(large[at] / FACTOR / small[at] for small, large in pairs)
            for at in (0, 1)
        ]
        row = "| {} | {} | {:.3f} s | {:.3f} s | {:.2f} | {:.2f} |"
        print(row.format(title, step, *seconds, *ratios), flush=True)
        worst = max(worst, min(ratios))
    return worst


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--runs", metavar="N", type=int, default=5, help="counted rounds (default: 5)")
    add("--scratch", metavar="DIR", help="the scratch directory (default: in memory)")
    add("--most", metavar="RATIO", type=float, default=1.3, help="the limit (default: 1.3)")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("linear", options.scratch) as scratch:
        asked = (binary, scratch, options.runs)
        copies = [make_copies(scratch / "one", 1), make_copies(scratch / "ten", FACTOR)]
        wide = [
            make_wide(scratch / "wide", ENTRIES),
            make_wide(scratch / "wider", FACTOR * ENTRIES),
        ]
        print(f"| wheels | command | small | {FACTOR} times as large | ratio | of processor time |")
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        worst = max(
            measure(f"{WHEELS} wheels, ten copies", copies, asked),
            measure(f"one wheel of {ENTRIES:,} entries, of {FACTOR * ENTRIES:,}", wide, asked),
        )
    print(f"\nthe worst ratio is {worst:.2f}, and the limit is {options.most}")
    return 1 if worst > options.most else 0


if __name__ == "__main__":
    sys.exit(main())
