"""Run every command and Python example of README.md and docs/*.md.

    python3 tests/outside/package/run_documentation.py [PAGE ...]

Each block of `sh`, and of `python` that imports pkg_install, runs in a fresh directory that has
what the pages speak of: `wheels`, `testdata`, a virtual environment `venv` with flask, a lock
file, lists of requirements, a report, and an index on the loopback that stands for the public one
and for `example.org`. `sh -e` has to end with 0. Blocks below a comment `<!-- not run: why -->` are
left out. run_examples.py runs the examples of other tools.

Links between pages, and to headings in them, have to lead somewhere.

Prints a line for each block, and the number of commands. Exit code 1: one failed.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import pathlib
import re
import shutil
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "against"))

from checks import Checks
from lib import venv, wheels

BLOCK = re.compile(r"(<!-- not run: [^\n]* -->\n)?```(\w+)\n(.*?)```\n", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MAIN = "def main():\n    print('flask')\n"


def make_wheels(directory):
    """The wheels that the pages name."""
    entry = ["flask = flask:main"]
    made = []
    for version in ("2.3.3", "3.1.0"):
        wheel = wheels.project("flask", version, {"flask.py": MAIN}, entry)
        wheel.metadata += b"Requires-Dist: jinja2\nProvides-Extra: async\n"
        made.append(wheel)
    made.append(wheels.project("jinja2", "3.1.4", {"jinja2/__init__.py": "x = 1\n"}))
    made.append(wheels.Wheel("six", "1.17.0", tag="py2.py3-none-any").files({"six.py": "x = 1\n"}))
    made.append(wheels.project("numpy", "2.0.0", {"numpy/__init__.py": "x = 1\n"}))
    return [wheel.write(directory) for wheel in made]


class Index(http.server.SimpleHTTPRequestHandler):
    """Serves `/simple/NAME/` as pages of an index, and everything else as files."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts[0] != "simple" or len(parts) != 2:
            return super().do_GET()
        name = parts[1].replace("-", "_")
        found = sorted(pathlib.Path(self.directory, "wheels").glob(f"{name}-*.whl"))
        if not found:
            return self.send_error(404)
        links = (
            f'<a href="/wheels/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">'
            f"{path.name}</a>"
            for path in found
        )
        body = ("<!DOCTYPE html>\n" + "\n".join(links)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Ground:
    """The directory that each block gets a copy of, and the variables it runs with."""

    def __init__(self, scratch, binary, server):
        self.scratch, self.binary, self.port = scratch, binary, server.server_port
        self.number = 0
        tools = scratch / "tools"
        tools.mkdir()
        (tools / "pkg-install").symlink_to(binary)
        # The Python package looks for the program beside itself.
        (tools / "lib").mkdir()
        package = venv.REPOSITORY / "python" / "pkg_install"
        shutil.copytree(package, tools / "lib" / "pkg_install")
        (tools / "lib" / "bin").mkdir()
        (tools / "lib" / "bin" / "pkg-install").symlink_to(binary)
        index = f"http://127.0.0.1:{self.port}/simple/"
        self.variables = venv.clean_variables(
            HOME=str(scratch / "home"),
            PIP_INDEX_URL=index,
            PIP_TRUSTED_HOST="127.0.0.1",
            PYTHONPATH=str(tools / "lib"),
            PATH=f"{tools}{os.pathsep}{os.environ['PATH']}",
        )
        self.home = scratch / "home"

    def directory(self):
        """A fresh directory with everything that the pages name."""
        self.number += 1
        place = self.scratch / str(self.number)
        place.mkdir()
        shutil.rmtree(self.home, ignore_errors=True)
        for below in (".local/share/bash-completion", ".config/fish"):
            (self.home / below / "completions").mkdir(parents=True)
        (self.home / ".zfunc").mkdir()
        shutil.copytree(self.scratch / "served" / "wheels", place / "wheels")
        (place / "testdata").symlink_to(venv.REPOSITORY / "testdata")
        root = venv.make_fast(place / "venv")
        own = [place / "wheels" / "flask-3.1.0-py3-none-any.whl", *place.glob("wheels/jinja2-*")]
        self.must([self.binary, *own, "--target", root], place)
        # A directory of wheels has one wheel of each project, and not the one that a page names by
        # its address: these are on the index only.
        for name in ("flask-2.3.3-py3-none-any.whl", "six-1.17.0-py2.py3-none-any.whl"):
            (place / "wheels" / name).unlink()
        texts = {
            "requirements.in": "flask>=3\n",
            "requirements.txt": "flask>=3\n",
            "constraints.txt": "jinja2<4\n",
            "pins.txt": "flask==3.1.0\njinja2==3.1.4\n",
            "requirements.lock.txt": "flask==3.1.0\njinja2==3.1.4\n",
            "pyproject.toml": '[project]\nname = "own"\nversion = "1"\ndependencies = ["flask"]\n'
            '[dependency-groups]\ndev = ["six"]\n',
        }
        for name, text in texts.items():
            (place / name).write_text(text)
        resolve = [self.binary, "resolve", "flask>=3", "--target", "venv"]
        self.must([*resolve, "--lock", "pylock.toml"], place)
        self.must([*resolve, "--report", "report.json"], place)
        return place

    def must(self, command, place):
        venv.must(command, env=self.variables, cwd=place)

    def run(self, kind, text):
        """Run a block in a fresh directory."""
        place = self.directory()
        text = text.replace("https://example.org/", f"http://127.0.0.1:{self.port}/")
        command = ["sh", "-ec", text] if kind == "sh" else [sys.executable, "-c", text]
        done = venv.run(command, env=self.variables, cwd=place)
        shutil.rmtree(place)
        return done


def anchors(text):
    """The anchors of the headings of a page, as forges and site generators make them."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w -]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def check_links(page, text, checks):
    """Every link within the repository leads to a file, and to a heading in it."""
    dead = []
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            dead.append(link)
    checks.check(f"{page.name}: links", not dead, ", ".join(dead))


def serve_index(directory):
    """Start a server of an index that is made in a directory."""
    make_wheels(directory / "wheels")
    handler = functools.partial(Index, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    parser = venv.new_parser(__doc__)
    parser.add_argument("pages", metavar="PAGE", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    root = venv.REPOSITORY
    pages = options.pages or [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    checks, commands, left_out = Checks(), 0, 0
    with venv.scratch_directory("documentation") as scratch:
        server = serve_index(scratch / "served")
        ground = Ground(scratch, binary, server)
        for page in pages:
            text = page.read_text(encoding="utf-8")
            check_links(page, text, checks)
            for skipped, kind, block in BLOCK.findall(text):
                is_api = kind == "python" and "import pkg_install" in block
                if kind != "sh" and not is_api:
                    continue
                if skipped:
                    left_out += 1
                    continue
                lines = [line for line in block.splitlines() if line and not line.startswith(" ")]
                commands += len(lines) if kind == "sh" else 1
                done = ground.run(kind, block)
                title = f"{page.name}: {block.strip().splitlines()[0][:70]}"
                status = venv.describe_status(done.returncode)
                detail = f"{block}\n{status}\n{done.stdout}{done.stderr}"
                checks.check(title, done.returncode == 0, detail[-3000:])
        server.shutdown()
    print(f"{commands} commands on {len(pages)} pages, {left_out} blocks left out")
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
