"""A wheel for the engine scripts, made without any tool: a module, data, and a console script."""

import base64
import hashlib
import pathlib
import zipfile

MODULE = b'''\
import importlib.resources
import os
import sys


def where():
    """Says what runs here: the module's file, the interpreter and its prefix, and the data."""
    data = importlib.resources.files(__name__).joinpath("data.txt").read_text()
    return [os.path.abspath(__file__), sys.executable, sys.prefix, data]


def main():
    print(*where(), sep="\\n")
'''


def build(directory: pathlib.Path) -> pathlib.Path:
    """Writes the wheel and returns its path."""
    info = "packdemo-1.0.dist-info"
    files = {
        "packdemo/__init__.py": MODULE,
        "packdemo/data.txt": b"data of packdemo" * 500,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: packdemo\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: packdemo\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\npackdemo = packdemo:main\n",
    }
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / "packdemo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel
