"""Make the wheels of this directory: small, honest, and the same bytes on every machine.

    python3 make_wheels.py [DIRECTORY]

The wheels are written beside this script, or to DIRECTORY. Entries are sorted, dated 2020-01-01 and not compressed:
what a compressor writes depends on its version. `greetings_lib` has a library, a data file and a script; `hello_wheel`
has an entry point that uses it; both have a module in the namespace package `salutations`.
"""

import base64
import hashlib
import pathlib
import sys
import zipfile

GREETINGS = {
    "greetings_lib/__init__.py": '''"""Greetings for all occasions."""

from salutations.phrases import PHRASE


def greet(name):
    """A greeting for `name`."""
    return PHRASE.format(name)
''',
    "salutations/phrases.py": '"""What greetings say."""\n\nPHRASE = "Good day, {}!"\n',
    "greetings_lib-2.1.data/data/share/greetings/phrases.txt": "Good day, {}!\n",
    "greetings_lib-2.1.data/scripts/greetings-where": """#!python
import pathlib
import sys

print(pathlib.Path(sys.prefix, "share", "greetings", "phrases.txt"))
""",
}

HELLO = {
    "hello_wheel.py": '''"""A greeting for whoever is named on the command line."""

import sys

from salutations.hello import default_name
from greetings_lib import greet


def main():
    """Print the greeting."""
    print(greet(" ".join(sys.argv[1:]) or default_name()))
''',
    "salutations/hello.py": '''"""Whom to greet."""


def default_name():
    """Whom to greet where nobody was named."""
    return "world"
''',
    "hello_wheel-1.0.dist-info/entry_points.txt": "[console_scripts]\nhello = hello_wheel:main\n",
}


def digest(content):
    """The digest of `content` as RECORD writes it."""
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + encoded.rstrip(b"=").decode("ascii")


def entry(path):
    """The header of the file `path`."""
    info = zipfile.ZipInfo(path, date_time=(2020, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = (0o100755 if ".data/scripts/" in path else 0o100644) << 16
    return info


def make_wheel(directory, stem, headers, files):
    """Write `stem-py3-none-any.whl` with `files` and the metadata that belongs to them."""
    name, version = stem.split("-")
    dist_info = stem + ".dist-info/"
    files = dict(files)
    metadata = ["Metadata-Version: 2.1", "Name: " + name.replace("_", "-"), "Version: " + version, *headers]
    files[dist_info + "METADATA"] = "\n".join(metadata) + "\n"
    wheel = ["Wheel-Version: 1.0", "Generator: make_wheels.py", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    files[dist_info + "WHEEL"] = "\n".join(wheel) + "\n"
    contents = {path: text.encode("utf-8") for path, text in sorted(files.items())}
    rows = ["{},{},{}".format(path, digest(content), len(content)) for path, content in contents.items()]
    rows.append(dist_info + "RECORD,,")
    contents[dist_info + "RECORD"] = ("\n".join(rows) + "\n").encode("utf-8")
    with zipfile.ZipFile(directory / (stem + "-py3-none-any.whl"), "w", zipfile.ZIP_STORED) as archive:
        for path, content in contents.items():
            archive.writestr(entry(path), content)


def main():
    """Make both wheels."""
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
    directory.mkdir(parents=True, exist_ok=True)
    make_wheel(directory, "greetings_lib-2.1", ["Requires-Python: >=3.8"], GREETINGS)
    make_wheel(directory, "hello_wheel-1.0", ["Requires-Python: >=3.8", "Requires-Dist: greetings-lib >=2"], HELLO)


if __name__ == "__main__":
    main()
