"""Serve a directory of wheels slowly, and badly if asked to.

    python3 tests/outside/lib/server.py WHEELS [--delay-ms 50] [--rate 100] [--port 0]
                                               [--no-ranges] [--cut 0.1]

The first line on stdout is the address. Each answer comes DELAY milliseconds after its request, and
each connection carries at most RATE megabits per second (0: no limit), in slices of 16 KiB. With
`--no-ranges` every answer is the whole file. With `--cut P` an answer is cut off at a random place
with that probability. The server speaks HTTP/1.1, keeps connections alive, answers single ranges
and sends strong entity tags. `GET /stats` returns the number of requests for each path and the
number of body bytes sent, as JSON; `GET /stats/reset` also sets the counts to zero. The counts are
printed after SIGTERM as well.

Scripts may also run a `Server` in their own process, with a `Reply` for paths that misbehave.
"""

from __future__ import annotations

import argparse
import dataclasses
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import sys
import threading
import time
import typing
import urllib.parse

SLICE = 1 << 14


@dataclasses.dataclass
class Reply:
    """A faulty answer to the requests for one path."""

    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    # The connection ends after this many bytes of the body.
    cut: int | None = None


@dataclasses.dataclass
class Transfer:
    """One answer: the range of the file that it covers, and the number of bytes sent."""

    path: str
    start: int
    end: int
    sent: int = 0


@dataclasses.dataclass
class Behaviour:
    """How the server treats all requests."""

    delay: float = 0.0
    bytes_per_second: float = 0.0
    ranges: bool = True
    cut: float = 0.0


def slow(delay_ms: float, megabits: float) -> Behaviour:
    """A late answer and a limited rate, in the units of the command line."""
    return Behaviour(delay_ms / 1e3, megabits * 1e6 / 8)


class Server(http.server.ThreadingHTTPServer):
    """A server for a directory; `transfers` lists everything it was asked for."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        directory: pathlib.Path,
        behaviour: Behaviour | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ):
        super().__init__(("127.0.0.1", port), Handler)
        self.directory, self.behaviour = directory, behaviour or Behaviour()
        self.transfers: list[Transfer] = []
        # Functions by path; each returns the next reply, or None for a normal one.
        self.replies: dict[str, typing.Callable[[], Reply | None]] = {}
        # The connection that sends this many more body bytes is cut off; None: none is.
        self.cut_after: int | None = None
        self.cutting = threading.Lock()
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Server:
        loop = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients are killed on purpose."""

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"{self.address}/{urllib.parse.quote(name)}"

    def stats(self) -> dict[str, dict[str, int]]:
        """The requests and the body bytes, by path."""
        counts: dict[str, dict[str, int]] = {}
        for transfer in list(self.transfers):
            count = counts.setdefault(transfer.path, {"requests": 0, "bytes": 0})
            count["requests"] += 1
            count["bytes"] += transfer.sent
        return counts


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    # The time at which the bytes sent so far are within the rate.
    free_at = 0.0

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        path = urllib.parse.unquote(self.path).lstrip("/")
        if path in ("stats", "stats/reset"):
            body = json.dumps(self.server.stats()).encode()
            if path.endswith("reset"):
                self.server.transfers.clear()
            self.head(200, len(body), {"Content-Type": "application/json"})
            self.wfile.write(body)
            return
        time.sleep(self.server.behaviour.delay)
        reply = self.server.replies.get(path, lambda: None)()
        file = self.server.directory / path
        if reply and (reply.body is not None or reply.status != 200):
            body = reply.body or b""
            self.server.transfers.append(Transfer(path, 0, len(body), len(body)))
            self.head(reply.status, len(body), reply.headers)
            self.wfile.write(body[: reply.cut])
            self.close_connection = reply.cut is not None
        elif "/" in path or not file.is_file():
            self.server.transfers.append(Transfer(path, 0, 0))
            self.head(404, 0, {})
        else:
            self.send_file(path, file, reply)

    def do_HEAD(self) -> None:
        file = self.server.directory / urllib.parse.unquote(self.path).lstrip("/")
        time.sleep(self.server.behaviour.delay)
        found = file.is_file()
        size = file.stat().st_size if found else 0
        self.head(200 if found else 404, size, {"Accept-Ranges": "bytes"})

    def head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def requested_range(self, size: int, tag: str) -> tuple[int, int] | None:
        """The range in the request; None for the whole file."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not found or not self.server.behaviour.ranges:
            return None
        if self.headers.get("If-Range", tag) != tag:
            return None
        first, last = found.groups()
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def send_file(self, path: str, file: pathlib.Path, reply: Reply | None) -> None:
        with file.open("rb") as content:
            stat = os.fstat(content.fileno())
            tag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
            asked = self.requested_range(stat.st_size, tag)
            start, end = asked or (0, stat.st_size)
            transfer = Transfer(path, start, end)
            self.server.transfers.append(transfer)
            if start >= end:
                self.head(416, 0, {"Content-Range": f"bytes */{stat.st_size}"})
                return
            headers = {"Content-Type": "application/octet-stream", "ETag": tag}
            headers["Accept-Ranges"] = "bytes"
            if asked:
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.st_size}"
            headers.update(reply.headers if reply else {})
            self.head(206 if asked else 200, end - start, headers)
            self.send_body(content, transfer, self.cut(reply, end - start))

    def cut(self, reply: Reply | None, length: int) -> int | None:
        """The number of bytes after which the connection ends; None: it does not."""
        if reply:
            return reply.cut
        unlucky = random.random() < self.server.behaviour.cut
        return random.randrange(length) if unlucky else None

    def send_body(self, content: typing.BinaryIO, transfer: Transfer, cut: int | None) -> None:
        length = transfer.end - transfer.start
        rate = self.server.behaviour.bytes_per_second
        most = length if cut is None else min(cut, length)
        while transfer.sent < most:
            # Threads do not wake up on time to the microsecond: let them catch up a little.
            now = time.monotonic()
            self.free_at = max(self.free_at, now - 0.01)
            if self.free_at > now:
                time.sleep(self.free_at - now)
            count = min(SLICE if rate else 1 << 20, most - transfer.sent)
            with self.server.cutting:
                left = self.server.cut_after
                if left is not None:
                    count = min(count, left)
                    self.server.cut_after = left - count if left > count else None
                    most = transfer.sent + count if left == count else most
            count = self.give(content, transfer.start + transfer.sent, count)
            transfer.sent += count
            self.free_at += count / rate if rate else 0
        if most < length:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_WR)

    def give(self, content: typing.BinaryIO, at: int, count: int) -> int:
        """Send some bytes of the file; return how many."""
        if isinstance(self.connection, ssl.SSLSocket):
            return self.connection.send(os.pread(content.fileno(), min(count, 1 << 20), at))
        return os.sendfile(self.connection.fileno(), content.fileno(), at, count)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add = parser.add_argument
    add("wheels", type=pathlib.Path, metavar="WHEELS", help="a directory of wheels")
    add("--delay-ms", type=float, default=50, help="the delay of each answer (default: 50)")
    add("--rate", type=float, default=100, help="megabits per second of each connection")
    add("--port", type=int, default=0, help="the port to listen on; 0: any free one")
    add("--no-ranges", action="store_true", help="always send the whole file")
    add("--cut", type=float, default=0, help="the probability that an answer is cut off")
    options = parser.parse_args()
    behaviour = slow(options.delay_ms, options.rate)
    behaviour.ranges, behaviour.cut = not options.no_ranges, options.cut
    server = Server(options.wheels, behaviour, options.port)

    def end(*_: object) -> None:
        print(json.dumps(server.stats(), indent=1), flush=True)
        # Do not wait for threads that wait for a client.
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(server.address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
