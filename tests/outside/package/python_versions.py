"""Run the Python package with several versions of Python, and check its types.

    python3 tests/outside/package/python_versions.py [--python EXE ...]

With each interpreter test_api.py runs. Without --python these are `python3.9` to `python3.14`, as far as they
are on the PATH or in pyenv. `mypy --strict`, fetched from the package index, then checks the package, its
generator, and every Python example of the documentation that imports it.

Exit code 1: a check failed, or fewer than two versions were found.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "against"))

from checks import Checks
from run_documentation import BLOCK

from lib import venv

VERSIONS = tuple(f"3.{minor}" for minor in range(9, 15))


def interpreters():
    """The interpreters of this machine by version."""
    found = {}
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    for version in VERSIONS:
        kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
        named = [str(path) for path in kept] or [shutil.which(f"python{version}")]
        # A shim of pyenv may stand for a version that is not chosen.
        command = "import sys; print('%d.%d' % sys.version_info[:2])"
        for path in filter(None, named):
            if venv.run([path, "-c", command]).stdout.strip() == version:
                found[version] = path
    return found


def examples(directory):
    """Write the examples of the documentation as modules; return their paths."""
    made = []
    for page in sorted((venv.REPOSITORY / "docs").glob("*.md")):
        for _, kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind == "python" and "import pkg_install" in text:
                name = re.sub(r"\W", "_", f"{page.stem}_{len(made)}")
                made.append(directory / f"{name}.py")
                made[-1].write_text(text)
    return made


def check_types(scratch, checks):
    """mypy, strictly."""
    python = venv.make_tools(scratch / "mypy", "mypy")
    written = examples(scratch)
    checks.check(f"{len(written)} examples", len(written) >= 4)
    variables = venv.clean_variables(MYPYPATH=str(venv.REPOSITORY / "python"))
    command = [python, "-m", "mypy", "--strict", "--cache-dir", scratch / "cache"]
    for path in (venv.REPOSITORY / "python", *written):
        done = venv.run([*command, path], env=variables, cwd=scratch)
        checks.check(f"mypy --strict {path.name}", done.returncode == 0, done.stdout + done.stderr)


def main():
    parser = venv.new_parser(__doc__)
    parser.add_argument("--python", action="append", default=[], help="an interpreter to test")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    found = {path: path for path in options.python} or interpreters()
    checks = Checks()
    script = pathlib.Path(__file__).with_name("test_api.py")
    variables = venv.clean_variables(PKG_INSTALL_PROGRAM=str(binary))
    for version, path in found.items():
        done = venv.run([path, script], env=variables)
        ended = done.stderr.strip().splitlines()[-1:] or [""]
        title = f"Python {version}: {ended[0]}"
        checks.check(title, done.returncode == 0, done.stderr[-4000:])
    checks.check(f"{len(found)} versions of Python", bool(options.python) or len(found) >= 2)
    with venv.scratch_directory("types") as scratch:
        check_types(scratch, checks)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
