"""Pack the same wheels as several builders would, and compare the artefacts of all formats.

    python3 tests/outside/against/same_artefact_twice.py [--wheels DIR] [--pause SECONDS]

Each of pyz, zip, tar.gz and a container image is packed again with another umask, time zone, home
directory, locale, number of threads, order of wheels, place and time stamps of the wheels, place
of the output and, for root, as another user, some seconds later; with a C compiler also years
later. All have to be equal byte for byte. Then single bits of a wheel are flipped: each pack is
refused, and no artefact is there, nor anything else of it. Without `--wheels` small ones are made.

Prints the digests. Exit code 1: two artefacts differ, or a damaged wheel was packed.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

PYTHON = "{}.{}".format(*sys.version_info)
FORMATS = ("pyz", "zip", "tar.gz", "oci")
# Shifts the clock of the program by some years.
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, at);
    if (clock == CLOCK_REALTIME) at->tv_sec += 300000000;
    return result;
}
"""


def made_wheels(directory):
    """A few wheels with packages, scripts, data, and one that is large enough for a layer."""
    directory.mkdir()
    for name in ("alpha", "beta", "gamma"):
        files = {
            f"{name}/m{number}.py": wheels.module_text(name, "1", number) for number in range(20)
        }
        entry = [f"{name} = {name}.m1:main"]
        wheels.project(name, "1", files, entry).write(directory)
    noise = random.Random(1).randbytes(3 << 20)
    wheels.project("large", "1", {"large/__init__.py": "", "large/data": noise}).write(directory)
    return directory


def shifted_clock(scratch):
    """A library that shifts the clock, or `None` without a compiler."""
    source, library = scratch / "clock.c", scratch / "clock.so"
    source.write_text(CLOCK)
    compiler = shutil.which("cc")
    if not compiler:
        return None
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def pack(binary, given, place, form, how):
    """Pack the wheels of a directory; the finished process, and the artefact's path."""
    output = place / ("image" if form == "oci" else f"artefact.{form}")
    paths = sorted(given.glob("*.whl"), reverse=how.get("reverse", False))
    command = [
        # Another user may not see the interpreter that runs this script.
        binary, "pack", *paths, "--output", output, "--python-version", PYTHON, "--format", form,
        "--no-compat-check", "--on-conflict", "first", "--jobs", str(how["jobs"]),
    ]
    if form == "oci":
        command += ["--interpreter", "/usr/bin/python3"]
    variables = venv.clean_variables(TZ=how["zone"], HOME=str(place), LC_ALL=how.get("locale", "C"))
    if "clock" in how:
        variables["LD_PRELOAD"] = str(how["clock"])
    builder = venv.as_builder(how["umask"], how.get("uid"))
    return venv.run(command, env=variables, cwd=place, **builder), output


def digest(path):
    """The SHA-256 of a file, or of the paths and contents below a directory."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            whole.update(f"{file.relative_to(path)}\0{digest(file)}\n".encode())
    return whole.hexdigest()


def compare(binary, given, scratch, pause):
    """Whether all ways give the same artefacts."""
    ways = [
        {"umask": 0o022, "zone": "UTC", "jobs": 1},
        {"umask": 0o077, "zone": "Asia/Tokyo", "jobs": 8, "reverse": True, "locale": "C.UTF-8"},
        {"umask": 0o002, "zone": "America/Lima", "jobs": 3, "uid": 65534},
    ]
    clock = shifted_clock(scratch)
    if clock:
        ways.append({"umask": 0o027, "zone": "UTC", "jobs": 2, "clock": clock})
    first = {}
    for number, how in enumerate(ways):
        place = scratch / f"place {number}"
        copies = place / "wheels of this builder"
        shutil.copytree(given, copies)
        for path in copies.iterdir():
            os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
        place.chmod(0o755)
        copies.chmod(0o755)
        if how.get("uid") and os.getuid() == 0:
            os.chown(place, how["uid"], how["uid"])
        for form in FORMATS:
            done, output = pack(binary, copies, place, form, how)
            if done.returncode:
                sys.exit(f"pkg-install: {venv.describe_status(done.returncode)}: {done.stderr}")
            found = digest(output)
            print(f"{found}  {form} {how}", flush=True)
            if first.setdefault(form, found) != found:
                print(f"the {form} differs from the first one")
                return False
            if output.is_dir():
                trees.remove(output)
            else:
                output.unlink()
        trees.remove(copies)
        time.sleep(pause if number + 1 < len(ways) else 0)
    return True


def damage(binary, given, scratch, points):
    """Whether each flipped bit of a content is refused, and leaves nothing."""
    place, chance = scratch / "damaged", random.Random(2)
    how, refused = {"umask": 0o022, "zone": "UTC", "jobs": 2}, 0
    for number in range(points):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(given, place / "wheels")
        wheel = chance.choice(sorted(place.glob("wheels/*.whl")))
        content = bytearray(wheel.read_bytes())
        with zipfile.ZipFile(wheel) as archive:
            info = chance.choice([info for info in archive.infolist() if info.compress_size])
        # The last byte of a stream has bits that mean nothing.
        names = sum(int.from_bytes(content[info.header_offset + at :][:2], "little") for at in (26, 28))
        at = info.header_offset + 30 + names + chance.randrange(max(info.compress_size - 1, 1))
        content[at] ^= 1 << chance.randrange(8)
        wheel.write_bytes(content)
        form = FORMATS[number % len(FORMATS)]
        done, output = pack(binary, place / "wheels", place, form, how)
        # A layout is made before its layers; without an index it holds no image.
        left = [path for path in place.rglob("*") if path.is_file() and path.suffix != ".whl"]
        left = [path for path in left if path.name != "oci-layout" and path.parent.name != "sha256"]
        left += place.rglob("*.part")
        if done.returncode != 3 or (left and form != "oci") or (output / "index.json").exists():
            print(f"{form}: {wheel.name}, {info.filename}: {done.returncode}, {left}\n{done.stderr}")
            return False
        refused += 1
    print(f"{refused} damaged wheels are refused, and leave no artefact")
    return True


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--wheels", metavar="DIR", type=pathlib.Path, help="wheels to pack")
    add("--pause", metavar="SECONDS", type=float, default=2.0, help="between two builders")
    add("--points", metavar="N", type=int, default=40, help="how many bits are flipped")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("artefact") as scratch:
        scratch.chmod(0o755)
        given = options.wheels or made_wheels(scratch / "given")
        good = compare(binary, given, scratch, options.pause)
        return 0 if good and damage(binary, given, scratch, options.points) else 1


if __name__ == "__main__":
    sys.exit(main())
