"""Install from servers that misbehave in 55 ways, alone and in pairs.

    python3 tests/outside/net/odd_servers.py [--pairs N] [--only NAME] [--seed N] [--at-once N]

Each way changes the answers of a server that has a wheel. A command has to install the wheel as it
is, or to end with code 1 or 3 and an error that says why; within 20 seconds, without a panic, and
without sending one request six times. With one way alone it is known which of the two it must be. In
pairs the second way changes the answers of the first. `--pairs N` tries N random pairs (default:
60; 0: none; -1: all 2970, which takes an hour). `--only A --only B` tries A and B and their pairs.

Prints a line for each failure and the slowest cases. Exit code 1: something failed.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import gzip
import hashlib
import itertools
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import threading
import time
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv
from lib.wheels import project

NAME = "demo-1.0-py3-none-any.whl"
LONGEST = 20.0


@dataclasses.dataclass
class Request:
    """What was asked for; `number` counts the requests of one server from 1."""

    path: str
    headers: dict[str, str]
    number: int

    def range(self, total: int) -> tuple[int, int] | None:
        """The first byte and the end of the wanted range."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if not found:
            return None
        first, last = found.groups()
        if not first:
            return max(0, total - int(last)), total
        return int(first), min(total, int(last) + 1 if last else total)


@dataclasses.dataclass
class Answer:
    """What the server sends."""

    status: int
    headers: dict[str, str]
    body: bytes
    # Without a length the body ends in a chunk of no bytes, or with the connection.
    length: typing.Literal["stated", "chunked", "closed"] = "stated"
    cut: int | None = None
    pause: float = 0.0
    # Nothing more comes after so many bytes.
    stall: int | None = None
    # The body comes in so many pieces, with two seconds between them.
    pieces: int = 1
    raw: bytes | None = None


Way = typing.Callable[[Request, Answer, bytes], Answer]


def good(request: Request, wheel: bytes) -> Answer:
    """The answer of a server that does everything right."""
    headers = {"ETag": '"one"', "Content-Type": "application/octet-stream"}
    part = request.range(len(wheel))
    if not part:
        return Answer(200, headers, wheel)
    headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{len(wheel)}"
    return Answer(206, headers, wheel[part[0] : part[1]])


def empty(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"")


def to_ranges(status: int) -> Way:
    """This status for requests with `Range`."""
    return lambda request, answer, wheel: (
        empty(status) if "range" in request.headers else answer
    )


def at_first(count: int, status: int, **headers: str) -> Way:
    """This status for the first requests."""
    return lambda request, answer, wheel: (
        empty(status, **headers) if request.number <= count else answer
    )


def always(status: int, **headers: str) -> Way:
    return lambda request, answer, wheel: empty(status, **headers)


def later_ranges(request: Request, answer: Answer, wheel: bytes) -> Answer:
    asked = request.headers.get("range", "")
    return empty(403) if asked and not asked.startswith("bytes=-") else answer


def no_ranges(request: Request, answer: Answer, wheel: bytes) -> Answer:
    return Answer(200, {"ETag": '"one"'}, wheel) if answer.status == 206 else answer


def content_range(change: typing.Callable[[str], str | None]) -> Way:
    """Another `Content-Range`, or none."""

    def way(request: Request, answer: Answer, wheel: bytes) -> Answer:
        if "Content-Range" in answer.headers:
            value = change(answer.headers.pop("Content-Range"))
            answer.headers.update({"Content-Range": value} if value else {})
        return answer

    return way


def beginning(request: Request, answer: Answer, wheel: bytes) -> Answer:
    if answer.status == 206 and request.headers.get("range", "").startswith("bytes=-"):
        count = len(answer.body)
        answer.body = wheel[:count]
        answer.headers["Content-Range"] = f"bytes 0-{count - 1}/{len(wheel)}"
    return answer


def multipart(request: Request, answer: Answer, wheel: bytes) -> Answer:
    if answer.status == 206:
        part = answer.headers.pop("Content-Range", "")
        head = f"--B\r\nContent-Range: {part}\r\n\r\n".encode()
        answer.body = head + answer.body + b"\r\n--B--\r\n"
        answer.headers["Content-Type"] = "multipart/byteranges; boundary=B"
    return answer


def half_range(request: Request, answer: Answer, wheel: bytes) -> Answer:
    part = request.range(len(wheel))
    if answer.status == 206 and part and not request.headers["range"].startswith("bytes=-"):
        end = part[0] + max(1, (part[1] - part[0]) // 2)
        answer.body = wheel[part[0] : end]
        answer.headers["Content-Range"] = f"bytes {part[0]}-{end - 1}/{len(wheel)}"
    return answer


def longer_range(request: Request, answer: Answer, wheel: bytes) -> Answer:
    if answer.status == 206:
        answer.body, answer.length = answer.body + b"more", "chunked"
    return answer


def header(name: str, value: str) -> Way:
    def way(request: Request, answer: Answer, wheel: bytes) -> Answer:
        answer.headers[name] = value
        return answer

    return way


def changing_tag(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.headers["ETag"] = f'W/"{request.number}"'
    return answer


def compressed(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.headers["Content-Encoding"] = "gzip"
    answer.body = gzip.compress(answer.body, 1)
    return answer


def status_203(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.status = 203 if answer.status == 200 else answer.status
    return answer


def length(kind: typing.Literal["chunked", "closed"]) -> Way:
    def way(request: Request, answer: Answer, wheel: bytes) -> Answer:
        answer.length = kind
        return answer

    return way


def cut_at_first(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.cut = len(answer.body) * 6 // 10 if request.number == 1 else answer.cut
    return answer


def cut_always(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.cut = max(1, len(answer.body) // 4) if len(answer.body) > 100 else None
    return answer


def late(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.pause += 0.3
    return answer


def page(request: Request, answer: Answer, wheel: bytes) -> Answer:
    return Answer(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Log in</title>")


def other_bytes(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.body = answer.body[:4] + bytes(byte ^ 0x55 for byte in answer.body[4:])
    return answer


def no_bytes(request: Request, answer: Answer, wheel: bytes) -> Answer:
    return Answer(200, {}, b"")


def raw(answer_bytes: bytes) -> Way:
    def way(request: Request, answer: Answer, wheel: bytes) -> Answer:
        answer.raw = answer_bytes
        return answer

    return way


def redirect(to: str, more: Way | None = None) -> Way:
    """A redirect of the first address; `more` changes the answers of the next."""

    def way(request: Request, answer: Answer, wheel: bytes) -> Answer:
        if not request.path.startswith("/store"):
            return empty(302, Location=to)
        return more(request, answer, wheel) if more else answer

    return way


def silent(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.pause = 2 * LONGEST
    return answer


def silent_at_first(request: Request, answer: Answer, wheel: bytes) -> Answer:
    return silent(request, answer, wheel) if request.number == 1 else answer


def silent_to_ranges(request: Request, answer: Answer, wheel: bytes) -> Answer:
    return silent(request, answer, wheel) if "range" in request.headers else answer


def dropped_ranges(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.raw = b"" if "range" in request.headers else answer.raw
    return answer


def stalled(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.stall = max(1, len(answer.body) // 4)
    return answer


def stalled_at_first(request: Request, answer: Answer, wheel: bytes) -> Answer:
    return stalled(request, answer, wheel) if request.number == 1 else answer


def in_pieces(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.pieces = 3
    return answer


def later(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.pause += 3
    return answer


def wrong_length(request: Request, answer: Answer, wheel: bytes) -> Answer:
    answer.headers["Content-Length"] = str(len(answer.body) + 7)
    return answer


ARRIVES: dict[str, Way] = {
    "no ranges": no_ranges,
    **{f"{status} to ranges": to_ranges(status) for status in (401, 403, 404, 405, 406, 412, 416)},
    **{f"{status} to ranges": to_ranges(status) for status in (429, 503)},
    "later ranges refused": later_ranges,
    "range without total": content_range(lambda value: value.split("/")[0] + "/*"),
    "no Content-Range": content_range(lambda value: None),
    "range without unit": content_range(lambda value: value.removeprefix("bytes ")),
    "beginning for end": beginning,
    "multipart": multipart,
    "half of the range": half_range,
    "more than the range": longer_range,
    "label Identity": header("Content-Encoding", "Identity"),
    "label aws-chunked": header("Content-Encoding", "aws-chunked"),
    "status 203": status_203,
    "chunked": length("chunked"),
    "no length": length("closed"),
    "changing weak tag": changing_tag,
    "cut at first": cut_at_first,
    "cut always": cut_always,
    "late": late,
    "later": later,
    "in pieces": in_pieces,
    "silent at first": silent_at_first,
    "silent to ranges": silent_to_ranges,
    "dropped ranges": dropped_ranges,
    "stalled at first": stalled_at_first,
    "429 for a second": at_first(1, 429, Retry_After="1"),
    "500 twice": at_first(2, 500),
    "522 once": at_first(1, 522),
    "signed redirect": redirect("/store?X-Amz-Signature=s3cr3t", to_ranges(403)),
}
FAILS: dict[str, Way] = {
    "503 always": always(503),
    "503 for an hour": always(503, Retry_After="3600"),
    "404 always": always(404),
    "401 always": always(401, WWW_Authenticate="Basic"),
    "204": always(204),
    "redirect in a circle": redirect(f"/{NAME}"),
    "redirect to ftp": redirect("ftp://127.0.0.1/x"),
    "page": page,
    "other bytes": other_bytes,
    "no bytes": no_bytes,
    "compressed": compressed,
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "no answer": raw(b""),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nPK"),
    "503 for ten seconds": always(503, Retry_After="10"),
    "silent": silent,
    "stalled": stalled,
    "wrong length": wrong_length,
}
WAYS = {**ARRIVES, **FAILS}


class Server:
    """A server on the loopback, with the answers that these ways change one after the other."""

    def __init__(self, wheel: bytes, ways: list[Way]):
        self.wheel, self.ways = wheel, ways
        self.asked: list[tuple[str, str]] = []
        self.counting = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/{NAME}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while self.answer(connection, reader):
                    pass
            except OSError:
                pass

    def answer(self, connection: socket.socket, reader: typing.BinaryIO) -> bool:
        """Answer one request; whether the connection goes on."""
        words = reader.readline().decode("latin-1").split()
        headers = {}
        for line in iter(reader.readline, b""):
            name, found, value = line.decode("latin-1").partition(":")
            if not found:
                break
            headers[name.lower()] = value.strip()
        if len(words) < 2:
            return False
        with self.counting:
            self.asked.append((words[1], headers.get("range", "")))
            request = Request(words[1], headers, len(self.asked))
        answer = good(request, self.wheel)
        for way in self.ways:
            answer = way(request, answer, self.wheel)
        time.sleep(answer.pause)
        if answer.raw is not None:
            connection.sendall(answer.raw)
            return False
        return self.send(connection, answer)

    def send(self, connection: socket.socket, answer: Answer) -> bool:
        lines = [f"HTTP/1.1 {answer.status} Whatever"]
        body = answer.body
        if answer.length == "stated":
            answer.headers.setdefault("Content-Length", str(len(body)))
        elif answer.length == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            lines.append("Connection: close")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        if answer.status == 204:
            body = b""
        connection.sendall(head.encode("latin-1"))
        if answer.stall is not None:
            connection.sendall(body[: answer.stall])
            time.sleep(2 * LONGEST)
            return False
        sent = body[: answer.cut]
        size = max(1, -(-len(sent) // answer.pieces))
        for start in range(0, len(sent), size):
            time.sleep(2 if start else 0)
            connection.sendall(sent[start : start + size])
        is_whole = answer.headers.get("Content-Length", str(len(answer.body))) == str(len(body))
        return answer.cut is None and answer.length != "closed" and (
            is_whole or answer.length == "chunked"
        )

    def close(self) -> None:
        self.socket.close()


@dataclasses.dataclass
class Outcome:
    """How one case went."""

    name: str
    seconds: float
    faults: list[str]
    message: str


class Bench:
    """Runs cases."""

    def __init__(self, binary: pathlib.Path, scratch: pathlib.Path):
        self.binary, self.scratch = binary, scratch
        source = scratch / "source"
        source.mkdir()
        files = {"demo/data.bin": os.urandom(1_500_000), "demo/__init__.py": b"x = 1\n"}
        self.wheel = project("demo", "1.0", files).write(source).read_bytes()
        self.pin = "#sha256=" + hashlib.sha256(self.wheel).hexdigest()
        plain = venv.make_fast(scratch / "expected")
        venv.must([binary, source / NAME, "--target", plain], env=self.variables(scratch))
        self.expected = self.contents(plain)

    @staticmethod
    def variables(home: pathlib.Path) -> dict[str, str]:
        foreign = ("SSL_CERT", "HTTP", "http", "ALL_PROXY", "all_proxy", "NETRC")
        variables = venv.clean_variables(HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
        return {name: text for name, text in variables.items() if not name.startswith(foreign)}

    @staticmethod
    def contents(root: pathlib.Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in root.rglob("demo/*") if path.is_file()}

    def run(self, names: tuple[str, ...], number: int) -> Outcome:
        """One command against one server."""
        home = self.scratch / str(number)
        home.mkdir()
        target = venv.make_fast(home / "venv")
        server = Server(self.wheel, [WAYS[name] for name in names])
        begin = time.monotonic()
        command = [self.binary, server.url + self.pin, "--target", target, "--no-progress"]
        faults: list[str] = []
        try:
            done = venv.run(command, env=self.variables(home), timeout=3 * LONGEST)
            code, output = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            code, output = -1, "no end"
        seconds = time.monotonic() - begin
        server.close()
        found = self.contents(target)
        if code == 0 and found != self.expected:
            faults.append("other files were installed")
        if code and found:
            faults.append("it failed, and files are there")
        if code not in (0, 1, 3):
            faults.append(f"code {code}")
        if code and not re.search(r"^error: .*`http://127.0.0.1", output, re.MULTILINE):
            faults.append("no error names the address")
        if len(names) == 1 and (code == 0) != (names[0] in ARRIVES):
            faults.append(f"code {code}, which is not expected")
        if "panicked" in output:
            faults.append("a panic")
        if "s3cr3t" in output:
            faults.append("the query is shown")
        if seconds > LONGEST:
            faults.append(f"{seconds:.0f} s")
        (asked, count), *_ = collections.Counter(server.asked).most_common(1) or [(None, 0)]
        if count >= 6:
            faults.append(f"{count} times {asked}")
        trees.remove(home)
        return Outcome(" + ".join(names), seconds, faults, output)


def main() -> int:
    parser = venv.new_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--only", choices=sorted(WAYS), action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=8)
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    alone = [(name,) for name in WAYS]
    pairs = list(itertools.permutations(WAYS, 2))
    if options.pairs >= 0:
        pairs = random.Random(options.seed).sample(pairs, min(options.pairs, len(pairs)))
    cases = alone + pairs
    if options.only:
        cases = [(name,) for name in options.only] + list(itertools.permutations(options.only, 2))
    with venv.scratch_directory("odd-servers") as scratch:
        bench = Bench(binary, scratch)
        # Most of a case is waiting, so that many run at once.
        with concurrent.futures.ThreadPoolExecutor(options.at_once) as threads:
            outcomes = list(threads.map(bench.run, cases, itertools.count()))
    bad = [outcome for outcome in outcomes if outcome.faults]
    for outcome in bad:
        print(f"{outcome.name}: {'; '.join(outcome.faults)}\n    {venv.one_line(outcome.message)}")
    for outcome in sorted(outcomes, key=lambda outcome: -outcome.seconds)[:5]:
        print(f"{outcome.seconds:5.1f} s {outcome.name}")
    print(f"{len(bad)} of {len(outcomes)} cases failed ({len(WAYS)} ways)")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
