"""Make the wheels of this directory: small, valid, and the same bytes on every machine.

    python3 testdata/make_wheels.py [DIRECTORY]

The wheels are written beside this script, or to DIRECTORY. Entries are sorted, dated 2020-01-01 and
not compressed, because the output of a compressor depends on its version. `greetings_lib` has a
library, a data file and a script; `hello_wheel` has an entry point that uses it; both have a module
in the namespace package `salutations`.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "outside"))

from lib.wheels import EXECUTABLE, FILE, STORED, Wheel

GREETINGS = {
    "greetings_lib/__init__.py": '''"""Greetings for all occasions."""

from salutations.phrases import PHRASE


def greet(name):
    """A greeting for `name`."""
    return PHRASE.format(name)
''',
    "salutations/phrases.py": '"""The text of greetings."""\n\nPHRASE = "Good day, {}!"\n',
    "greetings_lib-2.1.data/data/share/greetings/phrases.txt": "Good day, {}!\n",
    "greetings_lib-2.1.data/scripts/greetings-where": """#!python
import pathlib
import sys

print(pathlib.Path(sys.prefix, "share", "greetings", "phrases.txt"))
""",
}

HELLO = {
    "hello_wheel.py": '''"""Greet the people named on the command line."""

import sys

from salutations.hello import default_name
from greetings_lib import greet


def main():
    """Print the greeting."""
    print(greet(" ".join(sys.argv[1:]) or default_name()))
''',
    "salutations/hello.py": '''"""The default name."""


def default_name():
    """The name to greet if none is given."""
    return "world"
''',
    "hello_wheel-1.0.dist-info/entry_points.txt": "[console_scripts]\nhello = hello_wheel:main\n",
}


def make_wheel(directory, stem, headers, files):
    """Write `stem-py3-none-any.whl` with `files` and their metadata."""
    name, version = stem.split("-")
    wheel = Wheel(name, version, method=STORED)
    wheel.metadata = wheel.wheel = None
    fields = ["Metadata-Version: 2.1", "Name: " + name.replace("_", "-"), "Version: " + version]
    metadata = [*fields, *headers]
    tags = ["Root-Is-Purelib: true", "Tag: py3-none-any"]
    settings = ["Wheel-Version: 1.0", "Generator: make_wheels.py", *tags]
    files = dict(files)
    files[wheel.dist_info + "/METADATA"] = "\n".join(metadata) + "\n"
    files[wheel.dist_info + "/WHEEL"] = "\n".join(settings) + "\n"
    for path, text in sorted(files.items()):
        wheel.file(path, text, EXECUTABLE if ".data/scripts/" in path else FILE)
    wheel.write(directory)


def main():
    """Make both wheels."""
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    requires = "Requires-Python: >=3.8"
    make_wheel(directory, "greetings_lib-2.1", [requires], GREETINGS)
    needs = "Requires-Dist: greetings-lib >=2"
    make_wheel(directory, "hello_wheel-1.0", [requires, needs], HELLO)


if __name__ == "__main__":
    main()
