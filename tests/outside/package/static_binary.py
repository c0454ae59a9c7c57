"""Run a static binary in a root directory in which there is nothing else.

    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu
    sudo python3 tests/outside/package/static_binary.py \\
        --binary target/x86_64-unknown-linux-gnu/release/pkg-install

Such a binary runs on every Linux of its processor, whatever C library that has: Alpine, busybox, old
releases, an empty image. It must name no loader and no library, and below a root directory that
holds nothing but the program and a few files (no `/proc`, no `/etc`, no shell) it has to

- print its version;
- install a wheel for a Python that is described, list and check it, and undo that;
- fetch a wheel from a server by its address and, with a file `/etc/hosts`, by its name.

It takes root, since chroot does. Exit code 1: one of these fails.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import server, venv, wheels

# Types of program headers: the dynamic section, and the path of the loader.
PT_DYNAMIC, PT_INTERP = 2, 3
# The type of an entry in the dynamic section that names a library.
DT_NEEDED = 1
DESCRIBED = ("--python-version", "3.12", "--python-platform", "linux")


def links_of(binary: pathlib.Path) -> list[str]:
    """What an ELF file of 64 bits needs before it can start."""
    content = binary.read_bytes()
    table, size, count = (
        struct.unpack_from("<Q", content, 32)[0],
        *struct.unpack_from("<HH", content, 54),
    )
    found = []
    for index in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", content, table + index * size)
        if kind == PT_INTERP:
            found.append(content[offset : offset + length].rstrip(b"\0").decode())
        if kind == PT_DYNAMIC:
            entries = struct.iter_unpack("<QQ", content[offset : offset + length])
            found += ["a library" for tag, _ in entries if tag == DT_NEEDED]
    return found


def main() -> int:
    options = venv.new_parser(__doc__).parse_args()
    if os.geteuid() != 0:
        print("chroot takes root")
        return 2
    binary = venv.checked_binary(options.binary)
    if links := links_of(binary):
        print(f"the binary is not static: it needs {', '.join(links)}")
        return 1
    chroot = shutil.which("chroot", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    failed = 0
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(venv.scratch_directory("static"))
        root = scratch / "root"
        root.mkdir()
        shutil.copy(binary, root / "pkg-install")
        module = {"demo.py": wheels.module_text("demo", "1.0")}
        wheel = wheels.project("demo", "1.0", module, scripts=["demo = demo:main"])
        path = wheel.write(root / "wheels")
        files = stack.enter_context(server.Server(root / "wheels"))
        port = files.server_address[1]
        target = ("--target", "/app")
        steps = [
            ["--version"],
            ["install", *DESCRIBED, "--undoable", *target, f"/wheels/{path.name}"],
            ["list", *target],
            ["check", *target],
            ["undo", *target],
            ["download", "--dest", "/one", f"http://127.0.0.1:{port}/{path.name}"],
            ["download", "--dest", "/two", f"http://wheels.test:{port}/{path.name}"],
        ]
        for step in steps:
            if "/two" in step:
                (root / "etc").mkdir()
                (root / "etc/hosts").write_text("127.0.0.1 wheels.test\n", encoding="ascii")
            variables = {"HOME": "/", "no_proxy": "*"}
            done = venv.run([chroot or "chroot", root, "/pkg-install", *step], env=variables)
            print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {' '.join(step)}")
            if done.returncode != 0:
                print(venv.one_line(done.stderr, 500))
                failed += 1
    print(f"{len(steps) - failed} of {len(steps)} commands succeed, {binary.stat().st_size} bytes")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
