"""Compare what pkg-install installs with what pip installs from the same wheels.

    python3 compare_with_pip.py --binary PATH --wheels DIR [--wheels DIR ...] [--option=--on-conflict=last ...]

For each DIR two fresh virtual environments are made; one gets the wheels from pip, the other from pkg-install, and then
the trees are compared: presence, kind, content, execute bits. What is known and meant to differ is left out:

- dist-info directories: pip keeps the spelling of the wheel, pkg-install normalises name and version;
- INSTALLER, REQUESTED, direct_url.json;
- RECORD: compared as a set of rows, without the rows of those three files, without the digests of scripts that name
  their environment, without pip's rows of files that nobody wrote, and without the padding of digests;
- the text of entry-point scripts: they have to be executable, to start their own environment's Python, and to import
  and call the same thing;
- the environment's own path in the first lines of other scripts;
- the extra names (`pip3`, `pip3.11`) that pip gives to its own script.

Of several wheels of one project only the newest is installed. The exit code is 1 where anything else differs.
"""

import argparse
import base64
import configparser
import csv
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile

try:
    from pip._vendor.packaging.version import InvalidVersion, Version
except ImportError:
    InvalidVersion, Version = ValueError, None

SHOWN = 50
UNCOMPARED = ("INSTALLER", "REQUESTED", "direct_url.json")
DIST_INFO = re.compile(r"(lib\w*/python[^/]*/site-packages/)([^/]+?)-([^/-]+)\.dist-info(?=/|$)")
IN_DIST_INFO = re.compile(r"lib\w*/python[^/]*/site-packages/[^/]+\.dist-info/([^/]+)")


def normal_version(text):
    """A version in its one normal spelling; as it is where it is no version."""
    text = text.replace("_", "-") if "+" not in text else text
    if Version is None:
        return re.sub(r"(?<![\w.])0+(?=\d)|(?<=\.)0+(?=\d)", "", text.lower())
    try:
        return str(Version(text))
    except InvalidVersion:
        return text.lower()


def normal_name(text):
    """A project's name in its one normal spelling, as directories have it."""
    return re.sub(r"[-_.]+", "_", text).lower()


def normal_path(path):
    """A path with the dist-info directory of an installed project, where it has one, spelled normally."""
    return DIST_INFO.sub(
        lambda match: "{}{}-{}.dist-info".format(match[1], normal_name(match[2]), normal_version(match[3])), path
    )


def metadata_file(path):
    """The name of a file directly in the dist-info directory of an installed project, else nothing."""
    match = IN_DIST_INFO.fullmatch(path)
    return match[1] if match else ""


def newest_wheels(directory):
    """One wheel of each project, and the names of those left out."""
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
    """A virtual environment, read once: every path below it, normally spelled."""

    def __init__(self, root):
        self.root = root
        self.own = set()
        self.paths = {}

    def read(self):
        """Read the tree; return it."""
        self.paths = {}
        for directory, directories, files in os.walk(self.root):
            for name in directories + files:
                full = pathlib.Path(directory, name)
                relative = full.relative_to(self.root).as_posix()
                if relative != ".lock":
                    self.paths[normal_path(relative)] = full
        return self

    def remember_own(self):
        """Take what is there now for the environment's own."""
        self.own = {(path, describe(full)) for path, full in self.read().paths.items()}

    def is_own(self, path):
        """Whether the path is as it was when the environment was made."""
        return path in self.paths and (path, describe(self.paths[path])) in self.own

    def text(self, path):
        """The content of a script with the environment's paths taken out of its first lines."""
        lines = self.paths[path].read_bytes().split(b"\n")
        prefix = re.escape(os.fsencode(self.root))
        head = [re.sub(prefix + rb"/bin/python[0-9.]*", b"<PYTHON>", line) for line in lines[:3]]
        return b"\n".join(head + lines[3:])

    def entry_points(self):
        """The paths of the scripts that entry points ask for."""
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
    """Kind, execute bits and content of one thing."""
    status = full.lstat()
    if stat.S_ISLNK(status.st_mode):
        return ("link", os.readlink(full))
    if stat.S_ISDIR(status.st_mode):
        return ("directory",)
    if not stat.S_ISREG(status.st_mode):
        return ("special",)
    digest = hashlib.sha256(full.read_bytes()).hexdigest()[:16]
    return ("file", "executable" if status.st_mode & 0o111 else "plain", str(status.st_size) + " bytes", digest)


def call(tree, path):
    """What an entry-point script starts, imports and calls."""
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
    """The digest and size that are true of a file."""
    content = full.read_bytes()
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")
    return "sha256=" + encoded, str(len(content))


def record_rows(tree, path, rewritten):
    """The rows of a RECORD that are compared: normal path -> (digest, size)."""
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
                digest = size = "of its own"
            elif not digest and name != path and name in tree.paths:
                # pip copies rows without a digest; what is on disk is compared anyway.
                digest, size = true_row(tree.paths[name])
            rows[name] = (normal_digest(digest), size)
    return rows


def compare_records(pip, ours, path, rewritten):
    """The differences of one RECORD."""
    theirs, mine = record_rows(pip, path, rewritten), record_rows(ours, path, rewritten)
    for name in sorted(set(theirs) | set(mine)):
        if name not in pip.paths and name not in ours.paths and name not in mine:
            continue
        if theirs.get(name) != mine.get(name):
            yield "{}: row `{}`: pip has {}, pkg-install {}".format(path, name, theirs.get(name), mine.get(name))


def compare(pip, ours):
    """Every difference of the two trees, as lines."""
    pips_own = {path for path in pip.paths if re.fullmatch(r"bin/(pip|easy_install)-?[\d.]+", path)}
    wrappers = pip.entry_points() | ours.entry_points() | pips_own
    scripts = {path for path in set(pip.paths) & set(ours.paths) if path.startswith("bin/")}
    rewritten = wrappers | {path for path in scripts if describe(pip.paths[path]) != describe(ours.paths[path])}
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
            yield from (row for row in rows if not any("`{}`".format(own) in row for own in pips_own))
        else:
            yield from compare_files(pip, ours, path, wrappers)


def compare_files(pip, ours, path, wrappers):
    """The difference of one path that both trees have, if there is one."""
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


def run(command):
    """Run a command that has to succeed; it sees none of the caller's settings."""
    foreign = ("PKG_INSTALL_", "PIP_", "PYTHON", "VIRTUAL_ENV")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    variables.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_CONFIG_FILE=os.devnull, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(" ".join(map(str, command[:6])), "...: exit code", done.returncode)
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
        sys.exit(2)


def fresh(scratch, name):
    """A new virtual environment with nothing in it."""
    root = pathlib.Path(scratch, name)
    run([sys.executable, "-m", "venv", "--without-pip", root])
    tree = Tree(root)
    tree.remember_own()
    return tree


def compare_directory(directory, binary, options):
    """Install the wheels of `directory` both ways; print and count the differences."""
    wheels, left_out = newest_wheels(directory)
    print("{}: {} wheels{}".format(directory, len(wheels), ", without " + ", ".join(left_out) if left_out else ""))
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="compare-", dir=memory))
    try:
        pip, ours = fresh(scratch, "pip"), fresh(scratch, "our")
        quiet = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir"]
        run([sys.executable, "-m", "pip", "--python", pip.root / "bin/python", "install", *quiet, *wheels])
        run([binary, *wheels, "--target", ours.root, *options])
        differences = list(compare(pip.read(), ours.read()))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for line in differences[:SHOWN]:
        print(line)
    if len(differences) > SHOWN:
        print("... and {} more".format(len(differences) - SHOWN))
    print("{} differences".format(len(differences)))
    return len(differences)


def main():
    """Compare every directory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", action="append", required=True, metavar="DIR", help="a directory of wheels")
    parser.add_argument("--binary", required=True, type=os.path.abspath, help="pkg-install")
    parser.add_argument("--option", action="append", default=[], help="one more argument for pkg-install")
    arguments = parser.parse_args()
    counts = [compare_directory(directory, arguments.binary, arguments.option) for directory in arguments.wheels]
    sys.exit(1 if any(counts) else 0)


if __name__ == "__main__":
    main()
