"""An index that answers from memory: a recording, or projects that are made up; it counts and delays.

`/simple/` is the index with metadata files (PEP 658), `/plain/` the same one without them, so that
parts of wheels are asked for. `take_log()` gives the counts since the last call.
"""

import collections
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import ssl
import threading
import time
import urllib.parse
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"
FOR_EVER = "max-age=365000000, immutable, public"


class Recording:
    """A directory with the pages and metadata files of an index, by the digest of their path.

    With `upstream`, the address of an index, what is missing is fetched from there, once.
    """

    def __init__(self, directory, upstream=None):
        self.directory, self.upstream = Path(directory), upstream
        self.memory, self.lock, self.hosts = {}, threading.Lock(), {}

    def page(self, name):
        body = self._get("simple", f"{name}/", self.upstream and f"{self.upstream}{name}/", JSON)
        return body and json.loads(body)

    def metadata(self, link):
        path = urllib.parse.urlsplit(link).path.lstrip("/")
        return self._get("files", path + ".metadata", self.upstream and link + ".metadata", "*/*")

    def _get(self, part, path, address, accept):
        place = self.directory / part / hashlib.sha256(path.encode()).hexdigest()[:24]
        with self.lock:
            if place in self.memory:
                return self.memory[place]
        if place.exists():
            body = gzip.decompress(place.read_bytes())
        elif address:
            body = fetch(address, accept)
            if body is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(gzip.compress(body, 5))
        else:
            body = None
        with self.lock:
            self.memory[place] = body
        return body


def fetch(address, accept):
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=ssl.create_default_context())
    connection.request("GET", parts.path, headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    return body if answer.status == 200 else None


class MadeUp:
    """Projects that are made up. `projects` maps names to {version: [requirements]}."""

    def __init__(self, projects, files_per_version=3):
        self.projects, self.files = projects, files_per_version

    def page(self, name):
        versions = self.projects.get(name)
        if versions is None:
            return None
        files = []
        for version in versions:
            tags = ["py3-none-any"] + [f"cp3{minor}-cp3{minor}-manylinux_2_17_s390x" for minor in range(8, 8 + self.files - 1)]
            for tag in tags:
                file_name = f"{name.replace('-', '_')}-{version}-{tag}.whl"
                digest = hashlib.sha256(file_name.encode()).hexdigest()
                files.append({"filename": file_name, "url": f"https://files.example/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file_name}",
                              "hashes": {"sha256": digest}, "size": 12345, "requires-python": ">=3.8", "yanked": False, "upload-time": "2026-01-01T00:00:00.000000Z"})
        return {"meta": {"api-version": "1.1"}, "name": name, "files": files}

    def metadata(self, link):
        name, version = link.rsplit("/", 1)[1].split("-")[:2]
        requirements = self.projects.get(name.replace("_", "-"), {}).get(version)
        if requirements is None:
            return None
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requirements)]
        return ("\n".join(lines) + "\n\n" + "A description of some length.\n" * 100).encode()


class Holes(io.FileIO):
    """A file in which zeros take no room."""

    def write(self, content):
        if len(content) < 4096 or any(content):
            return super().write(content)
        self.seek(len(content), os.SEEK_CUR)
        return len(content)


class LongWheel:
    """A wheel of any length with METADATA at its end; before it is one file full of zeros."""

    def __init__(self, name, metadata, size):
        zeros = 0
        # Once to see how long the rest is, and once at the full length.
        for _ in range(2):
            self.file = Holes(os.memfd_create("wheel"), "w+")
            with zipfile.ZipFile(self.file, "w") as archive:
                with archive.open("filler", "w") as filler:
                    for _ in range(zeros >> 20):
                        filler.write(bytes(1 << 20))
                    filler.write(bytes(zeros % (1 << 20)))
                archive.writestr(f"{name}.dist-info/METADATA", metadata)
                archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            zeros = max(size - len(self), 0)

    def __len__(self):
        return os.fstat(self.file.fileno()).st_size

    def __getitem__(self, part):
        return os.pread(self.file.fileno(), part.stop - part.start, part.start)


class IndexServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, source, delay=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.source, self.delay = source, delay
        self.lock, self.log, self.pages, self.packed, self.wheels, self.links, self.sizes = threading.Lock(), [], {}, {}, {}, {}, {}
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Tools break connections off when they have what they need."""

    def page(self, kind, name):
        """The body of a page, whose links lead to this server."""
        if (kind, name) not in self.pages:
            data = self.source.page(name)
            for file in data["files"] if data else ():
                for key in ("core-metadata", "data-dist-info-metadata"):
                    file.pop(key, None)
                path = urllib.parse.urlsplit(file["url"]).path
                # A made-up wheel holds its METADATA uncompressed, so it may be longer than a small real one.
                self.links[path], self.sizes[path] = file["url"], min(max(file.get("size") or 0, 1 << 17), 1 << 24)
                file["url"] = f"{self.base}/files{path}"
                if kind == "simple" and file["filename"].endswith(".whl"):
                    file["core-metadata"] = True
                if kind == "plain":
                    # The wheels are made up, and long ones would take long to make.
                    file["hashes"], file["size"] = {}, self.sizes[path]
            self.pages[kind, name] = data and json.dumps(data, separators=(",", ":")).encode()
        return self.pages[kind, name]

    def metadata(self, path):
        return self.source.metadata(self.links.get(path, path))

    def wheel(self, path):
        """A wheel that is as long as the page says, up to 16 MiB."""
        if path not in self.wheels:
            metadata = self.metadata(path)
            name = "-".join(path.rsplit("/", 1)[1].split("-")[:2])
            self.wheels[path] = metadata and LongWheel(name, metadata, self.sizes.get(path, 0))
        return self.wheels[path]

    def gzipped(self, body):
        key = hashlib.sha256(body).digest()
        if key not in self.packed:
            self.packed[key] = gzip.compress(body, 5)
        return self.packed[key]

    def take_log(self):
        with self.lock:
            log, self.log = self.log, []
        again = collections.Counter((one["path"], one["range"]) for one in log)
        return {"requests": len(log), "bytes": sum(one["bytes"] for one in log), "chain": chain(log),
                "twice": sum(count - 1 for count in again.values()), "missing": [one["path"] for one in log if one["status"] == 404],
                "log": rendered(log)}


def chain(log):
    """The length of the longest row of requests of which each begins after the one before has ended; marks its members."""
    length, last = 0, -1.0
    for one in sorted(log, key=lambda one: one["end"]):
        if one["begin"] >= last:
            length, last, one["in chain"] = length + 1, one["end"], True
    return length


def rendered(log):
    """A line for each request: when it began and ended, in milliseconds after the first one, and a star if it is in the chain."""
    first = min((one["begin"] for one in log), default=0)
    times = lambda one: f"{1000 * (one['begin'] - first):8.1f} {1000 * (one['end'] - first):8.1f}"
    line = lambda one: f"{times(one)} {'*' if 'in chain' in one else ' '} {one['status']} {one['bytes']:8} {one['path']} {one['range']}\n"
    return "".join(map(line, sorted(log, key=lambda one: one["begin"])))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        begin = time.monotonic()
        status, body, headers = self.answer()
        etag = headers.get("ETag")
        if status == 200 and etag and self.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        if "gzip" in self.headers.get("Accept-Encoding", "") and status == 200 and len(body) > 1000 and "Accept-Ranges" not in headers:
            body, headers = self.server.gzipped(body), headers | {"Content-Encoding": "gzip"}
        if self.server.delay:
            time.sleep(max(0, self.server.delay - (time.monotonic() - begin)))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = b"" if self.command == "HEAD" else body
        self.wfile.write(sent)
        self.wfile.flush()
        with self.server.lock:
            self.server.log.append({"begin": begin, "end": time.monotonic(), "path": self.path, "status": status, "bytes": len(sent),
                                    "range": f"{self.command} {self.headers.get('Range')}"})

    def answer(self):
        server, path = self.server, self.path.split("?")[0]
        if match := re.fullmatch(r"/(simple|plain)/([^/]+)/", path):
            body = server.page(match[1], match[2])
            if body is None:
                return 404, b"", {}
            return 200, body, {"Content-Type": JSON, "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": "max-age=600, public"}
        path = urllib.parse.unquote(path).removeprefix("/files")
        if path.endswith(".metadata"):
            body = server.metadata(path.removesuffix(".metadata"))
            return (404, b"", {}) if body is None else (200, body, {"Content-Type": "text/plain", "Cache-Control": FOR_EVER})
        body = server.wheel(path)
        if body is None:
            return 404, b"", {}
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "Cache-Control": FOR_EVER, "ETag": f'"{hashlib.sha256(path.encode()).hexdigest()[:32]}"'}
        if match := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
            first, last = match[1], match[2]
            start = int(first) if first else max(len(body) - int(last), 0)
            end = min(int(last) + 1 if first and last else len(body), len(body))
            return 206, body[start:end], headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
        return 200, body[0:len(body)], headers
