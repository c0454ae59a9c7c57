"""Kill pkg-install while it compiles bytecode, and check what is left.

    python3 tests/outside/crash/bytecode.py [--points N] [--signal NAME] [--epoch] [--seed N] [--size N]

An old version of some projects is replaced with `--compile-bytecode`, and the command gets SIGKILL,
SIGINT or SIGTERM at a random moment after the first bytecode is staged. A moment is counted if
nothing had been moved yet. Afterwards

- no interpreter that compiles is left after five seconds, and none is ever left by SIGINT or SIGTERM;
- the environment is byte for byte as before or as after the command, if need be once
  `pkg-install recover` has run, and nothing else is in it.

Bytecode is checked by hashes here, so that its bytes are the same each time. Prints counts. Exit code
1: anything bad was found, or too few moments were inside.
"""

from __future__ import annotations

import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import workspace
from lib import trees, venv

SIGNALS = {
    "kill": (signal.SIGKILL, -signal.SIGKILL),
    "interrupt": (signal.SIGINT, 130),
    "terminate": (signal.SIGTERM, 143),
}
# An interpreter notices the end of its input when it has compiled one more source.
LONGEST = 5.0


def interpreters(root):
    """The processes that compile for an environment."""
    found, own = [], os.fsencode(str(root))
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"pkg-install compiles" in words and words.startswith(own):
                found.append(int(entry.name))
    return found


def staged(root):
    """Whether bytecode is staged and nothing is being moved."""
    try:
        for control in root.rglob(trees.CONTROL):
            if (control / "journal").exists():
                return False
            if any(control.rglob("*.pyc")):
                return True
    except FileNotFoundError:
        # A directory vanished while it was listed, so that files were being moved or removed.
        pass
    return False


def compiling(process, root):
    """Wait until the command compiles; whether it does."""
    while process.poll() is None:
        if staged(root):
            return True
    return False


def span_of(command, root, epoch):
    """How many seconds a command that is not interrupted compiles."""
    process = started(command, epoch)
    assert compiling(process, root), "nothing is compiled"
    first = last = time.monotonic()
    while process.poll() is None:
        if staged(root):
            last = time.monotonic()
    assert process.returncode == 0, venv.describe_status(process.returncode)
    return last - first


def started(command, epoch):
    """The running command, without its output."""
    none = subprocess.DEVNULL
    variables = venv.clean_variables(**({"SOURCE_DATE_EPOCH": "1700000000"} if epoch else {}))
    return subprocess.Popen(command, stdin=none, stdout=none, stderr=none, env=variables)


def faults(space, before, after):
    """What is wrong with what the command left."""
    deadline = time.monotonic() + LONGEST
    while interpreters(space.root):
        if time.monotonic() > deadline:
            yield f"interpreters are left: {interpreters(space.root)}"
            break
        time.sleep(0.01)
    if trees.snapshot(space.root) in (before, after):
        return
    yield from space.faults_after_recovery(before, after)


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--points", metavar="N", type=int, default=100, help="moments inside the compilation")
    add("--signal", metavar="NAME", choices=SIGNALS, help="only this one: " + ", ".join(SIGNALS))
    add("--epoch", action="store_true", help="with SOURCE_DATE_EPOCH, which takes more processes")
    add("--seed", metavar="N", type=int, default=1, help="of the random moments")
    add("--size", metavar="N", type=int, default=60, help="modules of each package")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    chance, begin = random.Random(options.seed), time.monotonic()
    counts, found = collections.Counter(), []
    with venv.scratch_directory("bytecode") as scratch:
        space = workspace.Workspace(scratch, options.binary, options.size)
        how = ("--compile-bytecode", "--invalidation-mode", "checked-hash")
        space.must(*how, *space.projects.old)
        space.save("old")
        before = trees.snapshot(space.root)
        command = [str(word) for word in space.command(*how, *space.projects.new)]
        span = span_of(command, space.root, options.epoch)
        after = trees.snapshot(space.root)
        assert sum(path.endswith(".pyc") for path in after) > options.size, "nothing is compiled"
        while counts["inside"] < options.points and counts["tries"] < options.points * 10:
            space.restore("old")
            kind = options.signal or chance.choice(list(SIGNALS))
            number, code = SIGNALS[kind]
            moment = chance.random() * span
            process = started(command, options.epoch)
            if compiling(process, space.root):
                time.sleep(moment)
            inside = staged(space.root)
            process.send_signal(number)
            ended = process.wait(timeout=60)
            counts["tries"] += 1
            # The command may have ended, or begun to commit, before the signal came.
            inside = inside and ended == code
            # A signal that comes before the command handles it ends the command at once.
            if ended not in (0, code, -number):
                found.append(f"{kind} after {moment:.3f} s: ended with {ended}")
            if kind != "kill" and interpreters(space.root):
                found.append(f"{kind} after {moment:.3f} s: an interpreter is left")
            for fault in faults(space, before, after):
                found.append(f"{kind} after {moment:.3f} s: {fault}")
            counts["inside"] += inside
            counts[kind] += inside
    for fault in found[:20]:
        print(fault)
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in SIGNALS)
    print(
        f"bytecode: {counts['inside']} moments inside the compilation ({kinds}) of "
        f"{counts['tries']}, {len(found)} bad, {time.monotonic() - begin:.0f} s"
    )
    return 1 if found or counts["inside"] < options.points else 0


if __name__ == "__main__":
    sys.exit(main())
