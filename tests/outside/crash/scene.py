"""What the crash tests share: wheels, environments, and trees that can be compared and put back.

`project` makes the text of a wheel, `make_wheel` the file. `Scene` is a scratch directory with one virtual environment
in it that a scenario is played in again and again: its root directory stays the same one (a journal knows it by its
inode), its content is put back from a copy. `tree` is a directory as a value: paths, kinds, modes, contents and links,
without `.lock`, which stays where a command has changed something.

Needs python3 and a binary of pkg-install. Linux.
"""

import base64
import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import zipfile

CONTROL = ".pkg-install"
LOCK = ".lock"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
PURELIB = f"lib/{PYTHON}/site-packages"


def default_binary():
    """The release binary of the repository that this file is in."""
    target = os.environ.get("CARGO_TARGET_DIR", pathlib.Path(__file__).resolve().parents[3] / "target")
    return pathlib.Path(target, "release", "pkg-install")


def add_binary_option(parser):
    parser.add_argument("--binary", type=pathlib.Path, default=default_binary(), help="the pkg-install to test")


def checked_binary(path):
    """The binary's absolute path, or an end with a message. From here on SIGTERM ends in order, so that mounts go."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    path = pathlib.Path(path).resolve()
    if not os.access(path, os.X_OK):
        sys.exit(f"`{path}` is no program: build it with `cargo build --release`, or name one with --binary")
    return path


def need(*tools):
    """Install missing tools where that is possible, else end with a message. `tools` are (program, package) pairs."""
    missing = [(tool, package) for tool, package in tools if find(tool) is None]
    if missing and shutil.which("apt-get"):
        packages = sorted({package for _, package in missing})
        as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        with contextlib.suppress(OSError):
            subprocess.run([*as_root, "apt-get", "update"], check=False, **quiet)
            variables = ["env", "DEBIAN_FRONTEND=noninteractive"]
            subprocess.run([*as_root, *variables, "apt-get", "install", "-y", *packages], check=False, **quiet)
    lacking = [f"{tool} (package {package})" for tool, package in missing if find(tool) is None]
    return lacking


def find(tool):
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin:/usr/local/sbin")


def insist(*tools):
    lacking = need(*tools)
    if lacking:
        sys.exit("missing: " + ", ".join(lacking))


def scratch_home():
    """Where scratch directories are fastest."""
    shared = pathlib.Path("/dev/shm")
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else pathlib.Path(tempfile.gettempdir())


def clean_variables(**more):
    """The environment variables for a command under test: nothing that could configure it."""
    foreign = ("PKG_INSTALL_", "PIP_", "PYTHON", "VIRTUAL_ENV", "UV_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    variables.update(PYTHONDONTWRITEBYTECODE="1", LC_ALL="C", **more)
    return variables


# Wheels


def project(name, version, files, scripts=(), data=(), headers=()):
    """A project as plain values. `files` and `data` map paths to text; scripts are `name = module:function`."""
    return {
        "name": name,
        "version": version,
        "files": dict(files),
        "scripts": list(scripts),
        "data": dict(data),
        "headers": dict(headers),
    }


def module_text(name, version, salt=0, lines=4):
    """A small module that says which project and version it is of."""
    body = "\n".join(f"x{line} = {salt * 1000 + line}  # {name} {version}" for line in range(lines))
    return f'project = "{name}"\nversion = "{version}"\n{body}\n'


def make_wheel(directory, made):
    """Write the wheel of a project into a directory; return its path."""
    name, version = made["name"].replace("-", "_"), made["version"]
    info = f"{name}-{version}.dist-info"
    members = {path: text.encode() for path, text in made["files"].items()}
    for path, text in made["data"].items():
        members[f"{name}-{version}.data/data/{path}"] = text.encode()
    for path, text in made["headers"].items():
        members[f"{name}-{version}.data/headers/{path}"] = text.encode()
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {made['name']}\nVersion: {version}\n\n".encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: crash\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if made["scripts"]:
        members[f"{info}/entry_points.txt"] = ("[console_scripts]\n" + "\n".join(made["scripts"]) + "\n").encode()
    rows = []
    for path, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    rows.append(f"{info}/RECORD,,")
    members[f"{info}/RECORD"] = ("\n".join(rows) + "\n").encode()
    path = pathlib.Path(directory, f"{name}-{version}-py3-none-any.whl")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            entry = zipfile.ZipInfo(member, (2020, 1, 2, 3, 4, 6))
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


def scenario_projects(size):
    """Two versions of some projects which meet in every way that a replacement has to deal with.

    A namespace that two of them share, a module that becomes a package and a package that becomes a module, scripts
    that come, stay and go, data files and headers, a nested package whose files come and go, a `.pth` file, a file
    that two own alike. `size` is the number of plain modules in each of the packages.
    """
    versions = []
    for version in ("1.0", "2.0"):
        new = version == "2.0"
        plain = {f"alpha/m{n}.py": module_text("alpha", version, n) for n in range(size)}
        plain["alpha/__init__.py"] = module_text("alpha", version)
        plain["alpha/deep/er/__init__.py"] = module_text("alpha", version, 1)
        plain["alpha/deep/new.py" if new else "alpha/deep/old.py"] = module_text("alpha", version, 2)
        alpha = project(
            "alpha",
            version,
            plain,
            scripts=["alpha = alpha:main", "alpha-new = alpha:main" if new else "alpha-old = alpha:main"],
            data={"share/alpha/data.txt": version, f"share/alpha/only-{version}.txt": "x", "share/man/man1/a.1": version},
            headers={"alpha.h": f"/* {version} */"},
        )
        first = {f"space/one/m{n}.py": module_text("space-one", version, n) for n in range(size // 2)}
        first["space/common.txt"] = "both have this\n"
        second = {f"space/two/m{n}.py": module_text("space-two", version, n) for n in range(size // 2)}
        second["space/common.txt"] = "both have this\n"
        second["space/only_new.py" if new else "space/only_old.py"] = module_text("space-two", version)
        if new:
            grows = {"grows/__init__.py": module_text("grows", version), "grows/inside.py": "y = 2\n"}
            shrinks = {"shrinks.py": module_text("shrinks", version), "shrinks.pth": "# 2\n"}
        else:
            grows = {"grows.py": module_text("grows", version)}
            shrinks = {"shrinks/__init__.py": module_text("shrinks", version), "shrinks/inside/a.py": "y = 1\n"}
            shrinks["shrinks.pth"] = "# 1\n"
        versions.append(
            [
                alpha,
                project("space-one", version, first, scripts=["one = space.one.m0:main"]),
                project("space-two", version, second),
                project("grows", version, grows),
                project("shrinks", version, shrinks, data={"etc/shrinks/conf.d/a.conf": version}),
            ]
        )
    return versions


# Trees


def tree(root):
    """A directory as a value: {relative path: (kind, mode, content)}; {} where there is none. `.lock` does not count."""
    found = {}
    root = os.fspath(root)

    def enter(path, below):
        with os.scandir(path) as entries:
            for entry in entries:
                name = below + entry.name
                if name == LOCK:
                    continue
                seen = entry.stat(follow_symlinks=False)
                mode = stat.S_IMODE(seen.st_mode)
                if stat.S_ISDIR(seen.st_mode):
                    found[name] = ("directory", mode, None)
                    enter(entry.path, name + "/")
                elif stat.S_ISLNK(seen.st_mode):
                    found[name] = ("link", None, os.readlink(entry.path))
                elif stat.S_ISREG(seen.st_mode):
                    with open(entry.path, "rb") as file:
                        found[name] = ("file", mode, hashlib.sha256(file.read()).digest())
                else:
                    found[name] = ("other", mode, None)

    if os.path.isdir(root):
        enter(root, "")
    return found


def without_control(found):
    """A tree without anything of pkg-install's own."""
    return {path: what for path, what in found.items() if CONTROL not in path.split("/")}


def difference(expected, found, limit=6):
    """How two trees differ, in a few words."""
    words = [f"-{path}" for path in sorted(expected.keys() - found.keys())]
    words += [f"+{path}" for path in sorted(found.keys() - expected.keys())]
    words += [f"~{path}" for path in sorted(expected.keys() & found.keys()) if expected[path] != found[path]]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return " ".join(words[:limit]) + more


def empty(directory):
    """Remove everything in a directory, whatever its modes are."""
    for entry in list(os.scandir(directory)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, onerror=force)
        else:
            os.unlink(entry.path)


def remove(directory):
    """Remove a directory where it is there."""
    if os.path.lexists(directory):
        shutil.rmtree(directory, onerror=force)


def force(action, path, _):
    """Make way for the removal of something whose modes forbid it."""
    os.chmod(os.path.dirname(path), 0o700)
    if not os.path.islink(path):
        os.chmod(path, 0o700)
    action(path)


def copy_content(source, target):
    """Copy what is in a directory into another one: modes, links, times to the nanosecond."""
    for entry in os.scandir(source):
        to = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), to)
        elif entry.is_dir():
            os.mkdir(to)
            copy_content(entry.path, to)
            shutil.copystat(entry.path, to)
        else:
            shutil.copy2(entry.path, to)


# Environments


def make_venv(root, base=None):
    """A virtual environment without pip, made without starting its interpreter, which is `base` or the one at work."""
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / "bin").mkdir()
    (root / "include").mkdir()
    (root / PURELIB).mkdir(parents=True)
    base = os.fspath(base or os.path.realpath(sys.executable))
    for name in ("python", "python3", PYTHON):
        (root / "bin" / name).symlink_to(base if name == "python" else "python")
    version = ".".join(map(str, sys.version_info[:3]))
    (root / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    return root


def run(command, **more):
    """Run a command without input; its outputs are text."""
    more.setdefault("env", clean_variables())
    return subprocess.run(
        [os.fspath(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
        **more,
    )


class Scene:
    """A scratch directory with an environment `root`, and copies of states to put it back into."""

    def __init__(self, binary, size, name="scene"):
        self.binary = binary
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"pkg-install-{name}-", dir=scratch_home()))
        self.root = self.scratch / "venv"
        make_venv(self.root)
        old, new = scenario_projects(size)
        self.old = [make_wheel(self.scratch / "old", made) for made in old]
        self.new = [make_wheel(self.scratch / "new", made) for made in new]
        self.names = [made["name"] for made in old]
        self.fresh_target = self.scratch / "place" / "target"
        (self.scratch / "place").mkdir()

    def close(self):
        remove(self.scratch)

    def command(self, *words, target=None):
        """A command line of pkg-install on this scene's environment."""
        return [self.binary, *words, "--target", target or self.root]

    def must(self, *words, target=None):
        """Run a command that has to succeed."""
        result = run(self.command(*words, target=target))
        if result.returncode:
            raise SystemExit(f"the scene cannot be set: {words[0]}: exit {result.returncode}: {result.stderr}")
        return result

    def save(self, state):
        """Keep a copy of the environment as it is."""
        copy = self.scratch / f"state-{state}"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        copy_content(self.root, copy)

    def restore(self, state):
        """Put the environment back; its root directory stays the same one."""
        empty(self.root)
        copy_content(self.scratch / f"state-{state}", self.root)


def describe_status(code):
    """An exit status in words."""
    return signal.Signals(-code).name if code < 0 else f"exit {code}"
