"""Let downloads fail in every way, and check the message, the exit code and the environment.

    python3 tests/outside/net/download_errors.py

The script makes a wheel and serves it with a local server; each case makes one thing fail. The
command has to end with the expected code, print the expected words, name the address, never print
the password in it, and leave the environment as it was. The cases with certificates need `openssl`;
the case with a full disk needs root and `mount`. Cases that cannot run are reported.

Prints a table. Exit code 1: a case failed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv
from lib.server import Reply, Server
from lib.wheels import lock_text, project

NAME = "demo-1.0-py3-none-any.whl"
LOGIN, PASSWORD = "anna", "s3cret-word"


@dataclasses.dataclass
class Case:
    """One thing that fails."""

    name: str
    code: int
    words: str
    reply: typing.Callable[[], Reply | None] | None = None
    fragment: str = ""
    address: str = ""
    lock: str = ""
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    cache: pathlib.Path | None = None


def make_wheel(directory: pathlib.Path) -> bytes:
    """Write a wheel with one larger file; return its bytes."""
    files = {"demo/data.bin": os.urandom(3 << 20), "demo/__init__.py": b""}
    return project("demo", "1.0", files).write(directory).read_bytes()


def always(reply: Reply) -> typing.Callable[[], Reply]:
    return lambda: reply


def circle() -> typing.Callable[[], Reply]:
    """Redirects from the wheel to itself."""
    return always(Reply(302, {"Location": f"/{NAME}"}))


def cases(wheel: bytes) -> list[Case]:
    """The cases over http."""
    digest, half = hashlib.sha256(wheel).hexdigest(), len(wheel) // 2
    page = Reply(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Log in</title>")
    packed = Reply(200, {"Content-Encoding": "gzip"}, gzip.compress(wheel))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        refused = f"127.0.0.1:{probe.getsockname()[1]}"
    short = Reply(200, {"Content-Type": "application/zip"}, wheel[:half])
    return [
        Case("hash does not match", 3, "sha256", fragment="#sha256=" + "0" * 64),
        Case(
            "size does not match",
            3,
            "bytes",
            lock=lock_text("demo", "1.0", "{url}", len(wheel) + 1, digest),
        ),
        Case("truncated file", 3, "not", always(short)),
        Case("truncated file, pinned", 3, "", always(short), fragment=f"#sha256={digest}"),
        Case("body is cut off every time", 1, "broke the connection off", always(Reply(cut=0))),
        Case("a page in place of a wheel", 3, "text/html", always(page)),
        Case("compressed answer", 3, "gzip", always(packed)),
        Case("not found", 1, "HTTP 404 Not Found", always(Reply(404))),
        Case("forbidden", 1, "HTTP 403 Forbidden", always(Reply(403))),
        Case("server error", 1, "HTTP 500 Internal Server Error", always(Reply(500))),
        Case("redirect in a circle", 1, "in a circle", circle()),
        Case(
            "redirect to a file",
            1,
            "neither",
            always(Reply(302, {"Location": "file:///etc/passwd"})),
        ),
        Case(
            "unknown host",
            1,
            "no-such-host.invalid",
            address="http://{login}no-such-host.invalid/" + NAME,
        ),
        Case("refused connection", 1, "refused", address="http://{login}" + refused + "/" + NAME),
    ]


def certificates(directory: pathlib.Path) -> list[tuple[str, pathlib.Path, str, str]]:
    """Bad certificates for 127.0.0.1: (name, file, trusted certificates, expected words)."""
    made = []
    for name, more, words in [
        ("unknown authority", ["-days", "2"], "UnknownIssuer"),
        (
            "expired certificate",
            ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"],
            "xpired",
        ),
    ]:
        file = directory / f"{name.split()[0]}.pem"
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=127.0.0.1",
            *more,
        ]
        command += [
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]
        done = subprocess.run(
            [*command, "-keyout", file, "-out", file.with_suffix(".crt")],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            # Only openssl 3.4 and newer have `-not_before`.
            done = old_certificate(directory, file) if "-not_before" in more else done
        if done.returncode:
            print(f"not tested: {name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        with file.open("a") as out:
            out.write(file.with_suffix(".crt").read_text())
        made.append((name, file, str(file.with_suffix(".crt")) if "expired" in name else "", words))
    return made


def old_certificate(directory: pathlib.Path, file: pathlib.Path) -> subprocess.CompletedProcess:
    """Make an expired certificate, signed by itself as an authority."""
    config = directory / "ca.cnf"
    (directory / "index.txt").write_text("")
    (directory / "serial").write_text("01\n")
    config.write_text(
        f"[ca]\ndefault_ca=here\n[here]\ndatabase={directory}/index.txt\n"
        f"serial={directory}/serial\nnew_certs_dir={directory}\n"
        "default_md=sha256\npolicy=any\nx509_extensions=more\n[any]\ncommonName=supplied\n"
        "[more]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n"
        "[req]\ndistinguished_name=any\n"
    )
    request = [
        "openssl",
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
        "-config",
        config,
    ]
    done = subprocess.run(
        [*request, "-keyout", file, "-out", file.with_suffix(".csr")],
        capture_output=True,
        text=True,
    )
    sign = [
        "openssl",
        "ca",
        "-batch",
        "-selfsign",
        "-config",
        config,
        "-keyfile",
        file,
        "-in",
        file.with_suffix(".csr"),
    ]
    times = [
        "-startdate",
        "20200101000000Z",
        "-enddate",
        "20200201000000Z",
        "-notext",
        "-out",
        file.with_suffix(".crt"),
    ]
    return (
        done if done.returncode else subprocess.run([*sign, *times], capture_output=True, text=True)
    )


class Table:
    """Runs cases, and prints a row for each."""

    def __init__(self, binary: pathlib.Path, scratch: pathlib.Path):
        self.binary, self.scratch, self.bad = binary, scratch, 0
        self.venv = venv.make(scratch / "venv")
        foreign = ("SSL_CERT_FILE", "HTTP", "http", "ALL_PROXY", "all_proxy", "NETRC")
        variables = venv.clean_variables(
            HOME=str(scratch), XDG_CACHE_HOME=str(scratch / "cache"), no_proxy="*"
        )
        self.variables = {
            name: value for name, value in variables.items() if not name.startswith(foreign)
        }
        print("| case | code | message | result |\n| --- | ---: | --- | --- |")

    def run(self, case: Case, server: Server) -> None:
        """Run one case."""
        login = f"{LOGIN}:{PASSWORD}@"
        url = case.address.format(login=login)
        url = url or server.url(NAME).replace("://", f"://{login}")
        wanted = [url + case.fragment]
        if case.lock:
            lock = self.scratch / "pylock.toml"
            lock.write_text(case.lock.replace("{url}", url))
            wanted = ["--lock", str(lock)]
        server.replies[NAME] = case.reply or (lambda: None)
        trees.remove(self.scratch / "cache")
        cache = ["--cache-dir", str(case.cache)] if case.cache else []
        before = trees.snapshot(self.venv)
        options = ["--target", self.venv, "--no-progress", "--color", "never", *cache]
        variables = {**self.variables, **case.variables}
        done = venv.run([self.binary, *wanted, *options], env=variables, timeout=300)
        output = done.stderr + done.stdout
        shown = url.replace(login, "")
        checks = {
            f"code {done.returncode}, not {case.code}": done.returncode == case.code,
            f"`{case.words}` is missing": case.words in output,
            "the address is missing": shown in output,
            "the password is printed": PASSWORD not in output,
            "the environment was changed": trees.snapshot(self.venv) == before,
            "`nothing was changed` is missing": "state: nothing was changed" in output,
        }
        faults = "; ".join(fault for fault, good in checks.items() if not good)
        self.bad += bool(faults)
        line = " ".join(output.split("state:")[0].split()).replace("|", "\\|")
        print(f"| {case.name} | {done.returncode} | {line[:400]} | {faults or 'ok'} |", flush=True)


@contextlib.contextmanager
def small_disk(directory: pathlib.Path) -> typing.Iterator[bool]:
    """Mount a file system of one megabyte; yields whether that was possible."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]
    mounted = (
        os.geteuid() == 0
        and shutil.which("mount")
        and not subprocess.run(mount, capture_output=True).returncode
    )
    try:
        yield bool(mounted)
    finally:
        if mounted:
            subprocess.run(["umount", directory], check=False)


def fill_table(table: Table, scratch: pathlib.Path) -> None:
    """Run all cases."""
    served = scratch / "served"
    served.mkdir()
    wheel = make_wheel(served)
    with Server(served) as server:
        for case in cases(wheel):
            table.run(case, server)
        with small_disk(scratch / "small") as there:
            full = Case("no space in the cache", 1, "make room", cache=scratch / "small" / "cache")
            if there:
                table.run(full, server)
            else:
                print("not tested: no space in the cache: needs root and `mount`")
    if not shutil.which("openssl"):
        print("not tested: certificates: needs `openssl`")
        return
    keys = scratch / "keys"
    keys.mkdir()
    for name, file, trusted, words in certificates(keys):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        variables = {"SSL_CERT_FILE": trusted} if trusted else {}
        with Server(served, tls=context) as server:
            table.run(Case(name, 1, words, variables=variables), server)


def main() -> int:
    options = venv.new_parser(__doc__).parse_args()
    binary = venv.checked_binary(options.binary)
    with venv.scratch_directory("download-errors") as scratch:
        table = Table(binary, scratch)
        fill_table(table, scratch)
    print(f"{table.bad} cases failed")
    return 1 if table.bad else 0


if __name__ == "__main__":
    sys.exit(main())
