"""Replace what pip installed, and let pip replace what pkg-install installed.

    python3 over_pip.py DIR --binary PATH [--old REQUIREMENT ...]

DIR holds wheels of newer versions of the projects that `--old` names in older ones; those are fetched from the package
index. First pip installs the old ones and pkg-install the new ones over them: the tree has to equal, to the byte, the
one that a fresh installation of the new ones makes, and pip has to see the same projects in it. Then pkg-install installs the old ones and pip upgrades them: without a complaint, and nothing of the
old ones may be left. One line for each check; the exit code is 1 where one fails.
"""

import argparse
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

OLD = (
    "attrs==23.1.0 certifi==2023.7.22 click==8.1.3 idna==3.4 jinja2==3.1.2 markupsafe==2.1.2 "
    "packaging==23.0 pyyaml==6.0.1 requests==2.28.0 six==1.16.0 urllib3==1.26.15"
).split()


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def tree(root):
    """Every path with its kind, mode and content; bytecode and the lock left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name == ".lock" or path.name.startswith("activate") or name.endswith(".pyc") or path.name == "__pycache__":
            continue
        mode = oct(path.lstat().st_mode & 0o7777)
        if path.is_symlink():
            found[name] = "link to " + os.readlink(path)
        elif path.is_dir():
            found[name] = "directory " + mode
        else:
            content = path.read_bytes().replace(str(root).encode(), b"ROOT")
            if path.name == "RECORD" or path.parent.name == "bin":
                # Scripts name their own environment, and RECORD states the digests of such scripts.
                content = b"" if path.name == "RECORD" else content
            found[name] = mode + " " + hashlib.sha256(content).hexdigest()
    return found


class Checks:
    failed = 0

    def say(self, name, good, detail=""):
        print(("ok    " if good else "FAIL  ") + name + ("" if good else "\n" + detail), flush=True)
        self.failed += not good


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def environment(path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
    return path


def pip(venv, *words):
    return run(sys.executable, "-m", "pip", "--python", venv / "bin/python", "--disable-pip-version-check", *words)


def differences(one, other):
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return "\n".join("{}: {} / {}".format(path, one.get(path), other.get(path)) for path in paths[:40])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=pathlib.Path)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--old", nargs="+", default=OLD)
    options = parser.parse_args()
    binary, checks = options.binary.resolve(), Checks()
    names = {normal(requirement.split("==")[0]) for requirement in options.old}
    new = [path.resolve() for path in sorted(options.wheels.glob("*.whl")) if normal(path.name.split("-")[0]) in names]
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        scratch = pathlib.Path(scratch)
        old = scratch / "old"
        code, said = run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", old, *options.old)
        checks.say("{} old wheels are fetched, {} new ones are there".format(len(options.old), len(new)), code == 0 and len(new) == len(names), said)
        old = sorted(old.glob("*.whl"))

        fresh = environment(scratch / "fresh")
        code, said = run(binary, *new, "--target", fresh)
        checks.say("a fresh installation", code == 0, said)
        over = environment(scratch / "over")
        code, said = pip(over, "install", "-q", "--no-index", "--no-deps", *old)
        checks.say("pip installs the old ones, with bytecode", code == 0, said)
        code, said = run(binary, *new, "--target", over)
        checks.say("pkg-install replaces them", code == 0 and "edited" not in said, said)
        one, other = tree(fresh), tree(over)
        checks.say("the tree equals a fresh one", one == other, differences(one, other))
        caches = [str(path) for path in over.rglob("*.pyc")]
        lists = [pip(venv, "list", "--format", "freeze") for venv in (fresh, over)]
        checks.say("pip sees the same projects", lists[0] == lists[1], lists[1][1])
        checks.say("no bytecode of the old ones is left", not caches, "\n".join(caches[:20]))
        code, said = run(binary, "check", "--target", over)
        checks.say("pkg-install check", code == 0, said)

        ours = environment(scratch / "ours")
        code, said = run(binary, *old, "--target", ours)
        checks.say("pkg-install installs the old ones", code == 0, said)
        code, said = pip(ours, "install", "--no-index", "--no-deps", "--no-compile", "--upgrade", *new)
        complaints = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
        checks.say("pip upgrades them without a complaint", code == 0 and not complaints, said)
        theirs = environment(scratch / "theirs")
        pip(theirs, "install", "-q", "--no-index", "--no-deps", "--no-compile", *new)
        one, other = tree(theirs), tree(ours)
        checks.say("nothing of the old ones is left", one == other, differences(one, other))
    print("{} failed".format(checks.failed))
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
