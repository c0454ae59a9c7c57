"""Show that the work grows as the wheels do: ten times as much takes ten times as long.

    cargo build --release
    python3 benches/against/linear.py [--binary PATH] [--runs 5] [--scratch DIR] [--most 1.3]

Two pairs of jobs, on generated wheels: a set of 20 wheels beside ten copies of it under other names, and one wheel
of 10,000 entries beside one of 100,000. Each is installed into an empty directory, checked, reinstalled and
uninstalled. In every round the small and the large job are run one after the other, and what a tenth of the large
one took is divided by what the small one took: 1.00 is linear, more grows faster. The table shows medians, of
processor time too. The exit code is 1 where a command's ratios are both more than `--most`: work that grows faster
lengthens both, what else the machine does lengthens the one. One round before that is not counted. What is done
once for each command weighs less in the large job, so ratios below 1 are usual.

Needs about 2 GB in the scratch directory, /dev/shm where there is one.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FACTOR = 10
WHEELS = 20
ENTRIES = 10_000
STEPS = ("install", "check", "reinstall", "uninstall")


def make_wheel(directory, project, contents):
    """Write a wheel with these contents, a hundred to a directory, in a package that bears its project's name."""
    files = {
        "{}/part_{}/module_{}.py".format(project, number // 100, number): content
        for number, content in enumerate(contents)
    }
    metadata = "{}-1.0.dist-info".format(project)
    files[metadata + "/METADATA"] = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n".format(project).encode()
    files[metadata + "/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: linear\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = []
    with zipfile.ZipFile(directory / (project + "-1.0-py3-none-any.whl"), "w", zipfile.ZIP_DEFLATED, True, 1) as wheel:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            rows.append("{},sha256={},{}\n".format(path, digest, len(content)))
            wheel.writestr(path, content)
        wheel.writestr(metadata + "/RECORD", "".join(rows) + metadata + "/RECORD,,\n")


def text(source, lines):
    """So many lines that look a little like Python."""
    return "".join("value_{} = {}\n".format(line, source.getrandbits(64)) for line in range(lines)).encode()


def make_copies(directory, count):
    """A set of wheels of mixed sizes, so many times under other names; return the directory."""
    directory.mkdir()
    source = random.Random(0)
    sets = [[text(source, source.choice((4, 40, 400))) for _ in range(20 * number + 50)] for number in range(WHEELS)]
    for copy in range(count):
        for number, contents in enumerate(sets):
            make_wheel(directory, "copy{}_{}".format(copy, number), contents)
    return directory


def make_wide(directory, entries):
    """One wheel of so many small entries; return its directory."""
    directory.mkdir()
    source = random.Random(0)
    make_wheel(directory, "wide", [text(source, 8) for _ in range(entries)])
    return directory


def run(command):
    """Run a command; return its seconds, and those of all its processors."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PKG_INSTALL_")}
    before = os.times()
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=variables, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    after = os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, busy


def run_all(binary, wheels, scratch):
    """What each step takes with these wheels in an empty directory."""
    target = scratch / "target"
    target.mkdir()
    files = sorted(map(str, wheels.iterdir()))
    names = [pathlib.Path(file).name.split("-")[0] for file in files]
    where = ["--quiet", "--target", str(target)]
    commands = {
        "install": [binary, *where, *files],
        "check": [binary, "check", *where],
        "reinstall": [binary, *where, "--reinstall", *files],
        "uninstall": [binary, "uninstall", *where, *names],
    }
    taken = {}
    for step in STEPS:
        taken[step] = run(commands[step])
        if step != "uninstall" and len(list(target.glob("*.dist-info"))) != len(files):
            raise SystemExit("{}: not every project is there".format(step))
    left = [path for path in target.rglob("*") if not path.is_dir() and path.name != ".lock"]
    if left:
        raise SystemExit("uninstall left {}".format(left[:5]))
    shutil.rmtree(target)
    return taken


def measure(title, jobs, asked):
    """Print the rows of a pair of jobs, a small one and a large one; return the worst of their ratios."""
    binary, scratch, runs = asked
    rounds = [[run_all(binary, job, scratch) for job in jobs] for _ in range(runs + 1)][1:]
    worst = 0.0
    for step in STEPS:
        pairs = [(small[step], large[step]) for small, large in rounds]
        seconds = [statistics.median(pair[index][0] for pair in pairs) for index in (0, 1)]
        ratios = [statistics.median(large[at] / FACTOR / small[at] for small, large in pairs) for at in (0, 1)]
        row = "| {} | {} | {:.3f} s | {:.3f} s | {:.2f} | {:.2f} |"
        print(row.format(title, step, *seconds, *ratios), flush=True)
        worst = max(worst, min(ratios))
    return worst


def main():
    """Measure both pairs, and say whether the bound holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", metavar="PATH", default=REPOSITORY / "target/release/pkg-install")
    parser.add_argument("--runs", metavar="N", type=int, default=5, help="counted rounds (default: %(default)s)")
    parser.add_argument("--scratch", metavar="DIR", help="where to work (default: /dev/shm where there is one)")
    parser.add_argument("--most", metavar="RATIO", type=float, default=1.3, help="the bound (default: %(default)s)")
    arguments = parser.parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="linear-", dir=arguments.scratch or memory))
    asked = (os.path.abspath(arguments.binary), scratch, arguments.runs)
    try:
        copies = [make_copies(scratch / "one", 1), make_copies(scratch / "ten", FACTOR)]
        wide = [make_wide(scratch / "wide", ENTRIES), make_wide(scratch / "wider", FACTOR * ENTRIES)]
        print("| wheels | command | small | {} times as large | ratio | of processor time |".format(FACTOR))
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        worst = max(
            measure("{} wheels, ten copies".format(WHEELS), copies, asked),
            measure("one wheel of {:,} entries, of {:,}".format(ENTRIES, FACTOR * ENTRIES), wide, asked),
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("\nthe worst ratio is {:.2f}, and {} is allowed".format(worst, arguments.most))
    sys.exit(1 if worst > arguments.most else 0)


if __name__ == "__main__":
    main()
