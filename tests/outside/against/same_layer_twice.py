"""Build the same image layer twice, as two builders would, and compare the archives.

    python3 tests/outside/against/same_layer_twice.py [--wheels DIR] [--pause SECONDS]

Like a Dockerfile with

    ARG SOURCE_DATE_EPOCH=1700000000
    RUN pkg-install --python python3 --prefix /usr --root /layer --compile-bytecode /wheels

the wheels are installed below an empty root and packed with `tar --sort=name`; then again with
another umask, time zone, home directory, number of threads, order of wheels and, for root, as
another user, some seconds later. All archives have to be equal byte for byte, also one of a layer
into which other versions had been installed first. Without `--wheels` small ones are made.

Prints the digests. Exit code 1: two archives differ, and the first difference is named.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

EPOCH = "1700000000"


def made_wheels(directory, version):
    """A few wheels with packages, scripts and data."""
    directory.mkdir()
    for name in ("alpha", "beta", "gamma"):
        files = {
            f"ns/{name}/m{number}.py": wheels.module_text(name, version, number)
            for number in range(20)
        }
        wheels.project(name, version, files).write(directory)
    return directory


def build(binary, layer, given, how):
    """Install into the layer, and return the archive's bytes."""
    paths = sorted(given.glob("*.whl"), reverse=how.get("reverse", False))
    command = [
        binary, "--python", sys.executable, "--prefix", "/usr", "--root", layer,
        "--compile-bytecode", "--no-compat-check", "--on-conflict", "first", "--jobs", str(how["jobs"]),
        *(sorted(paths) if how.get("sorted") else paths),
    ]
    variables = venv.clean_variables(
        SOURCE_DATE_EPOCH=EPOCH, TZ=how["zone"], HOME=str(layer.parent)
    )
    done = venv.run(command, env=variables, **venv.as_builder(how["umask"], how.get("uid")))
    if done.returncode:
        sys.exit(f"pkg-install: {venv.describe_status(done.returncode)}: {done.stderr}")
    packed = subprocess.run(
        ["tar", "--sort=name", "--numeric-owner", "--owner=0", "--group=0", "-C", layer, "-cf", "-", "."],
        capture_output=True, check=True,
    )
    return packed.stdout


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--wheels", metavar="DIR", type=pathlib.Path, help="wheels to install")
    add("--pause", metavar="SECONDS", type=float, default=2.0, help="between two builds")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("layer") as scratch:
        scratch.chmod(0o755)
        new = options.wheels or made_wheels(scratch / "new", "2.0")
        ways = [
            {"umask": 0o022, "zone": "UTC", "jobs": 1},
            {"umask": 0o077, "zone": "Asia/Tokyo", "jobs": 8, "reverse": True},
            {"umask": 0o002, "zone": "America/Lima", "jobs": 3, "uid": 65534},
        ]
        if not venv.is_public(sys.executable):
            print(f"{sys.executable} is of one user only, so no other user builds a layer")
            ways = [how for how in ways if "uid" not in how]
        if not options.wheels:
            old = made_wheels(scratch / "old", "1.0")
            ways.append({"umask": 0o027, "zone": "UTC", "jobs": 2, "first": old})
        archives = []
        for number, how in enumerate(ways):
            layer = scratch / f"layer{number}" / "root"
            layer.mkdir(parents=True)
            layer.chmod(0o755)
            if how.get("uid") and os.getuid() == 0:
                for path in (layer.parent, layer):
                    os.chown(path, how["uid"], how["uid"])
            if "first" in how:
                build(options.binary, layer, how["first"], {**how, "umask": 0o077})
            archives.append(build(options.binary, layer, new, how))
            print(f"{hashlib.sha256(archives[-1]).hexdigest()}  {how}")
            if archives[-1] != archives[0]:
                first, other = scratch / "layer0" / "root", layer
                print(trees.difference(trees.snapshot(first), trees.snapshot(other)))
                return 1
            time.sleep(options.pause if number + 1 < len(ways) else 0)
    print(f"same_layer_twice: {len(archives)} archives are equal, {len(archives[0])} bytes each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
