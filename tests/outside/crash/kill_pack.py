#!/usr/bin/env python3
"""Kills `pkg-install pack` at many moments: the old file is there afterwards, or the whole new one.

Also kills the first start of a packed application at many moments, and then starts it again.

    python3 tests/outside/crash/kill_pack.py --wheels DIR [--points 100] [--binary PATH]
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
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


def damaged_blobs(image):
    """The blobs of an image that is there which are not what their names say."""
    return [blob for blob in image.glob("blobs/sha256/*") if digest(blob) != blob.name]


def missing_blobs(image):
    """The blobs that the index of an image leads to and that are not there."""
    def leads_to(name):
        place = image / "blobs/sha256" / name.removeprefix("sha256:")
        if not place.exists():
            return [name]
        found = json.loads(place.read_bytes())
        parts = [*found.get("manifests", []), *found.get("layers", []), *([found["config"]] if "config" in found else [])]
        missing = []
        for part in parts:
            blob = image / "blobs/sha256" / part["digest"].removeprefix("sha256:")
            is_list = part["mediaType"].endswith(("manifest.v1+json", "index.v1+json"))
            missing += leads_to(part["digest"]) if is_list else [] if blob.exists() else [part["digest"]]
        return missing
    index = json.loads((image / "index.json").read_bytes())
    return [name for part in index["manifests"] for name in leads_to(part["digest"])]


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
            whole = digest(output)
            for _ in range(arguments.points // 4):
                for old in [b"old", None]:
                    if old and name != "image":
                        output.write_bytes(old)
                    else:
                        output.unlink(missing_ok=True)
                        old = None
                    killed += killed_after(command, random.uniform(0, took))
                    found = output.read_bytes() if output.exists() else None
                    if found != old and digest(output) != whole:
                        sys.exit(f"{name}: a part is there")
                    if name == "image" and found and (damaged_blobs(scratch / name) or missing_blobs(scratch / name)):
                        sys.exit(f"{name}: {damaged_blobs(scratch / name)}, {missing_blobs(scratch / name)}")
                    for left in scratch.rglob("*.part"):
                        left.unlink()
            timed(command)
            if digest(output) != whole:
                sys.exit(f"{name}: another artefact after kills")
            if name == "image" and (damaged_blobs(scratch / name) or missing_blobs(scratch / name)):
                sys.exit(f"{name}: not whole after kills")
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
