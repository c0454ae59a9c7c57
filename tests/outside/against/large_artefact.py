"""Pack wheels of more than 4 GiB, with more than 65,535 files, into one application, and run it.

    python3 tests/outside/against/large_artefact.py [--gigabytes 5] [--scratch DIR]

The wheels hold random data that is stored, not compressed. The application needs zip64 for its
length and for its number of files. It has to be packed in less than 200 MB of memory, and to run
with every content as it was made. A tar.gz of the same wheels is read by tar, whose files are
compared, too. Needs three times the space of the wheels in the scratch directory.

Prints lengths, times and peak memory. Exit code 1: something is not as it should be.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import sys
import time
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

LIMIT = 200
MANY = 66_000
PIECE = 64 << 20
# Compares every file of the packages with the digests that were noted when they were made.
CHECK = """
import hashlib, importlib, json, os, sys
wrong = 0
for path, want in json.load(open(sys.argv[1])).items():
    package, name = path.split('/')
    file = os.path.join(os.path.dirname(importlib.import_module(package).__file__), name)
    whole = hashlib.sha256()
    with open(file, 'rb') as data:
        while piece := data.read(1 << 20):
            whole.update(piece)
    wrong += whole.hexdigest() != want
print('WRONG', wrong, sys.prefix)
"""
STARTER = """
import os, resource, sys
status = os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
sys.exit(status)
"""


def write_large(directory, name, pieces):
    """A wheel with stored random data; the digests of its files."""
    info, digests = f"{name}-1.0.dist-info", {}
    record = []
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_STORED) as archive:

        def add(path, content):
            archive.writestr(path, content)
            whole = hashlib.sha256(content)
            encoded = base64.urlsafe_b64encode(whole.digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={encoded},{len(content)}\n")
            return whole.hexdigest()

        add(f"{name}/__init__.py", b"")
        for number in range(pieces):
            digests[f"{name}/data{number}"] = add(f"{name}/data{number}", os.urandom(PIECE))
        add(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode())
        add(f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "".join(record) + f"{info}/RECORD,,\n")
    return digests


def measured(title, command):
    """Run a command; its peak memory in MB."""
    begin = time.monotonic()
    # A child has at least the peak of the process that starts it, so that one has to be small.
    done = venv.must([sys.executable, "-c", STARTER, *command])
    memory, processor = (float(word) for word in done.split()[-2:])
    wall = time.monotonic() - begin
    print(f"{title}: {wall:.1f} s, processor {processor:.1f} s, peak {memory:.0f} MB", flush=True)
    return memory


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--gigabytes", metavar="N", type=float, default=5.0, help="how much data there is")
    add("--scratch", metavar="DIR", default="/tmp", help="for the files")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("large", options.scratch) as scratch:
        given = scratch / "wheels"
        given.mkdir()
        digests, left = {}, int(options.gigabytes * 1e9 / PIECE) + 1
        while left > 0:
            digests |= write_large(given, f"big{left}", min(left, 16))
            left -= 16
        many = {f"many/m{number}.py": f"x = {number}\n" for number in range(MANY)}
        wheels.project("many", "1.0", {"many/__init__.py": "", **many}).write(given)
        (scratch / "digests").write_text(json.dumps(digests))
        total = sum(path.stat().st_size for path in given.iterdir())
        print(f"{total / 1e9:.2f} GB in {len(list(given.iterdir()))} wheels", flush=True)
        failed = False
        for name in ("large.pyz", "large.tar.gz"):
            artefact, place = scratch / name, scratch / f"{name}.unpacked"
            place.mkdir()
            command = [binary, "pack", given, "--output", artefact, "--python", sys.executable, "-q"]
            memory = measured(f"pack {name}", command)
            length = artefact.stat().st_size
            print(f"{name}: {length / 1e9:.2f} GB, {length / total:.3f} of the wheels", flush=True)
            failed |= memory >= LIMIT
            if name == "large.pyz":
                program = artefact
            else:
                measured("tar", ["tar", "-xzf", artefact, "-C", place])
                program = place / "bin/python"
            variables = venv.clean_variables(
                PKG_INSTALL_PACK_CACHE=str(place), PKG_INSTALL_PYTHON=sys.executable
            )
            check = [program, "-c", CHECK, scratch / "digests"]
            for start in ("first start", "later start"):
                begin = time.monotonic()
                done = venv.run(check, env=variables, cwd=scratch)
                failed |= not done.stdout.startswith("WRONG 0 ")
                print(f"{name}, {start}: {time.monotonic() - begin:.1f} s: {done.stdout}{done.stderr}", flush=True)
            modules = len(list(place.rglob("many/m*.py")))
            failed |= modules != MANY
            print(f"{name}: {modules} small files", flush=True)
            artefact.unlink()
            trees.remove(place)
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
