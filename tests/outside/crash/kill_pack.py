#!/usr/bin/env python3
"""Kills `pkg-install pack` at many moments: the old file is there afterwards, or the whole new one.

Also kills the first start of a packed application at many moments, and then starts it again.

    python3 tests/outside/crash/kill_pack.py --wheels DIR [--points 100] [--binary PATH]
"""

import argparse
import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def killed_after(command, seconds, **options):
    """Starts a command in a group of its own, and kills the group; whether it was still running."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **options)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def timed(command, **options):
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    return time.monotonic() - begin


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def blobs(image):
    """The names of the blobs of an image, each of which is the digest of its content."""
    found = [blob for blob in image.glob("blobs/sha256/*") if blob.suffix != ".part"]
    damaged = [blob.name for blob in found if digest(blob) != blob.name]
    if damaged:
        sys.exit(f"image: {damaged} are damaged")
    return {blob.name for blob in found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/pkg-install")
    parser.add_argument("--wheels", required=True)
    parser.add_argument("--points", type=int, default=100)
    arguments = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        scratch = pathlib.Path(directory)
        total = 0
        for name in ["x.zip", "x.tar.gz", "x.pyz", "image"]:
            killed = 0
            output = scratch / name
            command = [arguments.binary, "pack", arguments.wheels, "--output", output, "-q", "--no-compat-check"]
            if name == "image":
                command += ["--format", "oci", "--interpreter", "/usr/bin/python3"]
                output = output / "index.json"
            took = timed(command)
            whole, parts = digest(output), blobs(scratch / name)
            for _ in range(arguments.points // 4):
                for old in [b"old", None]:
                    if name == "image":
                        # What an earlier command has written must not stand in for what is missing.
                        shutil.rmtree(scratch / name, ignore_errors=True)
                        old = None
                    elif old:
                        output.write_bytes(old)
                    else:
                        output.unlink(missing_ok=True)
                    killed += killed_after(command, random.uniform(0, took))
                    found = output.read_bytes() if output.exists() else None
                    if found != old and digest(output) != whole:
                        sys.exit(f"{name}: a part is there")
                    there = blobs(scratch / name)
                    if name == "image" and found and not there >= parts:
                        sys.exit(f"{name}: {parts - there} are missing")
                    for left in scratch.rglob("*.part"):
                        left.unlink()
            timed(command)
            if digest(output) != whole or not blobs(scratch / name) >= parts:
                sys.exit(f"{name}: another artefact after kills")
            if killed == 0:
                sys.exit(f"{name}: every command ended before it was killed")
            print(f"{name}: {killed} kills", flush=True)
            total += killed
        print(f"pack: {total} kills, the old file or the whole new one each time")
        application, cache = scratch / "x.pyz", scratch / "cache"
        variables = {**os.environ, "PKG_INSTALL_PACK_CACHE": str(cache)}
        start = [application, "-c", "import sys; print(sys.prefix)"]
        took = timed(start, env=variables)
        killed = 0
        for _ in range(arguments.points):
            subprocess.run(["rm", "-rf", cache], check=True)
            killed += killed_after(start, random.uniform(0, took), env=variables)
            timed(start, env=variables)
            left = [path for path in cache.rglob("*.new-*")]
            if left:
                sys.exit(f"the next start leaves {left}")
        print(f"first start: {killed} kills, and the next start runs each time")


main()
