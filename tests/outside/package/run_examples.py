"""Run what docs/coming-from.md says about other tools, with the newest pip, uv, installer, nox and tox.

    python3 tests/outside/package/run_examples.py [--page docs/coming-from.md]

The tools are fetched from the package index into a fresh environment. Then, with an index on the loopback:

- each command in the tables runs, that of the other tool and that of pkg-install. `DIR`, `EXE`, `ROOT`,
  `FILE` and `x.whl` stand for a directory, an interpreter, a root, a file and a wheel;
- `nox` runs the example of a noxfile.py, and `tox` that of a tox.ini.

Prints a line for each command. Exit code 1: one failed, or a table or an example was not found.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "against"))

from checks import Checks
from run_documentation import BLOCK, Ground, serve_index

from lib import venv

PROGRAMS = ("pip ", "uv ", "python -m ", "pkg-install ")
SPAN = re.compile(r"`([^`]+)`")


def rows(text):
    """The lines of the tables, each as the commands of its two cells."""
    for line in text.splitlines():
        cells = line.strip("|").split("|")
        if line.startswith("|") and len(cells) == 2:
            found = [[span for span in SPAN.findall(cell) if span.startswith(PROGRAMS)] for cell in cells]
            if any(found):
                yield found


def filled(command, place):
    """A command with the names that stand for something replaced."""
    wheel = next((place / "wheels").glob("numpy-*.whl"))
    values = {"DIR": "made", "ROOT": "root", "FILE": "new.json", "x.whl": f"wheels/{wheel.name}"}
    values["EXE"] = str(place / "venv" / "bin" / "python")
    word = re.compile(r"(?<![\w./~-])(DIR|ROOT|FILE|EXE|x\.whl)(?![\w/])")
    return word.sub(lambda match: shlex.quote(values[match[1]]), command)


def variables_for(ground, place, tools):
    """The variables of a command: the environment is activated, and has pip."""
    path = [place / "venv" / "bin", ground.scratch / "tools", tools, os.environ["PATH"]]
    index = ground.variables["PIP_INDEX_URL"]
    return {
        **ground.variables,
        "PATH": os.pathsep.join(map(str, path)),
        "VIRTUAL_ENV": str(place / "venv"),
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "UV_DEFAULT_INDEX": index,
        "UV_PYTHON": str(place / "venv" / "bin" / "python"),
        "UV_PYTHON_DOWNLOADS": "never",
    }


def prepare(ground, tools):
    """A directory with an environment in which pip and installer can be called."""
    place = ground.directory()
    package = place / "venv" / venv.PURELIB / "installer"
    package.symlink_to(tools.parent / venv.PURELIB / "installer")
    program = place / "venv" / "bin" / "pip"
    # No virtual environment has a user's directory.
    base = getattr(sys, "_base_executable", sys.executable)
    program.write_text(
        f'#!/bin/sh\npython="{place}/venv/bin/python"\n'
        f'case " $* " in *" --user "*) python="{base}" ;; esac\n'
        f'exec "{tools}/pip" --python "$python" "$@"\n'
    )
    program.chmod(0o755)
    return place


def run_tables(ground, tools, text, checks):
    """Run every command of the tables; return how many there are."""
    count = 0
    for cells in rows(text):
        for cell in cells:
            if not cell:
                continue
            # Commands with a redirection make a file for the next one; others stand alone.
            joined = any(">" in command for command in cell)
            groups = [cell] if joined else [[command] for command in cell]
            for group in groups:
                place = prepare(ground, tools)
                for command in group:
                    count += 1
                    done = venv.run(
                        ["sh", "-ec", filled(command, place)],
                        env=variables_for(ground, place, tools),
                        cwd=place,
                    )
                    detail = f"{venv.describe_status(done.returncode)}\n{done.stdout}{done.stderr}"
                    checks.check(command, done.returncode == 0, detail[-3000:])
    return count


def run_block(ground, tools, kind, text, checks):
    """Run the example of a noxfile.py or a tox.ini."""
    place = prepare(ground, tools)
    name = "noxfile.py" if kind == "python" else "tox.ini"
    (place / name).write_text(text)
    command = ["nox", "--non-interactive"] if kind == "python" else ["tox", "run"]
    variables = variables_for(ground, place, tools)
    # nox and tox make environments of their own.
    del variables["VIRTUAL_ENV"]
    done = venv.run([tools / command[0], *command[1:]], env=variables, cwd=place)
    detail = f"{venv.describe_status(done.returncode)}\n{done.stdout}{done.stderr}"
    checks.check(" ".join(command), done.returncode == 0, detail[-4000:])


def main():
    parser = venv.new_parser(__doc__)
    page = venv.REPOSITORY / "docs" / "coming-from.md"
    parser.add_argument("--page", type=pathlib.Path, default=page, help="the page with the examples")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    text = options.page.read_text(encoding="utf-8")
    checks = Checks()
    with venv.scratch_directory("examples") as scratch:
        packages = ("pip", "uv", "installer", "nox", "tox")
        tools = venv.make_tools(scratch / "environment", *packages).parent
        listed = venv.must([tools / "pip", "freeze", "--all"]).split()
        print(*(line for line in listed if line.startswith(tuple(f"{name}==" for name in packages))))
        server = serve_index(scratch / "served")
        ground = Ground(scratch, binary, server)
        count = run_tables(ground, tools, text, checks)
        checks.check(f"{count} commands in the tables", count >= 30)
        for word, kind in (("import nox", "python"), ("[tox]", "ini")):
            blocks = [block for _, language, block in BLOCK.findall(text) if language == kind]
            blocks = [block for block in blocks if word in block]
            if checks.check(f"an example for {word}", bool(blocks)):
                run_block(ground, tools, kind, blocks[0], checks)
        server.shutdown()
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
