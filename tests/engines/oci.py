#!/usr/bin/env python3
"""Runs a packed image with nothing but its own root.

The base is made of this machine's /usr/bin/python3, its libraries and its shell. skopeo copies the
image, which checks every digest; umoci unpacks it; bubblewrap runs it as another user, read-only
and without a network.

    python3 tests/engines/oci.py --program target/release/pkg-install
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import packdemo

KIND = "application/vnd.oci.image"


def system_files(python):
    """The files that the interpreter and a shell need."""
    library = subprocess.run([python, "-c", "import os; print(os.path.dirname(os.__file__))"],
                             check=True, capture_output=True, text=True).stdout.strip()
    files = {python, "/bin/sh"}
    for root in [library]:
        files |= {str(path) for path in pathlib.Path(root).rglob("*")
                  if path.is_file() and "__pycache__" not in path.parts and "test" not in path.parts}
    for file in sorted(files):
        if file in (python, "/bin/sh") or file.endswith(".so"):
            run = subprocess.run(["ldd", file], capture_output=True, text=True)
            files |= set(re.findall(r"(/\S+) \(0x", run.stdout))
    return sorted(files)


def make_base(layout, python, tag):
    """Writes an image with this interpreter, in a layout."""
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content, kind):
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": f"{KIND}.{kind}", "digest": f"sha256:{name}", "size": len(content)}

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", dereference=True) as tar:
        # bubblewrap mounts on these.
        for name in ["proc", "dev", "tmp"]:
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(directory)
        for path in system_files(python):
            tar.add(path, path.lstrip("/"))
    plain = plain.getvalue()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = {"architecture": machine, "os": "linux", "config": {"Env": ["PATH=/usr/bin:/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]}}
    layer = put(gzip.compress(plain, 1, mtime=0), "layer.v1.tar+gzip")
    config = put(json.dumps(config).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": f"{KIND}.manifest.v1+json", "config": config, "layers": [layer]}
    entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def run_image(scratch, image):
    """Runs the image with only its own root, as another user; the lines that it prints."""
    subprocess.run(["skopeo", "copy", "-q", image, f"oci:{scratch}/copy:latest"], check=True)
    inspected = subprocess.run(["skopeo", "inspect", "--config", f"oci:{scratch}/copy:latest"],
                               check=True, capture_output=True, text=True).stdout
    run = json.loads(inspected)["config"]
    subprocess.run(["umoci", "unpack", "--image", f"{scratch}/copy:latest", scratch / "bundle"],
                   check=True, stdout=subprocess.DEVNULL)
    variables = [word for text in run["Env"] for word in ["--setenv", *text.split("=", 1)]]
    done = subprocess.run(["bwrap", "--unshare-all", "--uid", "12345", "--ro-bind", scratch / "bundle/rootfs", "/",
                            "--proc", "/proc", "--dev", "/dev", "--clearenv", *variables, *run["Entrypoint"]],
                           check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter of the base")
    parser.add_argument("--wheels", help="more wheels to pack")
    arguments = parser.parse_args()
    for tool in ["skopeo", "umoci", "bwrap"]:
        shutil.which(tool) or sys.exit(f"{tool} is not installed")
    version = subprocess.run([arguments.python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             check=True, capture_output=True, text=True).stdout.strip()
    python = f"/usr/bin/python{version}"
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        scratch.chmod(0o755)
        make_base(scratch / "base", python, "base")
        wheel = packdemo.build(scratch / "wheels")
        more = [arguments.wheels] if arguments.wheels else []
        command = [arguments.program, "pack", wheel, *more, "--format", "oci", "--output", scratch / "image",
                   "--base", f"{scratch}/base:base", "--python", python, "--entry", "packdemo", "-q"]
        subprocess.run(command, check=True)
        found = run_image(scratch, f"oci:{scratch}/image:latest")
        module, executable, prefix, data = found
        if (module, prefix) != (f"/app/lib/python{version}/site-packages/packdemo/__init__.py", "/app"):
            sys.exit(f"{module} ran with {executable}")
        print(f"skopeo, umoci and bubblewrap take it: {module} ran with {executable}")


if __name__ == "__main__":
    main()
