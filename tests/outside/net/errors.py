"""Let everything go wrong that can go wrong with a download, and look at what the user is told and left with.

    python3 errors.py --binary PATH

A wheel is made here and served by this process (see slow_server.py); each case spoils one thing. A case is good where the
command ends with the code that is expected, says what is wrong in the expected words, names the address, never says the
password in it, and leaves the environment as it was. A table is printed; the exit code is 1 where one is not good.
The cases of certificates need `openssl`, that of the full disk needs to be root and `mount`; without them they are left
out, which is said.
"""

import argparse
import base64
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
import tempfile
import typing
import zipfile

from breaks import tree
from slow_server import Manner, Server, Turn

NAME = "demo-1.0-py3-none-any.whl"
LOGIN, PASSWORD = "anna", "s3cret-word"


@dataclasses.dataclass
class Case:
    """One thing that goes wrong."""

    name: str
    code: int
    words: str
    turn: typing.Optional[typing.Callable[[], typing.Optional[Turn]]] = None
    fragment: str = ""
    address: str = ""
    lock: str = ""
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    cache: typing.Optional[pathlib.Path] = None


def make_wheel(directory: pathlib.Path) -> bytes:
    """A small wheel with one larger file."""
    path = directory / NAME
    info = "demo-1.0.dist-info"
    files = {
        "demo/data.bin": os.urandom(3 << 20),
        "demo/__init__.py": b"",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: demo\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()


def always(turn: Turn) -> typing.Callable[[], Turn]:
    return lambda: turn


def circle() -> typing.Callable[[], Turn]:
    """Redirects from the wheel to itself."""
    return always(Turn(302, {"Location": f"/{NAME}"}))


def lock_text(url: str, size: int, digest: str) -> str:
    """A lock file that pins one wheel."""
    wheel = f'{{ url = "{url}", size = {size}, hashes = {{ sha256 = "{digest}" }} }}'
    head = 'lock-version = "1.0"\ncreated-by = "errors"\n[[packages]]\nname = "demo"\nversion = "1.0"\n'
    return f"{head}wheels = [{wheel}]\n"


def cases(wheel: bytes) -> list[Case]:
    """What goes wrong over http."""
    digest, half = hashlib.sha256(wheel).hexdigest(), len(wheel) // 2
    page = Turn(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Log in</title>")
    packed = Turn(200, {"Content-Encoding": "gzip"}, gzip.compress(wheel))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused = f"127.0.0.1:{nobody.getsockname()[1]}"
    short = Turn(200, {"Content-Type": "application/zip"}, wheel[:half])
    return [
        Case("hash does not match", 3, "sha256", fragment="#sha256=" + "0" * 64),
        Case("size does not match", 3, "bytes", lock=lock_text("{url}", len(wheel) + 1, digest)),
        Case("truncated file", 3, "not", always(short)),
        Case("truncated file, pinned", 3, "", always(short), fragment=f"#sha256={digest}"),
        Case("body is cut off every time", 1, "broke the connection off", always(Turn(cut=0))),
        Case("a page in place of a wheel", 3, "text/html", always(page)),
        Case("compressed answer", 3, "gzip", always(packed)),
        Case("not found", 1, "status 404", always(Turn(404))),
        Case("forbidden", 1, "status 403", always(Turn(403))),
        Case("server error", 1, "status 500", always(Turn(500))),
        Case("redirect in a circle", 1, "in a circle", circle()),
        Case("redirect to a file", 1, "neither", always(Turn(302, {"Location": "file:///etc/passwd"}))),
        Case("unknown host", 1, "no-such-host.invalid", address="http://{login}no-such-host.invalid/" + NAME),
        Case("refused connection", 1, "refused", address="http://{login}" + refused + "/" + NAME),
    ]


def certificates(directory: pathlib.Path) -> list[tuple[str, pathlib.Path, str, str]]:
    """Certificates for 127.0.0.1: their names, files, which are believed, and what is said of them."""
    made = []
    for name, more, words in [
        ("unknown authority", ["-days", "2"], "UnknownIssuer"),
        ("expired certificate", ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"], "xpired"),
    ]:
        file = directory / f"{name.split()[0]}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", *more]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        done = subprocess.run([*command, "-keyout", file, "-out", file.with_suffix(".crt")], capture_output=True, text=True)
        if done.returncode:
            # Only openssl 3.4 and newer make certificates of the past so.
            done = old_certificate(directory, file) if "-not_before" in more else done
        if done.returncode:
            print(f"left out: {name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        with file.open("a") as out:
            out.write(file.with_suffix(".crt").read_text())
        made.append((name, file, str(file.with_suffix(".crt")) if "expired" in name else "", words))
    return made


def old_certificate(directory: pathlib.Path, file: pathlib.Path) -> subprocess.CompletedProcess:
    """A certificate whose time is over, from an authority of its own."""
    config = directory / "ca.cnf"
    (directory / "index.txt").write_text("")
    (directory / "serial").write_text("01\n")
    config.write_text(
        f"[ca]\ndefault_ca=here\n[here]\ndatabase={directory}/index.txt\nserial={directory}/serial\nnew_certs_dir={directory}\n"
        "default_md=sha256\npolicy=any\nx509_extensions=more\n[any]\ncommonName=supplied\n"
        "[more]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n[req]\ndistinguished_name=any\n"
    )
    request = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-config", config]
    done = subprocess.run([*request, "-keyout", file, "-out", file.with_suffix(".csr")], capture_output=True, text=True)
    sign = ["openssl", "ca", "-batch", "-selfsign", "-config", config, "-keyfile", file, "-in", file.with_suffix(".csr")]
    times = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext", "-out", file.with_suffix(".crt")]
    return done if done.returncode else subprocess.run([*sign, *times], capture_output=True, text=True)


class Table:
    """The cases, and how they went."""

    def __init__(self, binary: str, scratch: pathlib.Path):
        self.binary, self.scratch, self.bad = binary, scratch, 0
        self.venv = scratch / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.venv], check=True)
        foreign = ("PKG_INSTALL_", "VIRTUAL_ENV", "SSL_CERT_FILE", "HTTP", "http", "ALL_PROXY", "all_proxy", "NETRC")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.variables |= {"HOME": str(scratch), "XDG_CACHE_HOME": str(scratch / "cache"), "no_proxy": "*"}
        print("| case | code | told | good |\n| --- | ---: | --- | --- |")

    def run(self, case: Case, server: Server) -> None:
        """One case; prints its row."""
        login = f"{LOGIN}:{PASSWORD}@"
        url = case.address.format(login=login) or server.url(NAME).replace("://", f"://{login}")
        wanted = [url + case.fragment]
        if case.lock:
            lock = self.scratch / "pylock.toml"
            lock.write_text(case.lock.replace("{url}", url))
            wanted = ["--lock", str(lock)]
        server.turns[NAME] = case.turn or (lambda: None)
        shutil.rmtree(self.scratch / "cache", ignore_errors=True)
        cache = ["--cache-dir", str(case.cache)] if case.cache else []
        before = tree(self.venv)
        done = subprocess.run(
            [self.binary, *wanted, "--target", self.venv, "--no-progress", "--color", "never", *cache],
            env=self.variables | case.variables,
            capture_output=True,
            text=True,
            timeout=300,
        )
        told = done.stderr + done.stdout
        shown = url.replace(login, "")
        faults = [
            what
            for what, good in {
                f"code {done.returncode}, not {case.code}": done.returncode == case.code,
                f"`{case.words}` is not said": case.words in told,
                "the address is not named": shown in told,
                "the password is told": PASSWORD not in told,
                "the environment was changed": tree(self.venv) == before,
                "that nothing was changed is not said": "state: nothing was changed" in told,
            }.items()
            if not good
        ]
        self.bad += bool(faults)
        line = " ".join(told.split("state:")[0].split()).replace("|", "\\|")
        print(f"| {case.name} | {done.returncode} | {line[:400]} | {'; '.join(faults) or 'yes'} |", flush=True)


@contextlib.contextmanager
def small_disk(directory: pathlib.Path) -> typing.Iterator[bool]:
    """A file system of one megabyte; False where there can be none."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]
    mounted = os.geteuid() == 0 and shutil.which("mount") and not subprocess.run(mount, capture_output=True).returncode
    try:
        yield bool(mounted)
    finally:
        if mounted:
            subprocess.run(["umount", directory], check=False)


def fill_table(table: Table, scratch: pathlib.Path) -> None:
    """All cases."""
    served = scratch / "served"
    served.mkdir()
    wheel = make_wheel(served)
    with Server(served, Manner()) as server:
        for case in cases(wheel):
            table.run(case, server)
        with small_disk(scratch / "small") as there:
            full = Case("no space in the cache", 1, "make room", cache=scratch / "small" / "cache")
            if there:
                table.run(full, server)
            else:
                print("left out: no space in the cache: needs to be root, and `mount`")
    if not shutil.which("openssl"):
        print("left out: certificates: there is no `openssl`")
        return
    keys = scratch / "keys"
    keys.mkdir()
    for name, file, believed, words in certificates(keys):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        with Server(served, Manner(), tls=context) as server:
            table.run(Case(name, 1, words, variables={"SSL_CERT_FILE": believed} if believed else {}), server)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=os.path.abspath, help="pkg-install")
    said = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="errors-"))
    try:
        table = Table(said.binary, scratch)
        fill_table(table, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{table.bad} cases are not as they have to be")
    sys.exit(1 if table.bad else 0)


if __name__ == "__main__":
    main()
