"""How often, and for how long, an importer finds neither the old nor the new while a package is replaced.

    python3 window.py [--binary PATH] [--replacements 1000] [--files 100]

A reader imports a package with a sub-module in a loop, anew each time, and notes each time at which it could not; meanwhile the package
is replaced a thousand times, two versions in turn, by `pkg-install --reinstall`. An import may fail only for the instant
in which the old directory is out and the new one is not yet in. What is reported: how many imports there were and how many failed,
in how many of the replacements that was, the longest time without a success around a failure, and the same looked at by itself: a second
reader only asks whether the package's directory is there. Imports that had begun in one version and ended in the other are counted
too: nothing on the side of the installer can prevent them.

Two lines with the figures; the exit code is 1 where a command failed or no replacement was met. Needs Linux, python3.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import scene

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scene.add_binary_option(parser)
    parser.add_argument("--replacements", type=int, default=1000)
    parser.add_argument("--files", type=int, default=100, help="modules in the package")
    options = parser.parse_args()
    binary = scene.checked_binary(options.binary)
    with tempfile.TemporaryDirectory(prefix="pkg-install-window-", dir=scene.scratch_home()) as scratch:
        return watch(pathlib.Path(scratch), binary, options)


def watch(scratch, binary, options):
    root = scene.make_venv(scratch / "venv")
    wheels = []
    for version in ("1.0", "2.0"):
        files = {f"watched/m{n}.py": scene.module_text("watched", version, n) for n in range(options.files)}
        files["watched/__init__.py"] = files["watched/inner.py"] = f'version = "{version}"\n'
        wheels.append(scene.make_wheel(scratch / version, scene.project("watched", version, files)))
    command = [binary, "--reinstall", "--target", root]
    first = scene.run([*command, wheels[0]])
    if first.returncode:
        sys.exit(f"the scene cannot be set: {first.stderr}")
    figures = [read(text, scratch, root, command, wheels, options.replacements) for text in (READER, WATCHER)]
    (count, failed, gaps, longest, mixed), seconds, bad = figures[0]
    (looks, away, longest_away, total), _, more_bad = figures[1]
    average = total / away * 1e6 if away else 0
    print(
        f"window: {options.replacements} replacements in {seconds:.1f} s: {count} imports, {failed} found neither, in {gaps} "
        f"of the replacements, longest time between two successes around that {longest * 1e3:.3f} ms, {mixed} straddled one"
    )
    print(
        f"window: {options.replacements} replacements: {looks} looks at the directory, seen absent {away} times, longest "
        f"{longest_away * 1e6:.0f} us, on average {average:.0f} us; {bad + more_bad} commands failed"
    )
    return 1 if bad or more_bad or not count else 0


def read(text, scratch, root, command, wheels, replacements):
    """Replace while a reader runs; returns its figures, the seconds, and the commands that failed."""
    stop = scratch / "stop"
    stop.unlink(missing_ok=True)
    words = [sys.executable, "-c", text, str(root / scene.PURELIB), str(stop)]
    reader = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    begin, bad = time.monotonic(), 0
    for number in range(1, replacements + 1):
        bad += scene.run([*command, wheels[number % 2]]).returncode != 0
    seconds = time.monotonic() - begin
    stop.touch()
    return json.loads(reader.communicate()[0]), seconds, bad


if __name__ == "__main__":
    sys.exit(main())
