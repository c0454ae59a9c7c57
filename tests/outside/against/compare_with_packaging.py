"""Compare how pkg-install and `packaging` read requirements, markers and sets of versions.

    python3 tests/outside/against/compare_with_packaging.py [--count 100000] [--seed N] [--sample FILE]

It makes random lines, asks `packaging` about each, writes both into a file and lets the test
`packaging_reads_the_same` check it (`cargo test --test it packaging`), which otherwise checks the
sample in `testdata/resolve/packaging.tsv`. `--sample` writes that sample instead. A third of the
lines are requirements, a third are markers, and a third are pairs of a set and a version. It needs
`packaging` and cargo. Exit code 1: something is read in another way.

Known differences are not made: `===` with something that is no version, which `packaging` compares
as text; addresses, which are checked when they are used; and `!=` with a version on its right and
something else on its left, which the specification compares as text and `packaging` calls false.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from packaging.markers import Marker, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SAMPLE = REPOSITORY / "testdata" / "resolve" / "packaging.tsv"
# The test has the same.
ENVIRONMENT = {
    "implementation_name": "cpython",
    "implementation_version": "3.12.1",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1.0",
    "platform_system": "Linux",
    "platform_version": "#1 SMP",
    "python_full_version": "3.12.1",
    "python_version": "3.12",
    "sys_platform": "linux",
    "extra": "",
}
OPERATORS = ["==", "!=", "<=", ">=", "<", ">", "~="]


def is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


class Maker:
    """Makes random lines."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, *choices):
        return self.random.choice(choices)

    def version(self) -> str:
        chance = self.random.random
        text = ".".join(str(self.some(0, 1, 2, 3, 10)) for _ in range(self.some(1, 2, 2, 3, 4)))
        if chance() < 0.05:
            text = f"{self.some(0, 1)}!{text}"
        if chance() < 0.2:
            text += self.some("a1", "b2", "rc1", ".a0", "-beta", "c3", ".pre2")
        if chance() < 0.15:
            text += self.some(".post1", "-1", ".post0", "rev2", ".post")
        if chance() < 0.15:
            text += self.some(".dev0", ".dev3", "dev", "-dev1")
        if chance() < 0.1:
            text += self.some("+local", "+cu12", "+1", "+a.2", "+1_x")
        return text

    def clause(self) -> str:
        operator, version = self.some(*OPERATORS), self.version()
        if operator in ("==", "!=") and self.random.random() < 0.3:
            version = version.split("+")[0] + ".*"
        return operator + self.some("", "", " ") + version

    def specifiers(self) -> str:
        return self.some(",", ", ").join(self.clause() for _ in range(self.some(1, 1, 2, 3)))

    def comparison(self) -> str:
        field = self.some(*ENVIRONMENT)
        value = ENVIRONMENT[field] if self.random.random() < 0.4 else self.some("3.12", "3.9", "3.13.0", "linux", "win32", "x", "CPython", "docs", "6.1", "")
        operator = self.some("==", "!=", "<", ">=", ">", "<=", "in", "not in", "==", "==")
        quote = self.some('"', "'")
        sides = [field, f"{quote}{value}{quote}"]
        # See "Known differences" above.
        as_text = operator == "!=" and is_version(ENVIRONMENT[field]) and not is_version(value)
        if self.random.random() < 0.2 and not as_text:
            sides.reverse()
        return f" {operator} ".join(sides)

    def marker(self, depth: int = 0) -> str:
        if depth > 2 or self.random.random() < 0.4:
            return self.comparison()
        inner = f" {self.some('and', 'or')} ".join(self.marker(depth + 1) for _ in range(self.some(2, 2, 3)))
        return f"({inner})" if self.random.random() < 0.5 else inner

    def requirement(self) -> str:
        text = self.some("a", "Flask", "zope.interface", "a_b--c", "x2", "-a", "a-", "")
        if self.random.random() < 0.3:
            text += self.some("[b]", "[b,C_d]", "[ b , c ]", "[]", "[b,]", "[b", " [b.c]")
        text += self.some("", " ", " ") + self.some(self.specifiers(), self.specifiers(), f"({self.specifiers()})", "", ">", "1.0", ">=1,,<2", ">=1,")
        if self.random.random() < 0.4:
            text += self.some(";", "; ", " ; ") + self.marker()
        if self.random.random() < 0.1 and text:
            at = self.random.randrange(len(text))
            text = text[:at] + self.some("", "(", ")", ",", ";", '"', "=", "x", " ") + text[at + 1:]
        return text


def requirement(text: str) -> str:
    try:
        read = Requirement(text)
    except InvalidRequirement:
        return "refused"
    if read.url:
        return ""
    extras = ",".join(sorted(canonicalize_name(extra) for extra in read.extras))
    holds = read.marker is None or read.marker.evaluate(ENVIRONMENT)
    # The set is told by what it contains.
    inside = [text for text in ("0.9", "1.0", "1.1a1", "2", "3.10") if read.specifier.contains(text, prereleases=True)]
    return f"{canonicalize_name(read.name)}|{extras}|{' '.join(inside)}|{holds}".lower()


def marker(text: str) -> str:
    try:
        return str(Marker(text).evaluate(ENVIRONMENT)).lower()
    except UndefinedEnvironmentName:
        return ""


def contains(specifiers: str, version: str) -> str:
    try:
        return str(SpecifierSet(specifiers).contains(Version(version), prereleases=True)).lower()
    except InvalidSpecifier:
        return "refused"


def lines(maker: Maker, count: int):
    made = 0
    while made < count:
        kind = ("requirement", "marker", "contains")[made % 3]
        if kind == "requirement":
            text, other = maker.requirement(), ""
            expected = requirement(text)
        elif kind == "marker":
            text, other = maker.marker(), ""
            expected = marker(text)
        else:
            text, other = maker.specifiers(), maker.version()
            expected = contains(text, other)
        if expected and "\t" not in text and "===" not in text:
            made += 1
            yield "\t".join((kind, text, other, expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=pathlib.Path)
    options = parser.parse_args()
    text = "".join(line + "\n" for line in lines(Maker(options.seed), options.count))
    if options.sample:
        options.sample.write_text(text)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write(text)
        file.flush()
        command = ["cargo", "test", "--test", "it", "packaging_reads_the_same"]
        done = subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"PACKAGING_CASES": file.name})
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
