"""Join deflate streams of many compressors into one gzip member, and read it with many readers.

    python3 tests/outside/against/joined_streams.py [--zopfli PYTHON]

A wheel has contents of many kinds and lengths, each as the streams of Python's zlib (all levels,
strategies, windows and memory levels), Info-ZIP, Java and Node, if these are there, and of zopfli,
if the interpreter given by --zopfli has that module. `pack` makes a tar.gz of it. All readers have
to find the same archive in its only member: gzip, Python, Perl, Java and Node; and in the archive
every file has to have its content.

Prints what took part. Exit code 1: a reader finds something else.
"""

from __future__ import annotations

import gzip
import io
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import venv, wheels

# Each program reads `length, content` for each content, and writes `length, stream` for each way.
JAVA = """
import java.io.*; import java.nio.file.*; import java.util.zip.*;
public class Streams {
    public static void main(String[] a) throws Exception {
        if (a[0].equals("read")) {
            byte[] all = new GZIPInputStream(new FileInputStream(a[1])).readAllBytes();
            Files.write(Path.of(a[2]), all);
            return;
        }
        DataInputStream in = new DataInputStream(new FileInputStream(a[1]));
        DataOutputStream out = new DataOutputStream(new FileOutputStream(a[2]));
        while (in.available() > 0) {
            byte[] content = in.readNBytes(in.readInt());
            for (int level = 0; level < 10; level++) for (int strategy = 0; strategy < 3; strategy++) {
                Deflater d = new Deflater(level, true);
                d.setStrategy(strategy); d.setInput(content); d.finish();
                ByteArrayOutputStream made = new ByteArrayOutputStream();
                byte[] buffer = new byte[1 << 16];
                while (!d.finished()) made.write(buffer, 0, d.deflate(buffer));
                out.writeInt(made.size()); made.writeTo(out);
            }
        }
        out.close();
    }
}
"""
NODE = """
const fs = require('fs'), zlib = require('zlib'), [how, from, to] = process.argv.slice(2)
if (how == 'read') { fs.writeFileSync(to, zlib.gunzipSync(fs.readFileSync(from))); process.exit() }
const data = fs.readFileSync(from), out = []
for (let at = 0; at < data.length;) {
    const length = data.readUInt32BE(at), content = data.subarray(at + 4, at + 4 + length)
    at += 4 + length
    for (let level = 0; level < 10; level++) for (let strategy = 0; strategy < 5; strategy++) {
        const made = zlib.deflateRawSync(content, {level, strategy, windowBits: 9 + level % 7})
        const head = Buffer.alloc(4); head.writeUInt32BE(made.length); out.push(head, made)
    }
}
fs.writeFileSync(to, Buffer.concat(out))
"""
ZOPFLI = """
import struct, sys, zopfli.zlib
data, out, at = open(sys.argv[2], 'rb').read(), open(sys.argv[3], 'wb'), 0
while at < len(data):
    n, = struct.unpack_from('>I', data, at)
    made = zopfli.zlib.compress(data[at + 4 : at + 4 + n])[2:-4]
    at += 4 + n
    out.write(struct.pack('>I', len(made)) + made)
"""
PERL = "use IO::Uncompress::Gunzip qw(gunzip); gunzip($ARGV[0] => $ARGV[1], MultiStream => 0) or die"


def contents():
    """Contents of many kinds; short ones of each length, so that streams end at every bit."""
    chance = random.Random(1)
    words = [chance.randbytes(chance.randrange(1, 9)) for _ in range(300)]
    text = b"".join(chance.choice(words) for _ in range(40_000))
    made = [b"", b"\0", bytes(70_000), chance.randbytes(70_000), text]
    return made + [text[length : 4 * length] for length in range(1, 60)]


def of_zlib(content):
    """The streams of Python's zlib."""
    for level in range(10):
        for strategy in range(5):
            for window, memory in ((9, 1), (15, 8), (12, 9)):
                packer = zlib.compressobj(level, zlib.DEFLATED, -window, memory, strategy)
                yield packer.compress(content) + packer.flush()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    flushes = [zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_BLOCK]
    pieces = [content[at : at + 99] for at in range(0, len(content), 99)]
    made = (packer.compress(piece) + packer.flush(flushes[at % 4]) for at, piece in enumerate(pieces))
    yield b"".join(made) + packer.flush()


def of_program(command, given, scratch):
    """The streams of a program, for each content as many."""
    source, target = scratch / "contents", scratch / "streams"
    source.write_bytes(b"".join(struct.pack(">I", len(one)) + one for one in given))
    venv.must([*command, "write", source, target])
    data, streams, at = target.read_bytes(), [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        streams.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    each = len(streams) // len(given)
    return [(content, streams[number * each + way]) for number, content in enumerate(given) for way in range(each)]


def of_zip(given, scratch):
    """The streams of Info-ZIP."""
    found = []
    for level in range(1, 10):
        for number, content in enumerate(given):
            (scratch / "content").write_bytes(content)
            done = subprocess.run(["zip", f"-{level}", "-q", "-X", "-", "content"], cwd=scratch,
                                  capture_output=True, check=True, stdin=subprocess.DEVNULL)
            (info,) = zipfile.ZipFile(io.BytesIO(done.stdout)).infolist()
            if info.compress_type == zipfile.ZIP_DEFLATED:
                begin = info.header_offset + 30 + sum(struct.unpack_from("<HH", done.stdout, info.header_offset + 26))
                found.append((content, done.stdout[begin : begin + info.compress_size]))
    return found


def main():
    parser = venv.new_parser(__doc__)
    parser.add_argument("--zopfli", metavar="PYTHON", help="an interpreter with zopfli")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    given = contents()
    with venv.scratch_directory("streams") as scratch:
        producers = {"zlib": [(content, stream) for content in given for stream in of_zlib(content)]}
        readers = {"gzip": None, "Python": None}
        if shutil.which("zip"):
            producers["Info-ZIP"] = of_zip(given, scratch)
        if shutil.which("node"):
            (scratch / "streams.js").write_text(NODE)
            readers["Node"] = ["node", scratch / "streams.js"]
        if shutil.which("javac"):
            (scratch / "Streams.java").write_text(JAVA)
            venv.must(["javac", "-d", scratch, scratch / "Streams.java"])
            readers["Java"] = ["java", "-cp", scratch, "Streams"]
        for name in ("Node", "Java"):
            if name in readers:
                producers[name] = of_program(readers[name], given, scratch)
        if options.zopfli:
            producers["zopfli"] = of_program([options.zopfli, "-c", ZOPFLI], given, scratch)
        wheel = wheels.Wheel("streams")
        for name, streams in producers.items():
            for number, (content, stream) in enumerate(streams):
                entry = wheel.file(f"streams/{name}/{number}", content)
                entry.body = stream
                entry.both(packed=len(stream))
        wheel.write(scratch)
        artefact, plain = scratch / "streams.tar.gz", scratch / "plain"
        command = [binary, "pack", scratch / wheel.file_name, "--output", artefact, "--python", sys.executable]
        venv.must([*command, "--no-compat-check", "-q"])
        found = {"Python": gzip.decompress(artefact.read_bytes())}
        found["gzip"] = subprocess.run(["gzip", "-dc", artefact], capture_output=True, check=True).stdout
        for name in ("Node", "Java"):
            if name in readers:
                venv.must([*readers[name], "read", artefact, plain])
                found[name] = plain.read_bytes()
        if shutil.which("perl"):
            venv.must(["perl", "-e", PERL, artefact, plain])
            found["Perl"] = plain.read_bytes()
        member = zlib.decompressobj(31)
        found["zlib, first member"] = member.decompress(artefact.read_bytes())
        failed = bool(member.unused_data)
        for name, content in found.items():
            if content != found["Python"]:
                print(f"{name} reads {len(content)} bytes, Python {len(found['Python'])}")
                failed = True
        with tarfile.open(fileobj=io.BytesIO(found["Python"])) as tar:
            for name, streams in producers.items():
                for number, (content, _) in enumerate(streams):
                    path = f"lib/{venv.PYTHON}/site-packages/streams/{name}/{number}"
                    if tar.extractfile(path).read() != content:
                        print(f"{path} has another content")
                        failed = True
        counts = ", ".join(f"{len(streams)} of {name}" for name, streams in producers.items())
        print(f"streams: {counts}; readers: {', '.join(found)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
