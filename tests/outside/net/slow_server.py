"""Serve a directory of wheels as a server far away does: late, at a limited rate, and on order badly.

    python3 slow_server.py WHEELS [--delay-ms 50] [--rate 100] [--port 0] [--no-ranges] [--cut 0.1]

The first line on stdout is the address. Every answer comes DELAY milliseconds after its request, and every connection
brings at most RATE megabits a second (0: as fast as it can), in slices of 16 KiB. With `--no-ranges` every answer is the
whole file; with `--cut P` an answer is cut off at a random place, with that probability. HTTP/1.1, connections are kept
alive, ranges of one part, strong entity tags. `GET /stats` says as JSON how many requests there were of each path and
how many bytes of bodies were sent, `GET /stats/reset` begins to count anew; the same is printed when SIGTERM comes.
`breaks.py` and `errors.py` run a `Server` of their own, with a `Turn` for the paths that misbehave.
"""

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
class Turn:
    """How the requests of one path are answered, where that is not as it should be."""

    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: typing.Optional[bytes] = None
    # The connection ends after so many bytes of the body.
    cut: typing.Optional[int] = None


@dataclasses.dataclass
class Answered:
    """One answer: which bytes of the file it was to hold, and how many of them were sent."""

    path: str
    start: int
    end: int
    sent: int = 0


@dataclasses.dataclass
class Manner:
    """How the server behaves."""

    delay: float = 0.0
    bytes_per_second: float = 0.0
    ranges: bool = True
    cut: float = 0.0


class Server(http.server.ThreadingHTTPServer):
    """A server for a directory; `answered` is everything that it was asked for."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, directory: pathlib.Path, manner: Manner, port: int = 0, tls: typing.Optional[ssl.SSLContext] = None):
        super().__init__(("127.0.0.1", port), Handler)
        self.directory, self.manner = directory, manner
        self.answered: list[Answered] = []
        # For each path: says how the next request of it is answered; None: as it should be.
        self.turns: dict[str, typing.Callable[[], typing.Optional[Turn]]] = {}
        # After how many more bytes of all bodies the connection that brings the next one ends; None: not at all.
        self.cut_after: typing.Optional[int] = None
        self.cutting = threading.Lock()
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed are no news."""

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def url(self, name: str) -> str:
        return f"{self.address}/{urllib.parse.quote(name)}"

    def stats(self) -> dict[str, dict[str, int]]:
        """Requests and bytes of bodies, by path."""
        counts: dict[str, dict[str, int]] = {}
        for one in list(self.answered):
            count = counts.setdefault(one.path, {"requests": 0, "bytes": 0})
            count["requests"] += 1
            count["bytes"] += one.sent
        return counts


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    # When the connection has brought all that it may have brought so far.
    free_at = 0.0

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""

    def do_GET(self) -> None:
        path = urllib.parse.unquote(self.path).lstrip("/")
        if path in ("stats", "stats/reset"):
            body = json.dumps(self.server.stats()).encode()
            if path.endswith("reset"):
                self.server.answered.clear()
            self.head(200, len(body), {"Content-Type": "application/json"})
            self.wfile.write(body)
            return
        time.sleep(self.server.manner.delay)
        turn = self.server.turns.get(path, lambda: None)()
        file = self.server.directory / path
        if turn and (turn.body is not None or turn.status != 200):
            body = turn.body or b""
            self.server.answered.append(Answered(path, 0, len(body), len(body)))
            self.head(turn.status, len(body), turn.headers)
            self.wfile.write(body[: turn.cut])
            self.close_connection = turn.cut is not None
        elif "/" in path or not file.is_file():
            self.server.answered.append(Answered(path, 0, 0))
            self.head(404, 0, {})
        else:
            self.send_file(path, file, turn)

    def do_HEAD(self) -> None:
        file = self.server.directory / urllib.parse.unquote(self.path).lstrip("/")
        time.sleep(self.server.manner.delay)
        found = file.is_file()
        self.head(200 if found else 404, file.stat().st_size if found else 0, {"Accept-Ranges": "bytes"})

    def head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(length)} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def asked(self, size: int, tag: str) -> typing.Optional[tuple[int, int]]:
        """The range that is asked for, where one is."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not found or not self.server.manner.ranges or self.headers.get("If-Range", tag) != tag:
            return None
        first, last = found.groups()
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def send_file(self, path: str, file: pathlib.Path, turn: typing.Optional[Turn]) -> None:
        with file.open("rb") as content:
            stat = os.fstat(content.fileno())
            tag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
            asked = self.asked(stat.st_size, tag)
            start, end = asked or (0, stat.st_size)
            answered = Answered(path, start, end)
            self.server.answered.append(answered)
            if start >= end:
                self.head(416, 0, {"Content-Range": f"bytes */{stat.st_size}"})
                return
            headers = {"Content-Type": "application/octet-stream", "ETag": tag, "Accept-Ranges": "bytes"}
            if asked:
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.st_size}"
            self.head(206 if asked else 200, end - start, headers | (turn.headers if turn else {}))
            self.send_body(content, answered, self.cut(turn, end - start))

    def cut(self, turn: typing.Optional[Turn], length: int) -> typing.Optional[int]:
        """After how many bytes the connection ends; None: not at all."""
        if turn:
            return turn.cut
        return random.randrange(length) if random.random() < self.server.manner.cut else None

    def send_body(self, content: typing.BinaryIO, answered: Answered, cut: typing.Optional[int]) -> None:
        length = answered.end - answered.start
        rate = self.server.manner.bytes_per_second
        most = length if cut is None else min(cut, length)
        while answered.sent < most:
            # Who comes late may catch up a little: a thread does not wake to the microsecond.
            now = time.monotonic()
            self.free_at = max(self.free_at, now - 0.01)
            if self.free_at > now:
                time.sleep(self.free_at - now)
            count = min(SLICE if rate else 1 << 20, most - answered.sent)
            with self.server.cutting:
                left = self.server.cut_after
                if left is not None:
                    count = min(count, left)
                    self.server.cut_after = left - count if left > count else None
                    most = answered.sent + count if left == count else most
            count = self.give(content, answered.start + answered.sent, count)
            answered.sent += count
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=pathlib.Path, help="a directory of wheels")
    parser.add_argument("--delay-ms", type=float, default=50, help="how long each answer takes")
    parser.add_argument("--rate", type=float, default=100, help="megabits a second of each connection; 0: no limit")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0: anywhere")
    parser.add_argument("--no-ranges", action="store_true", help="always send the whole file")
    parser.add_argument("--cut", type=float, default=0, help="how probably an answer is cut off")
    said = parser.parse_args()
    manner = Manner(said.delay_ms / 1e3, said.rate * 1e6 / 8, not said.no_ranges, said.cut)
    server = Server(said.wheels, manner, said.port)

    def end(*_: object) -> None:
        print(json.dumps(server.stats(), indent=1), flush=True)
        # Threads that wait for a client are not waited for.
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(server.address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
