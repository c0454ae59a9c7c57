"""The wheels of `random_walks.py`: a random family of small projects, in three versions each."""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
import sys
import zipfile

from lib import wheels
from lib.wheels import EXECUTABLE, module_text

VERSIONS = ("1.0", "2.0", "3.0")
NAMES = (
    "alpha", "beta-two", "Gamma_Three", "delta.four", "UPPER", "x", "zope.interface", "n0", "kappa-lib",
    "a-very-long-name-that-goes-on-and-on-until-it-is-long", "types-thing", "omega",
)  # fmt: skip
# More than one project has these, with equal contents or not.
COMMON, DISPUTED = "space/common.txt", "space/disputed.py"
CACHE_TAG = sys.implementation.cache_tag


class Family:
    """The wheels: `paths` by (name, version), `needs` by the same, `directory` with all of them."""

    def __init__(self, directory: pathlib.Path, chance: random.Random):
        self.directory = directory
        self.chance = chance
        self.names = chance.sample(NAMES, chance.randint(3, 7))
        self.paths: dict[tuple[str, str], pathlib.Path] = {}
        # Wheels that may be refused.
        self.doubtful: set[str] = set()
        self.needs: dict[tuple[str, str], list[str]] = {}
        # The parts of a project stay mostly the same from version to version.
        for place, name in enumerate(self.names):
            parts = [part for part in PARTS if chance.random() < (0.04 if part in RARE else 0.28)]
            for version in VERSIONS:
                now = [part for part in parts if chance.random() < 0.85]
                if chance.random() < 0.2:
                    now.append(chance.choice(PARTS[: -len(RARE)]))
                self.make(place, name, version, list(dict.fromkeys(now)))
        broken = self.any_path()
        content = bytearray(broken.read_bytes())
        content[inside_of_a_file(broken)] ^= 0x10
        self.broken = directory.parent / "broken" / broken.name
        self.broken.parent.mkdir()
        self.broken.write_bytes(content)

    def make(self, place: int, name: str, version: str, parts: list) -> None:
        """Write one wheel."""
        native = self.chance.random() < 0.1
        tag = "py3-none-linux_x86_64" if native else wheels.TAG
        method = self.chance.choice((wheels.DEFLATE, wheels.STORED))
        wheel = wheels.Wheel(name, version, tag=tag, method=method)
        if native:
            wheel.wheel = wheel.wheel.replace(b"Purelib: true", b"Purelib: false")
        self.needs[name, version] = self.some_needs(place, version)
        lines = [f"Requires-Dist: {need}" for need in self.needs[name, version]]
        lines += ["Provides-Extra: more"] if any("extra" in line for line in lines) else []
        lines += ["Requires-Python: >=3.8"] if picky not in parts and self.chance.random() < 0.5 else []
        wheel.metadata += "".join(line + "\n" for line in lines).encode()
        for part in parts:
            part(wheel, own_module(name), version, self.chance)
        seen: set[bytes] = set()
        wheel.entries = [
            entry
            for entry in wheel.entries
            if not (entry.central.name in seen or seen.add(entry.central.name))
        ]
        self.paths[name, version] = wheel.write(self.directory)
        if protected in parts or data_into_library in parts:
            self.doubtful.add(os.fspath(self.paths[name, version]))

    def some_needs(self, place: int, version: str) -> list[str]:
        """Requirements of projects that come later, so that they form no circle."""
        needs = []
        for other in self.names[place + 1 :]:
            if self.chance.random() < 0.25:
                limit = self.chance.choice(("", ">=1.0", f">={version}", f"=={version}", "<3", "!=2.0"))
                marker = '; extra == "more"' if self.chance.random() < 0.3 else ""
                needs.append(f"{other}{limit}{marker}")
        return needs

    def any_path(self) -> pathlib.Path:
        """One of the wheels."""
        return self.paths[self.chance.choice(self.names), self.chance.choice(VERSIONS)]

    def hash_of(self, path: pathlib.Path) -> str:
        """The SHA-256 of a wheel, in hexadecimal."""
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def page(self, name: str) -> bytes:
        """The page of one project in an index."""
        links = [
            f'<a href="/{self.paths[name, version].name}#sha256={self.hash_of(self.paths[name, version])}">x</a>'
            for version in VERSIONS
        ]
        return ("<!DOCTYPE html>" + "".join(links)).encode()


def inside_of_a_file(path: pathlib.Path) -> int:
    """The position of a byte of a file; one of a header may mean nothing."""
    with zipfile.ZipFile(path) as archive:
        entry = max(archive.infolist(), key=lambda entry: entry.compress_size)
    return entry.header_offset + 30 + len(entry.orig_filename.encode()) + entry.compress_size // 2


def own_module(name: str) -> str:
    """The name under which a project is imported."""
    return name.replace("-", "_").replace(".", "_").lower()


# The parts of which projects are made: each adds files to a wheel.


def package(wheel, own, version, chance):
    wheel.file(f"{own}/__init__.py", module_text(own, version))
    for number in range(chance.randint(0, 4)):
        wheel.file(f"{own}/m{number}.py", module_text(own, version, number))
    if chance.random() < 0.5:
        wheel.file(f"{own}/sub/deep/__init__.py", "")


def grows(wheel, own, version, chance):
    """A module in one version, a package in another."""
    path = f"{own}_grows.py" if version == chance.choice(VERSIONS) else f"{own}_grows/__init__.py"
    wheel.file(path, module_text(own, version))


def file_or_directory(wheel, own, version, chance):
    path = f"{own}/thing" if chance.random() < 0.5 else f"{own}/thing/inside.txt"
    wheel.file(path, version)


def module(wheel, own, version, chance):
    wheel.file(f"{own}_module.py", module_text(own, version))


def namespace(wheel, own, version, chance):
    wheel.file(f"space/{own}.py", module_text(own, version))
    wheel.file(f"space/{own}_same.py", "unchanged = True\n")


def common(wheel, own, version, chance):
    wheel.file(COMMON, "all have this\n")
    if chance.random() < 0.3:
        wheel.file("space/deep/er/common.py", "common = 1\n")


def disputed(wheel, own, version, chance):
    wheel.file(DISPUTED, f"# {own}\n" if chance.random() < 0.5 else "# equal\n")


def entry_points(wheel, own, version, chance):
    lines = [f"{own} = {own}:project", f"{own}-{version} = {own}:version.upper"]
    gui = f"[gui_scripts]\n{own}-gui = {own}:main [more]\n" if chance.random() < 0.4 else ""
    wheel.meta("entry_points.txt", "[console_scripts]\n" + "\n".join(lines) + f"\n{gui}\n[other]\na = b:c\n")


def shared_script(wheel, own, version, chance):
    """Two projects may want one launcher."""
    wheel.meta("entry_points.txt", f"[console_scripts]\nshared-tool = {own}:main\n")


def data_scripts(wheel, own, version, chance):
    wheel.file(f"{wheel.data}/scripts/{own}-run.py", f"#!python\nprint({version!r})\n", EXECUTABLE)
    wheel.file(f"{wheel.data}/scripts/{own}-sh", f"#!/bin/sh\necho {version}\n", EXECUTABLE)
    wheel.file(f"{wheel.data}/scripts/{own}-w", f"#!pythonw -x\nprint({version!r})\n")


def data_files(wheel, own, version, chance):
    wheel.file(f"{wheel.data}/data/share/{own}/data.txt", version)
    wheel.file(f"{wheel.data}/data/etc/common/{own}.conf", "same")
    if chance.random() < 0.3:
        wheel.file(f"{wheel.data}/data/bin/{own}-data-tool", "#!/bin/sh\n", EXECUTABLE)


def headers(wheel, own, version, chance):
    wheel.file(f"{wheel.data}/headers/{own}.h", f"/* {version} */")
    wheel.file(f"{wheel.data}/headers/deep/{own}.h", "/* same */")


def libraries(wheel, own, version, chance):
    wheel.file(f"{wheel.data}/purelib/{own}_pure.py", module_text(own, version))
    wheel.file(f"{wheel.data}/platlib/{own}/plat.py", module_text(own, version, 1))


def path_file(wheel, own, version, chance):
    wheel.file(f"{own}.pth", f"# {version}\n")


def bad_source(wheel, own, version, chance):
    wheel.file(f"{own}/bad.py", f"def broken(:  # {version}\n")
    if chance.random() < 0.5:
        wheel.file(f"{own}/odd/null.py", b"x = '\0'\n")
        wheel.file(f"{own}/odd/latin.py", "x = 'ä'\n".encode("latin-1"))


def only_bad_source(wheel, own, version, chance):
    wheel.file(f"{own}_bad.py", "def broken(:\n")


def bytecode(wheel, own, version, chance):
    """Bytecode in a wheel: of a source, of none, of another interpreter."""
    wheel.file(f"{own}/shipped.py", module_text(own, version))
    wheel.file(f"{own}/__pycache__/shipped.{CACHE_TAG}.pyc", b"not bytecode " + version.encode())
    wheel.file(f"{own}/__pycache__/shipped.cpython-34.pyc", b"older")
    wheel.file(f"{own}/sourceless.pyc", b"no source " + version.encode())


def odd_names(wheel, own, version, chance):
    names = ("with space.txt", "ünïcode.py", "com,ma.txt", 'quo"te.txt', "x" * 200, "a;b&c.txt", "-dash", "%41.txt")
    for name in chance.sample(names, 3):
        wheel.file(f"{own}/{name}", f"# {version}\n")


def empty_files(wheel, own, version, chance):
    wheel.file(f"{own}/__init__.py", "")
    wheel.file(f"{own}/py.typed", "")
    wheel.file(f"{own}/empty/__init__.py", "")


def executables(wheel, own, version, chance):
    wheel.file(f"{own}/tool.sh", "#!/bin/sh\n", EXECUTABLE if chance.random() < 0.7 else wheels.FILE)


def native(wheel, own, version, chance):
    wheel.file(f"{own}/_fast.cpython-311-x86_64-linux-gnu.so", b"\x7fELF" + version.encode() * 2000, EXECUTABLE)


def stubs(wheel, own, version, chance):
    wheel.file(f"{own}-stubs/__init__.pyi", f"version: str  # {version}\n")


def papers(wheel, own, version, chance):
    """Licences, a bill of materials (PEP 770), and metadata of other tools."""
    wheel.meta("licenses/LICENSE", "Do what you like.")
    wheel.meta("sboms/parts.cdx.json", '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}')
    wheel.meta("top_level.txt", f"{own}\n")
    if chance.random() < 0.3:
        wheel.meta("INSTALLER", "somebody\n")
        wheel.meta("REQUESTED", "")


def data_into_library(wheel, own, version, chance):
    """Data whose place is in the library: the same place as a module of the wheel, or another one."""
    name = "both" if chance.random() < 0.2 else "data"
    version = "{}.{}".format(*sys.version_info)
    library = chance.choice(("", f"lib/python{version}/site-packages/"))
    wheel.file(f"{wheel.data}/data/{library}{own}/{name}_only.py", "data = 1\n")
    wheel.file(f"{own}/both_only.py", "data = 1\n" if chance.random() < 0.7 else "data = 2\n")


def in_the_way(wheel, own, version, chance):
    """A file whose name is a directory of other projects, or the other way round."""
    if chance.random() < 0.5:
        wheel.file(chance.choice(("space", "space.py", "alpha", "bin")), "in the way\n")
    else:
        wheel.file(chance.choice(("omega_module.py/x.py", "space/common.txt/x.txt")), "in the way\n")


def protected(wheel, own, version, chance):
    """Names that belong to the environment."""
    names = ("scripts/python3", "scripts/activate", "data/pyvenv.cfg", "data/.lock", "purelib/.pkg-install/journal")
    wheel.file(f"{wheel.data}/{chance.choice(names)}", "evil")


def letter_case(wheel, own, version, chance):
    """Names that differ in case only."""
    wheel.file(f"{own}/Case.py", "one = 1\n")
    wheel.file(f"{own}/case.py", "two = 1\n")


def picky(wheel, own, version, chance):
    """A version that only some interpreters can use."""
    if version != "1.0":
        limit = chance.choice((">=3.12", "<3.12", ">=4", "!=3.11.*"))
        wheel.metadata += f"Requires-Python: {limit}\n".encode()


PARTS = [
    package, package, grows, file_or_directory, module, namespace, common, disputed, entry_points, shared_script,
    data_scripts, data_files, headers, libraries, path_file, bad_source, only_bad_source, bytecode, odd_names,
    empty_files, executables, native, stubs, papers, data_into_library, letter_case,
    in_the_way, protected, picky,
]  # fmt: skip
# They make most commands fail.
RARE = (in_the_way, protected, picky)
