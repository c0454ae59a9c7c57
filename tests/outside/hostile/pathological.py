"""Measure inputs that are made to take memory and time out of proportion to their size.

    python3 tests/outside/hostile/pathological.py
    python3 tests/outside/hostile/pathological.py --only record,entry

Each input is made at a size n and at 4n: malformed wheels, manipulated environments, and planted
state. pkg-install may answer as it likes, but at 4n it must take at most 5 times as long as at n,
or less than half a second, and never more than 256 MB. Processor time is compared, so that other
programs do not matter; the better of two runs counts. Without Linux the unit of memory differs.

Prints a table in Markdown. Exit code 1: an input took too long, or too much memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import venv
from lib.wheels import row

FACTOR, SECONDS, MEGABYTES, LIMIT = 5.0, 0.5, 256, 100
INFO = "x-1.0.dist-info/"
METADATA = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
INPUTS = {}


def measured(size: int):
    """Register an input: a function from a directory and a size to a command line."""

    def add(make):
        INPUTS[make.__doc__] = (make, size)
        return make

    return add


def wheel(place: pathlib.Path, files=None, record: str | None = None, lines: str = "") -> list:
    """Write a wheel of the project x; return the command that plans its installation."""
    parts = {"x.py": b"", INFO + "METADATA": METADATA, INFO + "WHEEL": WHEEL, **(files or {})}
    if record is None:
        record = "".join(row(path, content) for path, content in parts.items()) + lines
    with zipfile.ZipFile(place / "x-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {**parts, INFO + "RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return ["--dry-run", place / "x-1.0-py3-none-any.whl", "--target", place / "venv"]


def installed(place: pathlib.Path, name: str, record: str = "", **files: str) -> pathlib.Path:
    """Write the metadata of an installed project; return its directory."""
    directory = place / "venv" / venv.PURELIB / f"{name}-1.0.dist-info"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (directory / "RECORD").write_text(record)
    for other, content in files.items():
        (directory / other.replace("_json", ".json")).write_text(content)
    return directory


def journal(place: pathlib.Path, name: str, operations: list) -> list:
    """Write a journal, or a record for undo, as pkg-install would; return the command to obey it."""
    state = place / "venv" / venv.PURELIB / ".pkg-install"
    for directory in ("stage-a", "trash-a"):
        (state / directory).mkdir(parents=True, exist_ok=True)
    state.chmod(0o755)
    root = {"at": {"base": "environment", "path": ""}, "home": venv.PURELIB}
    root.update(stage="stage-a", trash="trash-a")
    body = {"uid": os.getuid(), "roots": [root], "operations": operations, "undoable": True}
    data = json.dumps(body).encode()
    head = f"pkg-install journal 2 {hashlib.sha256(data).hexdigest()} {len(data)}\n"
    (state / name).write_bytes(head.encode() + data)
    return ["recover" if name == "journal" else "undo", "--target", place / "venv"]


# Wheels


@measured(16_000)
def many_dist_infos(place, n):
    """dist-info directories in a wheel"""
    return wheel(place, {f"a-{i}.dist-info/x": b"" for i in range(n)})


@measured(16_000)
def no_digests(place, n):
    """entries whose record rows have no digest"""
    names = [f"d/{i}.py" for i in range(n)]
    rows = "".join(f"{name},,\n" for name in names)
    return wheel(place, dict.fromkeys(names, b""), lines=rows, record=rows)


@measured(16_000)
def bad_digests(place, n):
    """entries whose record rows have a digest that cannot be read"""
    names = [f"d/{i}.py" for i in range(n)]
    rows = "".join(f"{name},md5=x,\n" for name in names)
    return wheel(place, dict.fromkeys(names, b""), record=rows)


@measured(16_000)
def not_recorded(place, n):
    """entries that the record does not list"""
    return wheel(place, {f"d/{i}.py": b"" for i in range(n)}, record="x.py,,\n")


@measured(1 << 17)
def faulty_rows(place, n):
    """record rows of two bytes, each with several faults"""
    return wheel(place, record="\\\n" * n)


@measured(1 << 17)
def absent_rows(place, n):
    """record rows of files that are not in the archive"""
    return wheel(place, lines="".join(f"{i:x},,\n" for i in range(n)))


@measured(1 << 17)
def equal_rows(place, n):
    """equal record rows"""
    return wheel(place, lines="x.py,,\n" * n)


@measured(1 << 18)
def open_quote(place, n):
    """a record with a quote that is never closed"""
    return wheel(place, lines='"' + "a,\n" * n)


@measured(1 << 17)
def wide_row(place, n):
    """a record row with very many columns"""
    return wheel(place, lines="a" + "," * n + "\n")


@measured(1 << 18)
def headers(place, n):
    """headers in METADATA"""
    return wheel(place, {INFO + "METADATA": METADATA + b"A:\n" * n})


@measured(1 << 19)
def folded(place, n):
    """lines of one folded header in METADATA"""
    return wheel(place, {INFO + "METADATA": METADATA + b"A: x\n" + b" x\n" * n})


@measured(1 << 18)
def specifiers(place, n):
    """specifiers in Requires-Python in METADATA"""
    line = b"Requires-Python: " + b">3," * n + b">3\n"
    return wheel(place, {INFO + "METADATA": METADATA + line})


@measured(1 << 18)
def long_version(place, n):
    """numbers in the version in METADATA"""
    line = b"Metadata-Version: 2.1\nName: x\nVersion: 1" + b".0" * n + b"\n"
    return wheel(place, {INFO + "METADATA": line})


@measured(1 << 17)
def tags(place, n):
    """tags in WHEEL"""
    return wheel(place, {INFO + "WHEEL": WHEEL + b"Tag: a\n" * n})


def entry_points(place, text: str):
    return wheel(place, {INFO + "entry_points.txt": text.encode()})


@measured(1 << 16)
def broken_entry_points(place, n):
    """broken lines of entry points"""
    return entry_points(place, "[console_scripts]\n" + "a\n" * n)


@measured(2_500)
def scripts(place, n):
    """entry points, each of which is a script"""
    return entry_points(place, "[console_scripts]\n" + "".join(f"s{i} = a:b\n" for i in range(n)))


@measured(1 << 16)
def long_value(place, n):
    """lines of the value of one entry point"""
    return entry_points(place, "[console_scripts]\na = b:c\n" + " d\n" * n)


@measured(10_000)
def many_entries(place, n):
    """entries, each in a directory of its own"""
    return wheel(place, {f"d{i}/a/b.py": b"" for i in range(n)})


@measured(400)
def deep_entries(place, n):
    """entries in 200 directories of their own"""
    return wheel(place, {f"{i}/" + "d/" * 199 + "f": b"" for i in range(n)})


@measured(10_000)
def rewritten(place, n):
    """scripts that have to be rewritten"""
    data = "x-1.0.data/scripts/s"
    return wheel(place, {f"{data}{i}": b"#!python\n" for i in range(n)})


@measured(10_000)
def forged(place, n):
    """files that would be metadata of other projects"""
    data = "x-1.0.data/purelib/v"
    return wheel(place, {f"{data}{i}.dist-info/RECORD": b"" for i in range(n)})


# Environments


@measured(2_500)
def many_projects(place, n):
    """installed projects"""
    for i in range(n):
        installed(place, f"p{i}", f"p{i}.py,,\n", INSTALLER="pip\n")
    return ["list", "--target", place / "venv"]


@measured(1 << 17)
def installed_rows(place, n):
    """rows of an installed record, checked"""
    installed(place, "y", "".join(f"{i:x},,\n" for i in range(n)))
    return ["check", "--target", place / "venv"]


@measured(1 << 17)
def removed_rows(place, n):
    """rows of an installed record that lead outside, removed"""
    installed(place, "y", "../../../../outside,,\n" * n)
    return ["uninstall", "--dry-run", "y", "--target", place / "venv"]


@measured(2_000)
def in_the_way(place, n):
    """directories of no project in the way of files, beside as many rows of another project"""
    library = place / "venv" / venv.PURELIB
    for i in range(n):
        (library / f"f{i}").mkdir(parents=True)
    installed(place, "y", "".join(f"g{i}.py,,\n" for i in range(n)))
    return wheel(place, {f"f{i}": b"" for i in range(n)})


@measured(1 << 17)
def long_installer(place, n):
    """lines of INSTALLER and direct_url.json"""
    installed(place, "y", INSTALLER="a\n" * n, direct_url_json="[" * n)
    return ["list", "--json", "--target", place / "venv"]


@measured(1 << 16)
def settings(place, n):
    """lines of pyvenv.cfg"""
    with open(place / "venv/pyvenv.cfg", "a", encoding="utf-8") as file:
        file.write("a = b\n" * n)
    return ["list", "--target", place / "venv"]


# State


@measured(4_000)
def operations(place, n):
    """operations of a journal, none of which was made"""
    made = {"kind": "in", "root": 0, "path": "never/x", "slot": "0"}
    command = journal(place, "journal", [{**made, "slot": str(i)} for i in range(n)])
    stage = place / "venv" / venv.PURELIB / ".pkg-install/stage-a"
    for i in range(n):
        (stage / str(i)).touch()
    return command


@measured(4_000)
def undone(place, n):
    """operations of a record for undo"""
    moved = [{"kind": "in", "root": 0, "path": f"f{i}", "slot": str(i)} for i in range(n)]
    command = journal(place, "undo", moved)
    marks = json.dumps({"moved_in": [{"times": "a", "content": "b"}] * n})
    (place / "venv" / venv.PURELIB / ".pkg-install/marks-a").write_text(marks)
    return command


@measured(2_000)
def leftovers(place, n):
    """staging directories of interrupted commands"""
    state = place / "venv" / venv.PURELIB / ".pkg-install"
    for i in range(n):
        (state / f"stage-{i}").mkdir(parents=True)
    state.chmod(0o755)
    return ["recover", "--target", place / "venv"]


def run(binary: pathlib.Path, command: list) -> tuple[float, float, int]:
    """The processor seconds, the megabytes and the exit code of a command."""
    command = [str(word) for word in (binary, *command)]
    own = {key: value for key, value in os.environ.items() if not key.startswith(venv.FOREIGN)}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=own,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode


def measure(binary: pathlib.Path, make, size: int) -> tuple[float, float, int]:
    """The better of two runs; the command may change the environment, so each has its own."""
    runs = []
    for _ in range(2):
        with venv.scratch_directory("pathological") as place:
            library = place / "venv" / venv.PURELIB
            library.mkdir(parents=True)
            (place / "venv/bin").mkdir()
            (place / "venv/bin/python").symlink_to(os.path.realpath(sys.executable))
            version = "{}.{}.{}".format(*sys.version_info)
            (place / "venv/pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n")
            runs.append(run(binary, make(place, size)))
    return min(runs)


def main() -> None:
    parser = venv.new_parser(__doc__)
    parser.add_argument("--only", metavar="WORDS", default="", help="inputs with these words")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    words = [word for word in options.only.split(",") if word]
    print("| input | n | s at n | s at 4n | MB | codes | |", flush=True)
    print("| --- | ---: | ---: | ---: | ---: | --- | --- |", flush=True)
    failed = count = 0
    for title, (make, size) in INPUTS.items():
        if words and not any(word in title for word in words):
            continue
        small, large = measure(binary, make, size), measure(binary, make, 4 * size)
        is_slow = large[0] > FACTOR * small[0] and large[0] > SECONDS
        is_large = max(small[1], large[1]) > MEGABYTES
        crashed = not {small[2], large[2]} <= set(range(LIMIT))
        verdict = " ".join(
            word
            for word, is_so in (("SLOW", is_slow), ("LARGE", is_large), ("CRASHED", crashed))
            if is_so
        )
        failed += bool(verdict)
        count += 1
        print(
            f"| {title} | {size} | {small[0]:.2f} | {large[0]:.2f} | {large[1]:.0f} "
            f"| {small[2]}, {large[2]} | {verdict or 'ok'} |",
            flush=True,
        )
    print(f"\n{count} inputs, {failed} failed")
    sys.exit(1 if failed or not count else 0)


if __name__ == "__main__":
    main()
