"""Build wheels byte by byte, valid ones and malformed ones.

A `Wheel` is valid until a caller changes it: METADATA, WHEEL and RECORD are added when it is
written. An `Entry` keeps its contents apart from what each of its two headers says about them, so
that any field can be made wrong. Nothing is checked. The same calls always make the same bytes.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import pathlib
import struct
import zlib

STORED, DEFLATE, ZSTANDARD = 0, 8, 93
FILE, EXECUTABLE, LINK, PIPE = 0o100644, 0o100755, 0o120777, 0o010644
DESCRIPTOR, ENCRYPTED, UTF8 = 1 << 3, 1, 1 << 11
# A 16-bit or 32-bit field with this value refers to zip64.
FULL16, FULL = 0xFFFF, 0xFFFFFFFF
END = b"PK\x05\x06"
TAG = "py3-none-any"


def deflate(content: bytes, level: int = -1) -> bytes:
    """A raw deflate stream."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """The digest as RECORD writes it."""
    made = hashlib.new(algorithm, content).digest()
    encoded = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
    return f"{algorithm}={encoded}"


def row(path: str, content: bytes) -> str:
    """The line of RECORD for one file."""
    quoted = '"{}"'.format(path.replace('"', '""')) if set(path) & set('",\r\n') else path
    return f"{quoted},{digest(content)},{len(content)}\n"


def zip64(*numbers: int) -> bytes:
    """A zip64 extra field."""
    return struct.pack("<HH", 1, 8 * len(numbers)) + struct.pack(f"<{len(numbers)}Q", *numbers)


@dataclasses.dataclass
class Header:
    """The fields that the local header and the central directory have in common."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    extra: bytes = b""
    version: int = 20

    def pack(self) -> bytes:
        """The fields as bytes, dated 2020-01-01, without the name and the extra fields."""
        numbers = (self.version, self.flags, self.method, 0, 0x5021)
        sizes = (self.crc, self.packed, self.size, len(self.name), len(self.extra))
        return struct.pack("<HHHHHLLLHH", *numbers, *sizes)


class Entry:
    """One entry of an archive.

    `offset` overrides the position that the central directory states. `listed` and `present` say
    whether the central directory lists the entry and whether its local header is written.
    """

    def __init__(
        self,
        name: str | bytes,
        content: bytes,
        mode: int = FILE,
        method: int = DEFLATE,
        level: int = -1,
    ):
        raw = name if isinstance(name, bytes) else name.encode()
        self.content = content
        self.body = deflate(content, level) if method == DEFLATE else content
        flags = UTF8 if isinstance(name, str) and not name.isascii() else 0
        crc = zlib.crc32(content)
        self.local = Header(raw, flags, method, crc, len(self.body), len(content))
        self.central = dataclasses.replace(self.local)
        self.attributes = mode << 16
        self.gap = self.descriptor = self.comment = b""
        self.disk = 0
        self.offset: int | None = None
        self.listed = self.present = True

    def both(self, **fields) -> None:
        """Set fields of both headers."""
        for header in (self.local, self.central):
            for name, value in fields.items():
                setattr(header, name, value)

    def describe(self) -> None:
        """Move the CRC and the sizes into a data descriptor behind the content."""
        self.both(flags=self.local.flags | DESCRIPTOR)
        local = self.local
        wide = local.size == FULL
        if wide:
            self.descriptor = struct.pack(
                "<LLQQ", 0x08074B50, local.crc, len(self.body), len(self.content)
            )
            local.extra = zip64(0, 0)
            local.crc = 0
        else:
            numbers = (0x08074B50, local.crc, local.packed, local.size)
            self.descriptor = struct.pack("<LLLL", *numbers)
            local.crc = local.packed = local.size = 0

    def widen(self) -> None:
        """Move the sizes in both headers into zip64 fields."""
        extra = zip64(self.local.size, self.local.packed)
        self.both(size=FULL, packed=FULL, extra=extra)

    def widen_local(self) -> None:
        """Move the sizes in the local header into a zip64 field, as writers of streams do."""
        self.local.extra = zip64(self.local.size, self.local.packed)
        self.local.size = self.local.packed = FULL
        self.both(version=45)

    def local_bytes(self) -> bytes:
        """The local header, the content, and the data descriptor if there is one."""
        header = b"PK\x03\x04" + self.local.pack() + self.local.name + self.local.extra
        return header + self.body + self.descriptor

    def central_bytes(self, offset: int) -> bytes:
        """The entry's line in the central directory; `offset` is that of its local header."""
        central, offset = self.central, offset if self.offset is None else self.offset
        made_by = struct.pack("<BB", max(20, central.version), 3)
        numbers = (len(self.comment), self.disk, 0, self.attributes, offset)
        tail = struct.pack("<HHHLL", *numbers) + central.name + central.extra + self.comment
        return b"PK\x01\x02" + made_by + central.pack() + tail


class Wheel:
    """A wheel without files; its archive is written by `bytes` or `write`.

    - `entries`: the files, without METADATA, WHEEL and RECORD;
    - `metadata`, `wheel`: the texts of those two files; None leaves the file out;
    - `record`: the text of RECORD; None leaves it out, b"" is replaced by the correct one;
    - `rows`: overrides lines of the correct RECORD, by path; None leaves the line out;
    - `lines`: more lines of the correct RECORD;
    - `prefix`, `gap`, `suffix`, `comment`: bytes before the first entry, before the end records,
      behind them, and in the end record;
    - `end`, `wide`: override numbers of the end record and of the zip64 end record, which is
      written if `wide` is not None or the entries need one.
    """

    def __init__(
        self,
        name: str,
        version: str = "1.0",
        tag: str = TAG,
        generator: str = "tests",
        method: int = DEFLATE,
        level: int = -1,
    ):
        self.name, self.version = name, version
        self.stem = "{}-{}".format(name.replace("-", "_"), version)
        self.file_name = f"{self.stem}-{tag}.whl"
        self.dist_info = self.stem + ".dist-info"
        self.data = self.stem + ".data"
        self.method, self.level = method, level
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        self.metadata: bytes | None = head.encode()
        head = f"Wheel-Version: 1.0\nGenerator: {generator}\nRoot-Is-Purelib: true\nTag: {tag}\n"
        self.wheel: bytes | None = head.encode()
        self.entries: list[Entry] = []
        self.rows: dict[str, str | None] = {}
        self.lines = ""
        self.record: bytes | None = b""
        self.prefix = self.suffix = self.comment = self.gap = b""
        self.end: dict[str, int] = {}
        self.wide: dict[str, int] | None = None

    def file(
        self,
        name: str | bytes,
        content: str | bytes = b"evil = 1\n",
        mode: int = FILE,
        method: int | None = None,
    ) -> Entry:
        """Add a file; return its entry."""
        content = content.encode() if isinstance(content, str) else content
        method = self.method if method is None else method
        entry = Entry(name, content, mode, method, self.level)
        self.entries.append(entry)
        return entry

    def files(self, files: dict) -> Wheel:
        """Add files by path; return the wheel."""
        for path, content in files.items():
            self.file(path, content)
        return self

    def meta(self, name: str, content: str | bytes) -> Entry:
        """Add a file to the dist-info directory."""
        return self.file(f"{self.dist_info}/{name}", content)

    def scripts(self, text: str) -> Wheel:
        """Add console scripts, one `name = module:function` on each line; return the wheel."""
        self.meta("entry_points.txt", "[console_scripts]\n" + text)
        return self

    def seal(self) -> list[Entry]:
        """All entries, including METADATA, WHEEL and RECORD."""
        entries = list(self.entries)
        for name, content in (("METADATA", self.metadata), ("WHEEL", self.wheel)):
            if content is not None:
                entries.append(self._own_entry(name, content))
        if self.record is not None:
            entries.append(self._own_entry("RECORD", self.record or self.record_text(entries)))
        return entries

    def _own_entry(self, name: str, content: bytes) -> Entry:
        path = f"{self.dist_info}/{name}"
        return Entry(path, content, method=self.method, level=self.level)

    def record_text(self, entries: list[Entry]) -> bytes:
        """RECORD for these entries, with its own line."""
        rows = dict.fromkeys(self._row(entry) for entry in entries if entry.listed)
        own = self.dist_info + "/RECORD"
        own = self.rows.get(own, own + ",,\n")
        return ("".join(rows) + self.lines + (own or "")).encode("utf-8", "surrogateescape")

    def _row(self, entry: Entry) -> str:
        name = entry.central.name.decode("utf-8", "surrogateescape")
        if name in self.rows:
            return self.rows[name] or ""
        return "" if name.endswith("/") else row(name, entry.content)

    def bytes(self) -> bytes:
        """The archive."""
        return self.pack(self.seal())

    def pack(self, entries: list[Entry]) -> bytes:
        """An archive of exactly these entries."""
        out, lines, count = bytearray(self.prefix), bytearray(), 0
        for entry in entries:
            begin = len(out) + len(entry.gap)
            if entry.present:
                out += entry.gap + entry.local_bytes()
            if entry.listed:
                count += 1
                lines += entry.central_bytes(begin)
        start = len(out)
        return bytes(out + lines + self.gap + self.ends(count, len(lines), start) + self.suffix)

    def ends(self, count: int, size: int, offset: int) -> bytes:
        """The end records."""
        wide = self.wide
        if wide is None and (count >= FULL16 or size >= FULL or offset >= FULL):
            wide = {}
        low = min(count, FULL16)
        numbers = {"disk": 0, "here": low, "count": low}
        numbers.update(size=min(size, FULL), offset=min(offset, FULL))
        numbers.update(self.end)
        rest = [numbers[name] for name in ("here", "count", "size", "offset")]
        end = END + struct.pack("<HHHHLL", numbers["disk"], 0, *rest)
        end += struct.pack("<H", len(self.comment)) + self.comment
        if wide is None:
            return end
        locator = offset + size + len(self.gap)
        stated = {"count": count, "size": size, "offset": offset, "locator": locator, **wide}
        counts = (stated["count"], stated["count"], stated["size"], stated["offset"])
        record64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, *counts)
        return record64 + b"PK\x06\x07" + struct.pack("<LQL", 0, stated["locator"], 1) + end

    def write(self, directory: pathlib.Path) -> pathlib.Path:
        """Write the wheel into a directory, which is created if it is missing; return its path."""
        path = pathlib.Path(directory, self.file_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.bytes())
        return path


def project(
    name: str,
    version: str,
    files: dict,
    scripts: tuple | list = (),
    data: dict | None = None,
    headers: dict | None = None,
) -> Wheel:
    """A valid wheel; scripts are `name = module:function`."""
    wheel = Wheel(name, version).files(files)
    wheel.files({f"{wheel.data}/data/{path}": text for path, text in (data or {}).items()})
    wheel.files({f"{wheel.data}/headers/{path}": text for path, text in (headers or {}).items()})
    return wheel.scripts("\n".join(scripts) + "\n") if scripts else wheel


def module_text(name: str, version: str, salt: int = 0, lines: int = 4) -> str:
    """A small module that states its project and version."""
    body = "\n".join(f"x{line} = {salt * 1000 + line}  # {name} {version}" for line in range(lines))
    return f'project = "{name}"\nversion = "{version}"\n{body}\n'


def lock_text(name: str, version: str, url: str, size: int, sha256: str) -> str:
    """A lock file (pylock.toml) that pins one wheel."""
    wheel = f'{{ url = "{url}", size = {size}, hashes = {{ sha256 = "{sha256}" }} }}'
    head = 'lock-version = "1.0"\ncreated-by = "tests"\n'
    return f'{head}[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{wheel}]\n'
