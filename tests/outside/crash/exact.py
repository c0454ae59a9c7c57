"""Shrink an environment to a smaller lock, kill that at random moments, and undo it.

    python3 tests/outside/crash/exact.py [--projects N] [--points N] [--seed N]

An environment holds N projects of a lock file. `sync` with a lock file of half of them, some in newer
versions, removes the others and replaces those in one transaction. It gets SIGKILL at random moments;
afterwards the environment is byte for byte as before or as after, if need be once `pkg-install
recover` has run. Then it runs to its end with `--undoable`, `--check` finds nothing to do, and `undo`
brings all of it back.

Prints counts. Exit code 1: anything bad was found.
"""

from __future__ import annotations

import collections
import hashlib
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels


def made_wheel(directory, name, version):
    """A small wheel with a package of its own and a part of a shared one."""
    files = {
        f"{name}/__init__.py": wheels.module_text(name, version),
        f"shared/{name}.py": wheels.module_text(name, version, 1),
    }
    return wheels.project(name, version, files, scripts=[f"{name} = {name}:main"]).write(directory)


def write_lock(path, made):
    """A lock file of these wheels, given as (name, version, path)."""
    lines = ['lock-version = "1.0"', 'created-by = "exact.py"']
    for name, version, wheel in made:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines += [
            "[[packages]]", f'name = "{name}"', f'version = "{version}"',
            f'wheels = [{{ path = "{wheel}", hashes = {{ sha256 = "{digest}" }} }}]',
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def killed(command, moment):
    """Run the command, and kill it at the moment; return its exit code."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.DEVNULL,
        env=venv.clean_variables(), **quiet,
    )
    time.sleep(moment)
    process.kill()
    return process.wait(timeout=60)


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--projects", metavar="N", type=int, default=200, help="in the larger lock")
    add("--points", metavar="N", type=int, default=200, help="moments to kill at")
    add("--seed", metavar="N", type=int, default=1, help="of the random moments")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    chance, begin = random.Random(options.seed), time.monotonic()
    counts, faults = collections.Counter(), []
    with venv.scratch_directory("exact") as scratch:
        names = [f"project{number}" for number in range(options.projects)]
        old = [(name, "1.0", made_wheel(scratch / "old", name, "1.0")) for name in names]
        new = [
            (name, "2.0", made_wheel(scratch / "new", name, "2.0")) if number % 3 == 0
            else old[2 * number]
            for number, name in enumerate(names[::2])
        ]
        large = write_lock(scratch / "pylock.large.toml", old)
        small = write_lock(scratch / "pylock.small.toml", new)
        root = venv.make_fast(scratch / "venv")
        kept = scratch / "kept"
        kept.mkdir()
        venv.must([binary, "sync", large, "--target", root])
        trees.copy_contents(root, kept)
        before = trees.snapshot(root)
        sync = [binary, "sync", small, "--target", root]
        started = time.monotonic()
        venv.must(sync, code=1)
        usual, after = time.monotonic() - started, trees.snapshot(root)
        for _ in range(options.points):
            trees.empty(root)
            trees.copy_contents(kept, root)
            moment = chance.random() * usual * 1.05
            code = killed(sync, moment)
            counts["killed" if code == -signal.SIGKILL else "finished"] += 1
            found = trees.snapshot(root)
            if found in (before, after):
                counts["before" if found == before else "after"] += 1
                continue
            counts["recovered"] += 1
            done = venv.run([binary, "recover", "--target", root])
            found = trees.snapshot(root)
            if done.returncode or found not in (before, after):
                nearer = trees.nearer(before, after, found)
                faults.append(f"after {moment:.3f} s: {venv.one_line(done.stderr)} {nearer}")
        trees.empty(root)
        trees.copy_contents(kept, root)
        venv.must([*sync, "--undoable"], code=1)
        if trees.without_control(trees.snapshot(root)) != after:
            faults.append("with --undoable the result is another one")
        again = venv.run([*sync, "--check"])
        if again.returncode:
            faults.append(f"something is left to do: {venv.one_line(again.stdout)}")
        venv.must([binary, "undo", "--target", root], code=1)
        found = trees.snapshot(root)
        if found != before:
            faults.append(f"undo: {trees.difference(before, found)}")
    for fault in faults[:20]:
        print(fault)
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    print(f"exact: {options.projects} projects, {told}, {len(faults)} bad, {time.monotonic() - begin:.0f} s")
    return 1 if faults or not counts["killed"] else 0


if __name__ == "__main__":
    sys.exit(main())
