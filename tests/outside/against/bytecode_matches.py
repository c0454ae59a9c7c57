"""Check that interpreters take the bytecode of `--compile-bytecode` as it is, and write none.

    python3 tests/outside/against/bytecode_matches.py [--wheels DIR] [--python EXE ...]

For each interpreter the wheels are installed into a virtual environment, a target directory and below
a prefix, with each way of invalidation, at the levels 0, 1 and 2, with and without
`SOURCE_DATE_EPOCH`. Then the interpreter loads the code of every module with `-v`, `-O -v` and
`-OO -v`, without running it. It has to say of each module that its bytecode matches, must say of none
that it wrote any, and the tree must be the same afterwards to the times of its files. The path in the
code has to be that of the module. Only sources that the interpreter refuses may have no bytecode.

Without `--wheels` small ones are made. Prints how many modules were loaded. Exit code 1: anything is
not as expected.
"""

from __future__ import annotations

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

# Loads the code of every module below a directory, and prints the modules that cannot be compiled.
LOAD = """
import importlib.machinery, os, sys, types
def inner(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from inner(constant)
for directory, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(directory, name)
        if name.endswith(".py"):
            try:
                code = importlib.machinery.SourceFileLoader(name, path).get_code(name)
            except (SyntaxError, ValueError, RecursionError):
                print("refused", path)
            else:
                if any(part.co_filename != path for part in inner(code)):
                    print("another path:", path, code.co_filename)
                print("loaded", path)
"""
LEVELS = ([], ["-O"], ["-OO"])


def made_wheels(directory):
    """Wheels with packages, modules, a source that is not Python, and one with other characters."""
    for name in ("alpha", "beta"):
        files = {f"{name}/m{number}.py": wheels.module_text(name, "1", number) for number in range(9)}
        files[f"{name}/__init__.py"] = '"""Text."""\nassert __debug__ or True\n'
        files[f"{name}/bad.py"] = "print 'two'\n"
        files[f"{name}/names.py"] = "def é(x):\n    return {'ü': x, 'b': 'é'}\n"
        files[f"{name}_single.py"] = "def f():\n    def g():\n        return 1\n    return g\n"
        wheels.project(name, "1.0", files).write(directory)
    return directory


def places(scratch, python):
    """The options for each place, and where the modules are then."""
    base = python.name.replace("/", "-") + str(len(list(scratch.iterdir())))
    root = scratch / f"venv-{base}"
    venv.must([python, "-m", "venv", "--without-pip", root])
    library = "import sysconfig; print(sysconfig.get_path('purelib', vars={'base': '%s'}))"
    yield ["--target", root], root / "lib"
    yield ["--target", scratch / f"target-{base}", "--python", python], scratch / f"target-{base}"
    prefix = scratch / f"prefix-{base}"
    purelib = venv.must([python, "-c", library % prefix]).strip()
    yield ["--python", python, "--prefix", prefix], pathlib.Path(purelib)


def times(root):
    """The inode, size and times of everything below a directory."""
    found = {}
    for path in root.rglob("*"):
        seen = path.lstat()
        found[path] = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def faults(python, library):
    """What is wrong when the interpreter loads every module; the last item is their number."""
    before, loaded = times(library), 0
    for level in LEVELS:
        # No variable may keep it from writing bytecode.
        variables = venv.clean_variables()
        del variables["PYTHONDONTWRITEBYTECODE"]
        command = [python, "-I", "-v", *level, "-c", LOAD, library]
        done = venv.run(command, env=variables)
        if done.returncode:
            yield f"{python} ends with {done.returncode}: {venv.one_line(done.stderr)}"
            continue
        lines = done.stderr.splitlines()
        own = [line for line in lines if f"{library}{os.sep}" in line]
        taken = [line for line in own if line.startswith("# code object from '")]
        wrong = [line for line in own if "# wrote" in line or "stale" in line or "bad magic" in line]
        said = done.stdout.splitlines()
        count = sum(line.startswith("loaded ") for line in said)
        wrong += [line for line in said if line.startswith("another path")]
        # `code object from` names the source if it had to be compiled.
        wrong += [line for line in taken if not line.rstrip("'").endswith(".pyc")]
        yield from wrong[:5]
        if count == 0 or len(taken) != count:
            yield f"{python} {level}: {count} modules, {len(taken)} with bytecode that matches"
        loaded += count
    if times(library) != before:
        yield f"{python} wrote something below {library}"
    yield loaded


def ways():
    """The options and variables of each installation."""
    for mode in ("timestamp", "checked-hash", "unchecked-hash", None):
        for epoch in (None, "1700000000"):
            options = ["--invalidation-mode", mode] if mode else []
            variables = venv.clean_variables(**({"SOURCE_DATE_EPOCH": epoch} if epoch else {}))
            yield options, variables


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--wheels", metavar="DIR", type=pathlib.Path, help="wheels to install")
    interpreters = "the interpreters (default: the one that runs this script)"
    add("--python", metavar="EXE", action="append", help=interpreters)
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    found = loaded = installed = 0
    with venv.scratch_directory("matches") as scratch:
        given = options.wheels or made_wheels(scratch / "wheels")
        paths = sorted(given.glob("*.whl"))
        for python in map(pathlib.Path, options.python or [sys.executable]):
            for where, library in places(scratch, python):
                for how, variables in ways():
                    command = [binary, *where, *how, "--compile-bytecode", "-o", "0,1,2"]
                    command += ["--reinstall", "--on-conflict", "last", "--no-compat-check"]
                    venv.must([*command, *paths], code=1, env=variables)
                    installed += 1
                    *wrong, count = faults(python, library)
                    loaded += count
                    found += len(wrong)
                    for fault in wrong:
                        epoch = variables.get("SOURCE_DATE_EPOCH", "no epoch")
                        print(f"{where[0]} {how} {epoch}: {fault}", flush=True)
                trees.remove(library)
    print(f"bytecode_matches: {installed} installations, {loaded} modules loaded, {found} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
