"""Write the seeds of the fuzz targets: honest inputs of every form, from which the fuzzer goes on.

    python3 tests/fuzz/seeds.py [DIRECTORY]

They go to DIRECTORY/TARGET, by default to `corpus` beside this script: the wheels of `testdata` and variants made here
(stored, deflated, Zstandard, streamed, ZIP64, comments of several lengths, since the length of a wheel chooses the
options of its installation), and the metadata files in them. The same seeds are written each time; what is there already
stays.
"""

import argparse
import base64
import hashlib
import io
import json
import pathlib
import struct
import zipfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
TESTDATA = HERE.parent.parent / "testdata"
DIST_INFO = "demo-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.8\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: seeds\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY_POINTS = "[console_scripts]\ndemo = demo.main:run\n\n[gui_scripts]\nwindow = demo:Main.run [extra]\n"
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
    "a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\n\"b,\"\"c\"\"\nd\",,\r\n",
    "\ufeff./a.py,sha256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=,0\n/b.py,,\nb\\c.py,,,\n",
    "../../bin/tool,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\na.py,,\na.py,,\n",
]
HEADERS = [METADATA, WHEEL, METADATA.replace("\n", "\r\n"), "Name: a\n folded\n\nbody\n", "Wheel-Version: 1.9\n"]
NAMES = [
    "demo-1.0-py3-none-any.whl",
    "Zope.Interface-8.7.dev1+local_1-2build-cp311.cp312-abi3-manylinux_2_17_x86_64.linux_x86_64.whl",
    "a-1!2.0rc1.post3-py2.py3-none-any.whl",
]


RESOLUTIONS = [
    '{"version": "1", "install": [{"download_info": {"url": "https://host/demo-1.0-py3-none-any.whl", "archive_info": '
    '{"hashes": {"sha256": "%s"}}}, "requested": true, "metadata": {"name": "demo", "version": "1.0"}}], '
    '"environment": {"python_version": "3.11"}}' % ("ab" * 32),
    "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'demo'\nversion = '1.0'\n"
    "marker = \"os_name == 'posix'\"\n"
    "[[packages.wheels]]\nurl = 'https://host/demo-1.0-py3-none-any.whl'\nhashes = {sha256 = '%s'}\n" % ("ab" * 32),
    "demo==1.0 ; python_version >= '3.8' \\\n    --hash=sha256:%s\n-r other.txt\n" % ("ab" * 32),
    "(python_version >= '3.8' and 'x' in extras) or sys_platform not in 'win32'",
    "https://user:word@host/a%%20b/demo-1.0-py3-none-any.whl#sha256=%s" % ("ab" * 32),
]


def record(files: dict[str, str]) -> str:
    """The RECORD of these files."""
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    return "".join(rows) + f"{DIST_INFO}/RECORD,,\n"


class Stream(io.RawIOBase):
    """A file that cannot seek, so that sizes follow the contents."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        """It is written to."""
        return True

    def write(self, data: bytes) -> int:
        """Appends."""
        self.written += data
        return len(data)


def archive(files: dict[str, str], method: int, streamed: bool = False, wide: bool = False, comment: int = 0) -> bytes:
    """A wheel of these files."""
    whole = {**files, f"{DIST_INFO}/RECORD": record(files)}
    target = Stream() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w") as zip_file:
        for path, text in whole.items():
            info = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr, info.create_system = method, 0o100644 << 16, 3
            with zip_file.open(info, "w", force_zip64=wide) as entry:
                entry.write(text.encode())
        zip_file.comment = b" " * comment
    return bytes(target.written) if isinstance(target, Stream) else target.getvalue()


def zstandard(files: dict[str, str]) -> bytes:
    """A wheel whose first file is a Zstandard frame of one raw block, which `zipfile` cannot write itself."""
    path, content = next((path, text.encode()) for path, text in files.items())
    frame = b"\x28\xb5\x2f\xfd\x20" + bytes([len(content)]) + struct.pack("<I", len(content) << 3 | 1)[:3] + content
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zip_file:
        for name, text in {**files, f"{DIST_INFO}/RECORD": record(files)}.items():
            zip_file.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), frame if name == path else text.encode())
    image = bytearray(target.getvalue())
    written = struct.pack("<III", zlib.crc32(frame), len(frame), len(frame))
    meant = struct.pack("<III", zlib.crc32(content), len(frame), len(content))
    at = image.find(written)
    while at >= 0:
        # The method stands six bytes before the CRC-32, in both headers.
        image[at - 6 : at - 4] = struct.pack("<H", 93)
        image[at : at + 12] = meant
        at = image.find(written)
    return bytes(image)


def wheels() -> list[bytes]:
    """Archives of every form."""
    images = [path.read_bytes() for path in sorted(TESTDATA.glob("*.whl"))]
    images += [archive(FILES, method, comment=comment) for method in (0, 8) for comment in range(0, 24, 5)]
    images += [archive(FILES, 8, streamed=True), archive(FILES, 8, wide=True), archive(FILES, 0, True, True)]
    return [*images, zstandard(FILES), archive({}, 0), archive(dict(list(FILES.items())[4:6]), 0)]


def journal() -> str:
    """The body of a journal; the target makes its first line."""
    root = {"path": "/venv", "inode": 7, "home": "/venv/lib", "stage": "stage-a", "trash": "trash-b"}
    kinds = [{"kind": kind, "root": 0, "path": "lib/a", "slot": "0"} for kind in ("out", "in", "removedir")]
    return json.dumps({"uid": 1, "roots": [root], "operations": kinds, "undoable": False})


def seeds() -> dict[str, list[bytes]]:
    """The seeds of each target."""
    images = wheels()
    texts = {"record": [*RECORDS, record(FILES)], "headers": HEADERS, "wheel_name": NAMES, "journal": [journal()]}
    texts["resolution"] = RESOLUTIONS
    texts["entry_points"] = [ENTRY_POINTS, "\ufeff[console_scripts]\n# no\n  a = b:c\n    .d\n"]
    found = {target: [text.encode() for text in values] for target, values in texts.items()}
    rests = (range(9), range(7, 90, 9), [0] * 6 + [3, 9, 2, 1])
    decisions = [bytes([count, *rest]) for count in range(6) for rest in rests]
    return {**found, "archive": images, "install": images, "forged": [b"", *decisions]}


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=pathlib.Path, default=HERE / "corpus")
    directory = parser.parse_args().directory
    for target, values in seeds().items():
        (directory / target).mkdir(parents=True, exist_ok=True)
        for value in values:
            (directory / target / hashlib.sha256(value).hexdigest()[:16]).write_bytes(value)
        print(f"{target}: {len(values)} seeds")


if __name__ == "__main__":
    main()
