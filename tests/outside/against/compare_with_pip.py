"""Compare the files that pkg-install and pip install from the same wheels.

    python3 tests/outside/against/compare_with_pip.py --wheels DIR [--wheels DIR ...]
                                                      [--option=--on-conflict=last ...]

For each DIR two fresh virtual environments are made. pip installs the wheels into one, pkg-install
into the other, and the trees are compared: paths, kinds, contents, execute bits. Known and intended
differences are left out:

- dist-info directories: pip keeps the spelling of the wheel, pkg-install normalises name and
  version;
- INSTALLER, REQUESTED, direct_url.json;
- RECORD is compared as a set of rows, without the rows of those three files, without the digests of
  scripts that contain the path of their environment, without pip's rows for files that do not
  exist, and without the padding of digests;
- the text of entry-point scripts: they have to be executable, to start the Python of their own
  environment, and to import and call the same function;
- the path of the environment in the first lines of other scripts;
- the extra names (`pip3`, `pip3.11`) that pip gives to its own script.

If there are several wheels of one project, only the newest is installed. Exit code 1: anything else
differs; 2: an installation failed.
"""

from __future__ import annotations

import configparser
import csv
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

try:
    from pip._vendor.packaging.version import InvalidVersion, Version
except ImportError:
    InvalidVersion, Version = ValueError, None

SHOWN = 50
UNCOMPARED = ("INSTALLER", "REQUESTED", "direct_url.json")
DIST_INFO = re.compile(r"(lib\w*/python[^/]*/site-packages/)([^/]+?)-([^/-]+)\.dist-info(?=/|$)")
IN_DIST_INFO = re.compile(r"lib\w*/python[^/]*/site-packages/[^/]+\.dist-info/([^/]+)")


def normal_version(text):
    """A version in its normal spelling; in lower case if it is not valid."""
    text = text.replace("_", "-") if "+" not in text else text
    if Version is None:
        return re.sub(r"(?<![\w.])0+(?=\d)|(?<=\.)0+(?=\d)", "", text.lower())
    try:
        return str(Version(text))
    except InvalidVersion:
        return text.lower()


def normal_name(text):
    """The name of a project in the normal spelling of directories."""
    return venv.normal_name(text, "_")


def normal_path(path):
    """A path with its dist-info directory, if it has one, in the normal spelling."""

    def spell(match):
        place, name, version = match.groups()
        return f"{place}{normal_name(name)}-{normal_version(version)}.dist-info"

    return DIST_INFO.sub(spell, path)


def metadata_file(path):
    """The name of a file directly in a dist-info directory; empty for other files."""
    match = IN_DIST_INFO.fullmatch(path)
    return match[1] if match else ""


def newest_wheels(directory):
    """The newest wheel of each project, and the names of the others."""
    best = {}
    left_out = []
    for wheel in sorted(pathlib.Path(directory).glob("*.whl")):
        fields = wheel.name[: -len(".whl")].split("-")
        release = [int(number) for number in re.findall(r"\d+", fields[1])]
        build = int(re.match(r"\d*", fields[2]).group() or 0) if len(fields) == 6 else -1
        name = normal_name(fields[0])
        rank = (release, build, wheel.name)
        if name in best and best[name][0] > rank:
            left_out.append(wheel.name)
            continue
        if name in best:
            left_out.append(best[name][1].name)
        best[name] = (rank, wheel)
    return [wheel for _, wheel in best.values()], left_out


class Tree:
    """A virtual environment: every path below it in normal spelling, and the file at it."""

    def __init__(self, root):
        self.root = root
        self.own = set()
        self.paths = {}

    def read(self):
        """Read the paths; return the tree."""
        found = trees.snapshot(self.root, contents=False)
        self.paths = {normal_path(path): self.root / path for path in found}
        return self

    def remember_own(self):
        """Regard everything that exists now as the environment's own."""
        self.own = {(path, describe(full)) for path, full in self.read().paths.items()}

    def is_own(self, path):
        """Whether a path is unchanged since the environment was made."""
        return path in self.paths and (path, describe(self.paths[path])) in self.own

    def text(self, path):
        """The content of a script without the environment's path in its first lines."""
        lines = self.paths[path].read_bytes().split(b"\n")
        prefix = re.escape(os.fsencode(self.root))
        head = [re.sub(prefix + rb"/bin/python[0-9.]*", b"<PYTHON>", line) for line in lines[:3]]
        return b"\n".join(head + lines[3:])

    def entry_points(self):
        """The paths of the scripts for entry points."""
        scripts = set()
        for path, full in self.paths.items():
            if metadata_file(path) == "entry_points.txt":
                parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
                parser.optionxform = str
                parser.read_string(full.read_text(encoding="utf-8-sig"))
                for section in ("console_scripts", "gui_scripts"):
                    if parser.has_section(section):
                        scripts.update("bin/" + name for name in parser.options(section))
        return scripts


def describe(full):
    """The kind, the execute bits and the content of one file, directory or link."""
    node = trees.look(full)
    if node.kind != trees.FILE:
        return (node.kind, node.content) if node.content else (node.kind,)
    mode = "executable" if node.mode & 0o111 else "plain"
    return (node.kind, mode, f"{node.size} bytes", node.content[:16])


def call(tree, path):
    """The interpreter, the import and the call of an entry-point script."""
    content = tree.paths[path].read_text(encoding="utf-8", errors="replace")
    starts = str(tree.root) + "/bin/python" in "\n".join(content.splitlines()[:3])
    imports = re.search(r"^\s*from (\S+) import (\S+)", content, re.MULTILINE)
    calls = re.search(r"sys\.exit\(([\w.]+)\(\)\)", content)
    return (
        "its own Python" if starts else "another Python",
        imports.groups() if imports else "no import",
        calls.group(1) if calls else "no call",
    )


def normal_digest(text):
    """A digest of RECORD in URL-safe base64 without padding."""
    algorithm, _, value = text.partition("=")
    return algorithm + "=" + value.replace("+", "-").replace("/", "_").rstrip("=") if text else ""


def true_row(full):
    """The correct digest and size for a file."""
    content = full.read_bytes()
    return wheels.digest(content), str(len(content))


def record_rows(tree, path, rewritten):
    """The rows of a RECORD to compare: normal path -> (digest, size)."""
    rows = {}
    base = os.path.dirname(os.path.dirname(path))
    with open(tree.paths[path], newline="", encoding="utf-8") as stream:
        for row in csv.reader(stream):
            if not row:
                continue
            name, digest, size = (row + ["", ""])[:3]
            name = normal_path(os.path.normpath(os.path.join(base, name.lstrip("/"))))
            if metadata_file(name) in UNCOMPARED:
                continue
            if name in rewritten:
                digest = size = "not compared"
            elif not digest and name != path and name in tree.paths:
                # pip copies rows without a digest; the files are compared anyway.
                digest, size = true_row(tree.paths[name])
            rows[name] = (normal_digest(digest), size)
    return rows


def compare_records(pip, ours, path, rewritten):
    """The differences in one RECORD."""
    theirs, mine = record_rows(pip, path, rewritten), record_rows(ours, path, rewritten)
    for name in sorted(set(theirs) | set(mine)):
        if name not in pip.paths and name not in ours.paths and name not in mine:
            continue
        if theirs.get(name) != mine.get(name):
            yield "{}: row `{}`: pip has {}, pkg-install {}".format(
                path, name, theirs.get(name), mine.get(name)
            )


def compare(pip, ours):
    """Every difference between the two trees, as lines."""
    pips_own = {path for path in pip.paths if re.fullmatch(r"bin/(pip|easy_install)-?[\d.]+", path)}
    wrappers = pip.entry_points() | ours.entry_points() | pips_own
    scripts = {path for path in set(pip.paths) & set(ours.paths) if path.startswith("bin/")}
    rewritten = wrappers | {
        path for path in scripts if describe(pip.paths[path]) != describe(ours.paths[path])
    }
    for path in sorted(set(pip.paths) | set(ours.paths)):
        if metadata_file(path) in UNCOMPARED:
            continue
        if path not in ours.paths:
            if path not in pips_own:
                yield "{}: only pip has it".format(path)
        elif path not in pip.paths:
            yield "{}: only pkg-install has it".format(path)
        elif pip.is_own(path) and ours.is_own(path):
            continue
        elif metadata_file(path) == "RECORD":
            rows = compare_records(pip, ours, path, rewritten)
            yield from (
                row for row in rows if not any("`{}`".format(own) in row for own in pips_own)
            )
        else:
            yield from compare_files(pip, ours, path, wrappers)


def compare_files(pip, ours, path, wrappers):
    """The difference at one path that both trees have, if there is one."""
    theirs, mine = describe(pip.paths[path]), describe(ours.paths[path])
    if theirs == mine and path not in wrappers:
        return
    if theirs[:2] == mine[:2] and theirs[0] == "file":
        if path in wrappers:
            theirs, mine = call(pip, path), call(ours, path)
        elif path.startswith("bin/"):
            if pip.text(path) == ours.text(path):
                return
    if theirs != mine:
        yield "{}: pip has {}, pkg-install {}".format(path, theirs, mine)


def fresh(root):
    """A new virtual environment with nothing in it."""
    tree = Tree(venv.make(root))
    tree.remember_own()
    return tree


def compare_directory(directory, binary, options):
    """Install the wheels of a directory both ways; print and count the differences."""
    chosen, left_out = newest_wheels(directory)
    without = ", without " + ", ".join(left_out) if left_out else ""
    print(f"{directory}: {len(chosen)} wheels{without}")
    quiet = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir"]
    with venv.scratch_directory("compare") as scratch:
        # The paths have the same length, so that scripts have the same size.
        pip, ours = fresh(scratch / "pip"), fresh(scratch / "our")
        python = ["--python", pip.root / "bin/python"]
        venv.must([sys.executable, "-m", "pip", *python, "install", *quiet, *chosen])
        venv.must([binary, *chosen, "--target", ours.root, *options])
        differences = list(compare(pip.read(), ours.read()))
    for line in differences[:SHOWN]:
        print(line)
    if len(differences) > SHOWN:
        print(f"... and {len(differences) - SHOWN} more")
    print(f"{len(differences)} differences")
    return len(differences)


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    directory = "a directory of wheels; may be repeated"
    add("--wheels", action="append", required=True, metavar="DIR", help=directory)
    add("--option", action="append", default=[], help="one more argument for pkg-install")
    options = parser.parse_args()
    binary, more = venv.checked_binary(options.binary), options.option
    counts = [compare_directory(directory, binary, more) for directory in options.wheels]
    return 1 if any(counts) else 0


if __name__ == "__main__":
    sys.exit(main())
