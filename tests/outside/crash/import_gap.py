"""Measure how often, and for how long, an import finds no version of a package being replaced.

    python3 tests/outside/crash/import_gap.py [--replacements 1000] [--files 100]

A reader imports a package with a submodule in a loop and notes each failure, while `pkg-install
--reinstall` replaces the package a thousand times, with two versions in turn. An import may fail
only in the instant between the renames that take the old directory out and put the new one in.
Reported are the number of imports and of failures, the number of replacements with failures, and
the longest time between two successes around a failure. Imports that began in one version and
ended in the other are counted too: an installer cannot prevent them. A second reader only checks
whether the package's directory exists, and measures the gaps more exactly.

Prints two lines with the figures. Exit code 1: a command failed, or nothing was imported.
Needs Linux.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import venv, wheels

READER = """
import importlib, json, os, sys, time
purelib, stop = sys.argv[1:]
sys.path.insert(0, purelib)
sys.dont_write_bytecode = True
count = failed = gaps = mixed = 0
longest = 0.0
since = None
last = time.monotonic()
while not os.path.exists(stop):
    for name in [name for name in sys.modules if name.split(".")[0] == "watched"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    begin = time.monotonic()
    count += 1
    try:
        package = importlib.import_module("watched")
        module = importlib.import_module("watched.inner")
        if package.version != module.version:
            mixed += 1
    except (ImportError, OSError, AttributeError):
        failed += 1
        if since is None:
            since = last
            gaps += 1
        continue
    if since is not None:
        longest = max(longest, begin - since)
        since = None
    last = begin
print(json.dumps([count, failed, gaps, longest, mixed]))
"""
WATCHER = """
import json, os, sys, time
purelib, stop = sys.argv[1:]
path = os.path.join(purelib, "watched")
looks = gaps = 0
longest = total = 0.0
gone = None
access, now = os.access, time.perf_counter
for _ in iter(lambda: os.path.exists(stop), True):
    for _ in range(20000):
        looks += 1
        if access(path, os.F_OK):
            if gone is not None:
                gap = now() - gone
                longest, total, gone = max(longest, gap), total + gap, None
        elif gone is None:
            gone = now()
            gaps += 1
print(json.dumps([looks, gaps, longest, total]))
"""


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--replacements", metavar="N", type=int, default=1000, help="replacements per reader")
    add("--files", metavar="N", type=int, default=100, help="modules in the package")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("import-gap") as scratch:
        return watch(scratch, binary, options)


def watch(scratch, binary, options):
    """Replace in front of both readers, and print their figures."""
    root = venv.make_fast(scratch / "venv")
    made = []
    for version in ("1.0", "2.0"):
        files = {
            f"watched/m{n}.py": wheels.module_text("watched", version, n)
            for n in range(options.files)
        }
        files["watched/__init__.py"] = files["watched/inner.py"] = f'version = "{version}"\n'
        made.append(wheels.project("watched", version, files).write(scratch / version))
    command = [binary, "--reinstall", "--target", root]
    venv.must([*command, made[0]])
    number = options.replacements
    figures = [read(text, root, command, made, number) for text in (READER, WATCHER)]
    (count, failed, gaps, longest, mixed), seconds, bad = figures[0]
    (looks, away, longest_away, total), _, more_bad = figures[1]
    average = total / away * 1e6 if away else 0
    print(
        f"imports: {number} replacements in {seconds:.1f} s: {count} imports, {failed} failed, "
        f"in {gaps} of the replacements, longest time between two successes around a failure "
        f"{longest * 1e3:.3f} ms, {mixed} imports saw both versions"
    )
    print(
        f"directory: {number} replacements: {looks} checks, missing {away} times, longest "
        f"{longest_away * 1e6:.0f} us, on average {average:.0f} us; "
        f"{bad + more_bad} commands failed"
    )
    return 1 if bad or more_bad or not count else 0


def read(text, root, command, made, replacements):
    """Replace while a reader runs; return its figures, the seconds, and the failed commands."""
    stop = root.parent / "stop"
    stop.unlink(missing_ok=True)
    words = [sys.executable, "-c", text, str(root / venv.PURELIB), str(stop)]
    reader = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    begin, bad = time.monotonic(), 0
    for number in range(1, replacements + 1):
        bad += venv.run([*command, made[number % 2]]).returncode != 0
    seconds = time.monotonic() - begin
    stop.touch()
    return json.loads(reader.communicate()[0]), seconds, bad


if __name__ == "__main__":
    sys.exit(main())
