"""Write the seeds of the fuzz targets: valid inputs of every form, from which the fuzzer starts.

    python3 tests/fuzz/seeds.py [DIRECTORY]

They are written to DIRECTORY/TARGET, by default to `corpus` beside this script: the wheels of
`testdata`; variants of a wheel (stored, deflated, Zstandard, streamed, zip64, and comments of
several lengths, because the length of a wheel selects the options of its installation); and the
metadata files in them. The same seeds are written each time; existing files stay.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "outside"))

from lib.wheels import DEFLATE, STORED, ZSTANDARD, Wheel, row

TESTDATA = HERE.parent.parent / "testdata"
DIST_INFO = "demo-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.8\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: seeds\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY_POINTS = (
    "[console_scripts]\ndemo = demo.main:run\n\n[gui_scripts]\nwindow = demo:Main.run [extra]\n"
)
FILES = {
    "demo/__init__.py": "x = 1\n" * 20,
    "demo-1.0.data/scripts/tool2": "#!python\nprint(1)\n",
    "demo-1.0.data/data/share/demo.txt": "demo\n",
    "demo-1.0.data/headers/demo.h": "int x;\n",
    f"{DIST_INFO}/METADATA": METADATA,
    f"{DIST_INFO}/WHEEL": WHEEL,
    f"{DIST_INFO}/entry_points.txt": ENTRY_POINTS,
}
RECORDS = [
    'a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\n"b,""c""\nd",,\r\n',
    "\ufeff./a.py,sha256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=,0\n/b.py,,\nb\\c.py,,,\n",
    "../../bin/tool,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\na.py,,\na.py,,\n",
]
HEADERS = [
    METADATA,
    WHEEL,
    METADATA.replace("\n", "\r\n"),
    "Name: a\n folded\n\nbody\n",
    "Wheel-Version: 1.9\n",
]
NAMES = [
    "demo-1.0-py3-none-any.whl",
    "Zope.Interface-8.7.dev1+local_1-2build-cp311.cp312-abi3-"
    "manylinux_2_17_x86_64.linux_x86_64.whl",
    "a-1!2.0rc1.post3-py2.py3-none-any.whl",
]


RESOLUTIONS = [
    '{"version": "1", "install": [{"download_info": {"url": '
    '"https://host/demo-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "%s"}}}, '
    '"requested": true, "metadata": {"name": "demo", "version": "1.0"}}], '
    '"environment": {"python_version": "3.11"}}' % ("ab" * 32),
    "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'demo'\nversion = '1.0'\n"
    "marker = \"os_name == 'posix'\"\n"
    "[[packages.wheels]]\nurl = 'https://host/demo-1.0-py3-none-any.whl'\n"
    "hashes = {sha256 = '%s'}\n" % ("ab" * 32),
    "demo==1.0 ; python_version >= '3.8' \\\n    --hash=sha256:%s\n-r other.txt\n" % ("ab" * 32),
    "(python_version >= '3.8' and 'x' in extras) or sys_platform not in 'win32'",
    "https://user:word@host/a%%20b/demo-1.0-py3-none-any.whl#sha256=%s" % ("ab" * 32),
]


def wheel_of(files: dict[str, str], method: int) -> Wheel:
    """A wheel with exactly these files and a RECORD."""
    wheel = Wheel("demo", method=method).files(files)
    wheel.metadata = wheel.wheel = None
    return wheel


def record(files: dict[str, str]) -> str:
    """The RECORD for these files."""
    rows = (row(path, text.encode()) for path, text in files.items())
    return "".join(rows) + f"{DIST_INFO}/RECORD,,\n"


def archive(
    files: dict[str, str],
    method: int,
    streamed: bool = False,
    wide: bool = False,
    comment: int = 0,
) -> bytes:
    """A wheel of these files; streamed: with data descriptors, wide: with zip64 fields."""
    wheel = wheel_of(files, method)
    wheel.comment = b" " * comment
    entries = wheel.seal()
    for entry in entries:
        if wide:
            entry.widen_local()
        if streamed:
            entry.describe()
    return wheel.pack(entries)


def zstandard(files: dict[str, str]) -> bytes:
    """A wheel whose first file is a Zstandard frame with one raw block."""
    wheel = wheel_of(files, STORED)
    entry = wheel.entries[0]
    content = entry.content
    block = struct.pack("<I", len(content) << 3 | 1)[:3] + content
    entry.body = b"\x28\xb5\x2f\xfd\x20" + bytes([len(content)]) + block
    entry.both(method=ZSTANDARD, packed=len(entry.body))
    return wheel.bytes()


def wheels() -> list[bytes]:
    """Wheels of every form."""
    images = [path.read_bytes() for path in sorted(TESTDATA.glob("*.whl"))]
    for method in (STORED, DEFLATE):
        images += [archive(FILES, method, comment=comment) for comment in range(0, 24, 5)]
    images += [archive(FILES, DEFLATE, streamed=True), archive(FILES, DEFLATE, wide=True)]
    images += [archive(FILES, STORED, streamed=True, wide=True), zstandard(FILES)]
    return [*images, archive({}, STORED), archive(dict(list(FILES.items())[4:6]), STORED)]


def journal() -> str:
    """The body of a journal; the target adds the first line."""
    root = {
        "at": {"base": "environment", "path": ""},
        "home": "lib",
        "stage": "stage-a",
        "trash": "trash-b",
    }
    kinds = [
        {"kind": kind, "root": 0, "path": "lib/a", "slot": "0"}
        for kind in ("out", "in", "removedir")
    ]
    return json.dumps({"uid": 1, "roots": [root], "operations": kinds, "undoable": False})



PAGES = [
    json.dumps({
        "meta": {"api-version": "1.1"},
        "files": [{
            "filename": "demo-1.0-py3-none-any.whl", "url": "../demo-1.0-py3-none-any.whl",
            "hashes": {"sha256": "ab" * 32}, "requires-python": ">=3.8", "core-metadata": True,
            "yanked": "bad", "size": 7, "upload-time": "2026-01-01T00:00:00Z",
        }],
    }),
    "<!DOCTYPE html><base href='/x/'><meta name='pypi:repository-version' content='1.1'>"
    "<a href='demo-1.0-py3-none-any.whl#sha256=" + "ab" * 32 + "' data-requires-python='&gt;=3.8'"
    " data-yanked data-core-metadata='true'>demo</a>",
]
REQUIREMENTS = [
    "Demo.Name[one,two] (>=1.0,!=1.5.*) ; python_version < '3.13' and extra == 'one'",
    "demo @ https://h.example/demo-1.0-py3-none-any.whl#sha256=ab ; os_name == 'posix'",
    "-r other.txt\n--index-url https://h.example/\ndemo==1.0 --hash=sha256:ab\n",
    "[project]\nname = 'x'\ndependencies = ['demo>=1']\n[project.optional-dependencies]\n"
    "a = ['x[b]']\nb = ['c']\n[dependency-groups]\na = ['d', {include-group = 'b'}]\nb = []\n",
]


def seeds() -> dict[str, list[bytes]]:
    """The seeds of each target."""
    images = wheels()
    texts = {
        "record": [*RECORDS, record(FILES)],
        "headers": HEADERS,
        "wheel_name": NAMES,
        "journal": [journal()],
    }
    texts["resolution"] = RESOLUTIONS
    texts["page"] = PAGES
    texts["requirement"] = REQUIREMENTS
    texts["entry_points"] = [ENTRY_POINTS, "\ufeff[console_scripts]\n# no\n  a = b:c\n    .d\n"]
    found = {target: [text.encode() for text in values] for target, values in texts.items()}
    rests = (range(9), range(7, 90, 9), [0] * 6 + [3, 9, 2, 1])
    decisions = [bytes([count, *rest]) for count in range(6) for rest in rests]
    return {**found, "archive": images, "install": images, "forged": [b"", *decisions]}


def main() -> None:
    """Write the seeds."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("directory", nargs="?", type=pathlib.Path, default=HERE / "corpus")
    directory = parser.parse_args().directory
    for target, values in seeds().items():
        (directory / target).mkdir(parents=True, exist_ok=True)
        for value in values:
            (directory / target / hashlib.sha256(value).hexdigest()[:16]).write_bytes(value)
        print(f"{target}: {len(values)} seeds")


if __name__ == "__main__":
    main()
