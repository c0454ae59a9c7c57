"""Compress the entries of a wheel as far as deflate allows.

    python release/recompress.py WHEEL

Needs the package zopfli. Names, times, modes and contents stay, so that RECORD holds; an entry keeps its old
data if that is not longer. The same wheel always becomes the same bytes. Prints both sizes.
"""

from __future__ import annotations

import os
import pathlib
import struct
import sys
import zipfile

import zopfli.zlib

# More than this many rounds bring less than a thousandth.
ROUNDS = 15
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def deflated(content: bytes) -> bytes:
    """A raw deflate stream."""
    # Without the header and the checksum of zlib's format.
    return zopfli.zlib.compress(content, numiterations=ROUNDS)[2:-4]


def packed(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The compressed data of an entry."""
    file = archive.fp
    file.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, os.SEEK_CUR)
    old = file.read(info.compress_size)
    if info.compress_type != zipfile.ZIP_DEFLATED:
        return old
    new = deflated(archive.read(info))
    return new if len(new) < len(old) else old


def recompressed(path: pathlib.Path) -> bytes:
    """The wheel anew."""
    body, directory = bytearray(), bytearray()
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for info in entries:
            data, name = packed(archive, info), info.orig_filename.encode()
            year, month, day, hour, minute, second = info.date_time
            date = (year - 1980) << 9 | month << 5 | day
            time = hour << 11 | minute << 5 | second // 2
            # No data descriptor: the sizes are known.
            flags = info.flag_bits & ~0x08
            shared = (flags, info.compress_type, time, date, info.CRC, len(data), info.file_size)
            fields = struct.pack("<HHHHLLLHH", *shared, len(name), 0)
            made = struct.pack("<BB", info.create_version, info.create_system)
            offset = len(body)
            body += LOCAL + struct.pack("<H", 20) + fields + name + data
            rest = struct.pack("<HHHLL", 0, 0, info.internal_attr, info.external_attr, offset)
            directory += CENTRAL + made + struct.pack("<H", 20) + fields + rest + name
    count = len(entries)
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + END + end)


def main() -> int:
    """Replace a wheel by a smaller one."""
    path = pathlib.Path(sys.argv[1])
    old = path.stat().st_size
    content = recompressed(path)
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    print(f"{path.name}: {old} bytes, now {len(content)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
