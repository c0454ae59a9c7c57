"""Compare `pkg-install installer` with `python -m installer`: exit codes, output and trees.

    python3 tests/outside/against/compare_with_installer.py [--peers PEERS] [--only WORD]

Each case is a command line with the wheels that it names, run by both programs in the same empty
directory, one after the other: every option and its combinations, what has to be refused, wrong
usage, files that are there already, and wheels that are odd in some way. After success the trees
have to be equal: paths, kinds, modes and contents, bytecode with the paths inside it included. After
a failure both have to end with the same code; `python -m installer` may leave half an installation
then, pkg-install nothing. Intended differences, which docs/cli.md names:

- RECORD also lists bytecode here, and its rows are compared without those;
- the text of launchers: they have to import and call the same function with the same interpreter;
- the marks of repeated objects in bytecode, and the times of sources in it;
- the cases in `OURS`, each with the reason.

Exit code 1: anything else differs.
"""

from __future__ import annotations

import csv
import importlib.util
import marshal
import os
import pathlib
import re
import sys
import sysconfig

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

EPOCH = "1700000000"
# Where pkg-install differs on purpose: a pattern of the case, its exit code, and why. With code 0 both
# succeed or only pkg-install does, and the trees are not compared.
OURS = [
    ("an empty destdir", 2, "it is a mistake, as in `--destdir $UNSET`"),
    ("a deep destdir", 0, "what is before `..` is not created"),
    ("prefix without destdir|a relative prefix", 0, "paths in bytecode are absolute"),
    ("the prefix /", 0, "paths in bytecode do not begin with `//`"),
    ("(all|entries): md5", 1, "MD5 proves nothing"),
    ("none: (two columns|unknown algorithm|malformed .*)", 0, "RECORD is not checked"),
    ("two versions of a file, overwriting", 0, "RECORD and bytecode are of the file that is there"),
    ("named fancy-2.0-.*", 1, "the file states another version than the metadata"),
    ("named Fancy-1.0.0-.*", 0, "`.data` is not installed as a package"),
    ("no METADATA", 1, "no tool can read such a project"),
    (".data/scripts/sub", 1, "scripts are files"),
    (".data/scripts|script . 100644", 0, "scripts are executable"),
    ("bytecode in the wheel", 0, "it is data"),
    ("a path that stays", 1, "paths have no `..`"),
    ("a symbolic link", 1, "wheels hold no links"),
    ("INSTALLER in the wheel", 0, "it states another installer"),
    ("entry point 7", 1, "scripts are files"),
    ("over version .*, overwriting", 0, "the other version is replaced"),
]


class Case:
    """A command line: wheels to write, options, and what is there already.

    `before` is a command line that is run first, or a function of the directory.
    """

    def __init__(self, name, options="", given=(), before=None, **more):
        self.name, self.options, self.given = name, options.split("|") if options else [], given
        self.before, self.more = before, more


def fancy(name="fancy", version="1.0.0"):
    """The wheel of the tests of installer."""
    files = {
        f"{name}/__init__.py": 'def main():\n    print("I\'m fancy.")\n',
        f"{name}/__main__.py": 'if __name__ == "__main__":\n    from . import main\n    main()\n',
    }
    wheel = wheels.project(name, version, files, data={f"{name}/data.py": "# put me in data\n"})
    entries = f"[console_scripts]\n{name} = {name}:main\n\n[gui_scripts]\n{name}-gui = {name}:main\n"
    wheel.meta("entry_points.txt", entries)
    wheel.meta("top_level.txt", f"{name}\n")
    return wheel


def with_file(path, content="x = 1\n", name="fancy", **more):
    wheel = fancy(name)
    wheel.file(path.replace("DATA", wheel.data).replace("INFO", wheel.dist_info), content, **more)
    return wheel


def changed(base, **fields):
    for name, value in fields.items():
        setattr(base, name, value)
    return base


def with_rows(**rows):
    wheel = fancy()
    wheel.rows.update({f"fancy/{name}.py": row for name, row in rows.items()})
    return wheel


def renamed(file_name, wheel=None):
    return changed(wheel or fancy(), file_name=file_name)


def spelled(name, version="1.0"):
    """A wheel whose file, dist-info and data keep a spelling that is not the normal one."""
    wheel = wheels.Wheel(name, version)
    wheel.files({"mod.py": "x = 1\n", f"{wheel.data}/headers/h.h": "1\n"})
    return wheel.scripts("tool = mod:x\n")


def two_dist_infos():
    wheel = fancy()
    wheel.file("other-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    return wheel


DEST = "-d|dest|-p|/usr"
BAD = wheels.row("fancy/__init__.py", b"something else")


def cases():
    """All cases."""
    for group in (option_cases, record_cases, taken_cases, usage_cases, named_cases, odd_cases):
        yield from group([fancy()])


def option_cases(one):
    """Each option, and options together."""
    yield Case("as it is", DEST, one)
    yield Case("two wheels", DEST, [fancy(), fancy("another_fancy")])
    yield Case("prefix", "-d|dest|-p|/foo", one)
    yield Case("long options", "--destdir|dest|--prefix|/foo", one)
    yield Case("joined values", "--destdir=dest|--prefix=/foo", one)
    yield Case("abbreviated options", "--dest|dest|--pre|/foo|--val|all|--over", one)
    yield Case("no prefix", "-d|dest", one)
    yield Case("prefix without destdir", "-p|foo", one)
    yield Case("a prefix with a space", "-d|dest|-p|/a b/c", one)
    yield Case("a prefix with dots", "-d|dest|-p|/a/../b/./c/", one)
    yield Case("a relative prefix", "-d|dest|-p|rel/ative", one)
    yield Case("a deep destdir", "-d|a/b/../c|-p|/usr", one)
    yield Case("an empty destdir", "-d||-p|/usr", one)
    yield Case("the prefix /", "-d|dest|-p|/", one)
    yield Case("the last of two options", "-d|first|-d|dest|-p|/x|-p|/usr", one)
    for levels in ("0", "1", "2", "0 1", "1 2", "2 0", "1 1", "0 1 2"):
        words = "|".join(f"--compile-bytecode|{level}" for level in levels.split())
        yield Case(f"levels {levels}", f"{DEST}|{words}", one)
    yield Case("no bytecode", f"{DEST}|--no-compile-bytecode", one)
    both = f"{DEST}|--no-compile-bytecode|--compile-bytecode|1"
    yield Case("no bytecode at a level", both, one)
    yield Case("bytecode twice refused", f"{DEST}|--no-compile-bytecode|--no-compile-bytecode", one)
    for level in ("3", "-1", "x", "", "1,2", "01"):
        yield Case(f"level `{level}`", f"{DEST}|--compile-bytecode={level}", one)
    yield Case("level missing", f"{DEST}|--compile-bytecode", one)
    for word in ("some", "", "ALL", "al"):
        yield Case(f"validate `{word}`", f"{DEST}|--validate-record={word}", one)


def record_cases(one):
    """What is wrong with RECORD, for each value of `--validate-record`."""
    for part in ("all", "entries", "none"):
        check = f"{DEST}|--validate-record|{part}"
        yield Case(f"{part}: good", check, one)
        yield Case(f"{part}: another digest", check, [with_rows(__init__=BAD)])
        size = wheels.row("fancy/__init__.py", fancy().entries[0].content).rstrip() + "0\n"
        yield Case(f"{part}: another size", check, [with_rows(__init__=size)])
        yield Case(f"{part}: a file without row", check, [with_rows(__init__=None)])
        yield Case(f"{part}: no digest", check, [with_rows(__init__="fancy/__init__.py,,\n")])
        whole = wheels.row("fancy/__init__.py", fancy().entries[0].content).strip().split(",")
        yield Case(f"{part}: no size", check, [with_rows(__init__=f"{whole[0]},{whole[1]},\n")])
        yield Case(f"{part}: size only", check, [with_rows(__init__=f"{whole[0]},,{whole[2]}\n")])
        yield Case(f"{part}: two columns", check, [with_rows(__init__=f"{whole[0]},{whole[1]}\n")])
        odd = f"{whole[0]},rot13=abc,{whole[2]}\n"
        yield Case(f"{part}: unknown algorithm", check, [with_rows(__init__=odd)])
        odd = f"{whole[0]},sha256,{whole[2]}\n"
        yield Case(f"{part}: malformed digest", check, [with_rows(__init__=odd)])
        odd = f"{whole[0]},{whole[1]},many\n"
        yield Case(f"{part}: malformed size", check, [with_rows(__init__=odd)])
        md5 = wheels.digest(fancy().entries[0].content, "md5")
        yield Case(f"{part}: md5", check, [with_rows(__init__=f"{whole[0]},{md5},{whole[2]}\n")])
        more = wheels.row("fancy/missing.py", b"")
        yield Case(f"{part}: a row without file", check, [changed(fancy(), lines=more)])
        yield Case(f"{part}: no RECORD", check, [changed(fancy(), record=None)])
        own = fancy()
        own.rows[own.dist_info + "/RECORD"] = f"{own.dist_info}/RECORD,{whole[1]},{whole[2]}\n"
        yield Case(f"{part}: RECORD with a digest", check, [own])
        own = fancy()
        own.rows[own.dist_info + "/RECORD"] = ""
        yield Case(f"{part}: RECORD without a row", check, [own])
        for name in ("RECORD.jws", "RECORD.p7s"):
            yield Case(f"{part}: {name} listed", check, [with_file(f"INFO/{name}", "{}")])
            signed = with_file(f"INFO/{name}", "{}")
            signed.rows[f"{signed.dist_info}/{name}"] = None
            yield Case(f"{part}: {name} not listed", check, [signed])


def taken_cases(one):
    """Something is there already."""
    over = f"{DEST}|--overwrite-existing"
    yield Case("the same again", DEST, one, before=DEST)
    yield Case("the same again, overwriting", over, one, before=DEST)
    yield Case("the same wheel twice", DEST, one * 2)
    yield Case("the same wheel twice, overwriting", over, one * 2)
    shared = [with_file("ns/a.py", "1\n", name) for name in ("one", "two")]
    yield Case("two owners", DEST, shared)
    yield Case("two owners, overwriting", over, shared)
    shared = [with_file("ns/a.py", f"x = '{name}'\n", name) for name in ("one", "two")]
    yield Case("two versions of a file", DEST, shared)
    yield Case("two versions of a file, overwriting", over, shared)
    library = "dest" + sysconfig.get_path("purelib", vars={"base": "/usr", "platbase": "/usr"})
    for name, path in (
        ("module", f"{library}/fancy/__init__.py"), ("launcher", "dest/usr/bin/fancy"),
        ("data", "dest/usr/fancy/data.py"), ("stray", f"{library}/fancy/mine.py"),
        ("bytecode", f"{library}/fancy/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"),
    ):
        def stray(root, path=path):
            (root / path).parent.mkdir(parents=True)
            (root / path).write_text("mine")

        yield Case(f"a {name} is there", DEST, one, before=stray)
        yield Case(f"a {name} is there, overwriting", over, one, before=stray)

    def directory(root):
        (root / library / "fancy/__init__.py").mkdir(parents=True)

    yield Case("a directory is there", DEST, one, before=directory)
    yield Case("a directory is there, overwriting", over, one, before=directory)

    def file(root):
        (root / library).mkdir(parents=True)
        (root / library / "fancy").write_text("mine")

    yield Case("a file for a directory", DEST, one, before=file)
    yield Case("a file for a directory, overwriting", over, one, before=file)

    def dest(root):
        (root / "dest").write_text("")

    yield Case("destdir is a file", "-d|dest|-p|/usr", one, before=dest)


def usage_cases(one):
    """Wrong usage, and arguments that are no wheels."""
    yield Case("no wheel", DEST)
    yield Case("unknown option", f"{DEST}|--target|x", one)
    yield Case("an option without its value", "-d", one, options_last=True)
    yield Case("help", "--help")
    yield Case("help beside others", f"{DEST}|-h", one)
    yield Case("a wheel that is not there", f"{DEST}|no-1.0-py3-none-any.whl")
    yield Case("one of two is not there", f"{DEST}|no-1.0-py3-none-any.whl", one)
    yield Case("a directory of wheels", f"{DEST}|given", one, unnamed=True)
    yield Case("a URL", f"{DEST}|http://127.0.0.1:9/fancy-1.0.0-py3-none-any.whl")
    yield Case("a requirement", f"{DEST}|fancy")
    yield Case("no archive", f"{DEST}", [Raw("fancy-1.0.0-py3-none-any.whl", b"no archive")])
    yield Case("an empty file", f"{DEST}", [Raw("fancy-1.0.0-py3-none-any.whl", b"")])
    yield Case("cut", f"{DEST}", [Raw("fancy-1.0.0-py3-none-any.whl", fancy().bytes()[:-30])])


def named_cases(one):
    """Names of files and directories, and metadata."""
    tags = "py3-none-any.whl"
    for name in (
        "fancy-1.0.0.whl", "fancy.whl", "fancy-1.0.0-py3-none-any.zip", f"other-1.0.0-{tags}",
        f"fancy-2.0-{tags}", f"fancy-1.0.0-1-{tags}", f"Fancy-1.0.0-{tags}",
    ):
        yield Case(f"named {name}", DEST, [renamed(name)])
    yield Case("tags of another machine", DEST, [renamed("fancy-1.0.0-cp27-cp27m-win32.whl")])
    text = b"Metadata-Version: 2.1\nName: fancy\nVersion: 1.0.0\nRequires-Python: >=4\n"
    yield Case("Requires-Python", DEST, [changed(fancy(), metadata=text)])
    yield Case("no METADATA", DEST, [changed(fancy(), metadata=None)])
    yield Case("no WHEEL", DEST, [changed(fancy(), wheel=None)])
    for name, old, new in (
        ("Wheel-Version 2", b": 1.0", b": 2.0"), ("Wheel-Version 1.9", b": 1.0", b": 1.9"),
        ("not purelib", b"true", b"false"),
    ):
        yield Case(name, DEST, [changed(fancy(), wheel=fancy().wheel.replace(old, new))])
    yield Case("two dist-infos", DEST, [two_dist_infos()])
    for name in ("Fancy", "fancy.name", "Fancy_Name"):
        yield Case(f"spelled {name}", DEST, [spelled(name)])
    yield Case("version 1.0.0.post01", DEST, [spelled("fancy", "1.0.0.post01")])


def odd_cases(one):
    """Contents that are odd."""
    for kind in ("purelib", "platlib", "headers", "scripts", "data", "other"):
        yield Case(f".data/{kind}", DEST, [with_file(f"DATA/{kind}/sub.py", "#!python\nx = 1\n")])
        yield Case(f".data/{kind}/sub", DEST, [with_file(f"DATA/{kind}/sub/file.py", "x = 1\n")])
    lines = (
        "#!python", "#!pythonw", "#!/usr/bin/python", "#!/usr/bin/env python", "#!python3",
        "#!python -E", "#!python\r", "# nothing",
    )
    for number, line in enumerate(lines):
        for mode in (wheels.FILE, wheels.EXECUTABLE):
            wheel = with_file("DATA/scripts/tool", f"{line}\nprint(1)\n", mode=mode)
            yield Case(f"script {number} {mode:o}", DEST, [wheel])
    yield Case("an executable module", DEST, [with_file("fancy/run.py", mode=wheels.EXECUTABLE)])
    yield Case("a module of mode 600", DEST, [with_file("fancy/run.py", mode=0o100600)])
    yield Case("source that is no Python", DEST, [with_file("fancy/bad.py", "print 'two'\n")])
    yield Case("source with a null byte", DEST, [with_file("fancy/bad.py", "x = 1\0\n")])
    yield Case("source in Latin 1", DEST, [with_file("fancy/bad.py", "# é\n".encode("latin-1"))])
    yield Case("an empty source", DEST, [with_file("fancy/empty.py", "")])
    yield Case("names that need no identifier", DEST, [with_file("fancy/a-b.c.py", "")])
    yield Case("bytecode in the wheel", DEST, [with_file("fancy/__pycache__/x.cpython-20.pyc", "")])
    cached = f"fancy/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    yield Case("bytecode of a source in the wheel", DEST, [with_file(cached, "mine")])
    yield Case("bytecode beside", DEST, [with_file("fancy/legacy.pyc", "")])
    yield Case("an absolute path", DEST, [with_file("/abs.py")])
    yield Case("a path that leaves", DEST, [with_file("../out.py")])
    yield Case("a path that stays", DEST, [with_file("fancy/../in.py")])
    wheel = fancy()
    wheel.file("fancy/empty/", "", mode=0o040755)
    yield Case("an empty directory", DEST, [wheel])
    yield Case("a symbolic link", DEST, [with_file("fancy/link", "data.py", mode=wheels.LINK)])
    wheel = wheels.project("fancy", "1.0.0", {"fancy.py": ""})
    wheel.meta("INSTALLER", "other\n")
    yield Case("INSTALLER in the wheel", DEST, [wheel])
    lines = (
        "a = fancy:main [x]", "a=fancy:main.sub", "a = fancy", "a = fancy:main()",
        "A b = fancy:main", "a = fancy : main", "../a = fancy:main", "a/b = fancy:main",
    )
    for number, line in enumerate(lines):
        wheel = wheels.project("fancy", "1.0.0", {"fancy.py": ""}).scripts(line + "\n")
        yield Case(f"entry point {number}", DEST, [wheel])
    for version in ("0.9", "2.0"):
        before = (DEST, [fancy(version=version)])
        yield Case(f"over version {version}", DEST, one, before=before)
        over = f"{DEST}|--overwrite-existing"
        yield Case(f"over version {version}, overwriting", over, one, before=before)


class Raw:
    """A file that is no wheel."""

    def __init__(self, file_name, content):
        self.file_name, self.content = file_name, content

    def write(self, directory):
        path = pathlib.Path(directory, self.file_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return path


class Side:
    """One of the two programs."""

    def __init__(self, start, variables):
        self.start, self.variables = start, variables

    def run(self, words, root, umask=0o022):
        return venv.run([*self.start, *words], cwd=root, env=self.variables, umask=umask)


def words_of(case, paths):
    """The command line of a case."""
    paths = [] if case.more.get("unnamed") else [os.path.join("given", path.name) for path in paths]
    return [*paths, *case.options] if case.more.get("options_last") else [*case.options, *paths]


def outcome(side, case, root):
    """The finished command, the tree before it, and the tree after it."""
    trees.remove(root)
    root.mkdir()
    if isinstance(case.before, (str, tuple)):
        options, given = (case.before, case.given) if isinstance(case.before, str) else case.before
        paths = [wheel.write(root / "given") for wheel in given]
        first = side.run([*options.split("|"), *(f"given/{path.name}" for path in paths)], root)
        assert first.returncode == 0, first.stderr
        trees.remove(root / "given")
    elif case.before:
        case.before(root)
    before = read(root)
    paths = [wheel.write(root / "given") for wheel in case.given]
    done = side.run(words_of(case, paths), root)
    trees.remove(root / "given")
    return done, before, read(root)


def read(root):
    """A snapshot, in which RECORD and launchers are reduced to what has to be equal."""

    def rewrite(path, content):
        if path.endswith(".dist-info/RECORD"):
            rows = csv.reader(content.decode().splitlines())
            kept = [row for row in rows if row and not (row[0].endswith(".pyc") and not row[1])]
            # The digest of a launcher is that of its own text.
            kept = [row[:1] if "bin/" in row[0] else row for row in kept]
            kept = [[os.path.normpath(row[0]), *row[1:]] for row in kept]
            return "\n".join(map(",".join, sorted(kept))).encode()
        if b"sys.exit(" in content and "bin/" in path:
            parts = [content.split(b"\n")[0], *re.findall(rb"from \S+ import \S+", content)]
            return b" ".join(parts + re.findall(rb"sys\.exit\(([\w.]+)\(\)\)", content))
        if path.endswith(".pyc") and content[:4] == importlib.util.MAGIC_NUMBER:
            # Marshal's marks of repeated objects depend on what the interpreter did before.
            body = marshal.dumps(marshal.loads(content[16:]), 2)
            # The time of the source is that of the run.
            return (content[:16] if content[4] else content[:8] + content[12:16]) + body
        return content

    return trees.snapshot(root, rewrite=rewrite)


def compare(case, theirs, ours):
    """The differences of two outcomes."""
    (their_run, _, their_tree), (our_run, before, our_tree) = theirs, ours
    code = next((code for words, code, _ in OURS if re.fullmatch(words, case.name)), None)
    if code is not None:
        if our_run.returncode != code:
            yield f"ends with {our_run.returncode}: {venv.one_line(our_run.stderr, 200)}"
        elif code == their_run.returncode and (code or their_tree == our_tree):
            yield "is no difference any more"
        elif code and our_tree != before:
            yield "the failure left something: " + trees.difference(before, our_tree)
        return
    if their_run.returncode != our_run.returncode:
        said = venv.one_line(their_run.stderr, 120), venv.one_line(our_run.stderr, 120)
        yield f"ends with {our_run.returncode}, installer with {their_run.returncode}: {said}"
        return
    if our_run.returncode == 0 and their_tree != our_tree:
        yield trees.difference(their_tree, our_tree, 8)
    if our_run.returncode and our_tree != before:
        yield "the failure left something: " + trees.difference(before, our_tree)
    if our_run.returncode == 0 and our_run.stdout and "help" not in case.name:
        yield f"prints {our_run.stdout[:100]!r}"


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--peers", metavar="DIR", type=pathlib.Path, help="where installer is, or is fetched to")
    add("--only", metavar="WORD", default="", help="only cases whose names contain this")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    failed = count = 0
    with venv.scratch_directory("installer") as scratch:
        peers = venv.Peers(options.peers or scratch / "peers").make()
        root = scratch / "work"
        for epoch in ({}, {"SOURCE_DATE_EPOCH": EPOCH}):
            variables = venv.clean_variables(**epoch, PYTHONPATH=str(peers.installer))
            theirs = Side([sys.executable, "-m", "installer"], variables)
            variables = venv.clean_variables(**epoch)
            ours = Side([binary, "installer", "--python", sys.executable], variables)
            for case in cases():
                if options.only not in case.name:
                    continue
                count += 1
                pair = outcome(theirs, case, root), outcome(ours, case, root)
                for fault in compare(case, *pair):
                    failed += 1
                    print(f"{case.name}{' (epoch)' if epoch else ''}: {fault}", flush=True)
    print(f"compare_with_installer: {count} cases, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
