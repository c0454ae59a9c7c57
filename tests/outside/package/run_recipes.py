"""Run the steps of every recipe in recipes/, and of action.yml.

    python3 tests/outside/package/run_recipes.py [--only container --only debian ...] [--wheel WHEEL]

The projects come from an index on the loopback. The program is that of --binary, in a wheel that is
made for the test, or the wheel of a release (`--wheel`).

- container: the image is built twice, for two lock files, and the second build fetches only what is
  new; the image has neither an installer nor a cache. The commands of the Containerfile run below
  bubblewrap, and with buildah as well if it is there.
- debian: dpkg-buildpackage makes the package twice, with the same bytes; lintian finds no error; the
  package's script runs. Needs debhelper.
- github: the steps of the job and of the action run in their order, with bash, as a runner does.
- pre-commit: the hook passes a good wheel and refuses a damaged one. pre-commit and PyYAML are fetched
  from the package index.

A recipe whose tools are not there is left out. Exit code 1: a check failed, or no recipe was run.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "against"))

import containers
import workflow
from checks import Checks
from run_documentation import Index, make_wheels

from lib import venv, wheels

RECIPES = venv.REPOSITORY / "recipes"


class Counting(Index):
    """The index, which counts the wheels that are fetched."""

    fetched: list[str] = []

    def do_GET(self):
        if self.path.endswith(".whl"):
            self.fetched.append(self.path.rsplit("/", 1)[-1])
        super().do_GET()


class Test:
    """What the recipes share: the program, its wheel, an index, and a scratch directory."""

    def __init__(self, scratch, binary, wheel, checks):
        self.scratch, self.binary, self.checks = scratch, binary, checks
        served = scratch / "served"
        make_wheels(served / "wheels")
        handler = functools.partial(Counting, directory=str(served))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.index = f"http://127.0.0.1:{self.server.server_port}/simple/"
        # The index has the program, too.
        if wheel is None:
            self.own_wheel().write(served / "wheels")
        else:
            shutil.copy(wheel, served / "wheels")
        tools = scratch / "tools"
        tools.mkdir()
        (tools / "pkg-install").symlink_to(binary)
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.variables = venv.clean_variables(HOME=str(scratch / "home"), PATH=path)
        self.variables["PIP_INDEX_URL"] = self.index
        (scratch / "home").mkdir()

    def own_wheel(self):
        """A wheel of the program: its files are those of a release, its tags fit everywhere."""
        version = venv.must([self.binary, "--version"]).split()[-1]
        wheel = wheels.Wheel("pkg_install", version)
        package = venv.REPOSITORY / "python" / "pkg_install"
        files = {f"pkg_install/{path.name}": path.read_bytes() for path in package.glob("*.py")}
        program = f"pkg_install-{version}.data/scripts/pkg-install"
        # Level 1: a debug build is large, and the wheel is used once.
        wheel.level = 1
        wheel.file(program, self.binary.read_bytes(), wheels.EXECUTABLE)
        return wheel.files(files)

    def lock(self, directory, *wanted):
        """Write pylock.toml."""
        command = [self.binary, "resolve", *wanted, "--lock", directory / "pylock.toml"]
        lone = ["--no-pip-config", "--no-cache", "--index-url", self.index]
        venv.must([*command, *lone, "--python", sys.executable], env=self.variables)

    def ran(self, title, command, code=0, **more):
        """Run a command, and check its exit code."""
        more.setdefault("env", self.variables)
        done = venv.run(command, **more)
        detail = f"{venv.describe_status(done.returncode)}\n{done.stdout}{done.stderr}"
        self.checks.check(title, done.returncode == code, detail[-4000:])
        return done


def container(test):
    """Build the image below bubblewrap and with buildah, as far as they are there."""
    builders = [name for name in ("bwrap", "buildah") if shutil.which(name)]
    if "bwrap" in builders and venv.run(["bwrap", "--ro-bind", "/", "/", "true"]).returncode != 0:
        builders.remove("bwrap")
    context = test.scratch / "context"
    shutil.copytree(RECIPES / "container", context)
    file = context / "Containerfile"
    variables = {"PIP_INDEX_URL": test.index, "PIP_ROOT_USER_ACTION": "ignore"}
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    for name in builders:
        scratch = test.scratch / name
        scratch.mkdir()
        roots = []
        if name == "bwrap":
            builder = containers.Bubblewrap(scratch / "caches", variables)
        else:
            builder = containers.Buildah(scratch, variables)
            arguments = {"PYTHON_IMAGE": builder.base()}
        for number, wanted in enumerate((["flask<3"], ["flask<3", "six"])):
            test.lock(context, *wanted)
            Counting.fetched.clear()
            if name == "bwrap":
                stage, entry = builder.build(file, scratch / str(number), {})
                test.ran(f"{name}: image {number} runs", stage.command(entry, builder.variables, {}))
                roots.append(stage.root)
            else:
                roots.append(builder.build(file, f"image{number}", arguments))
                test.ran(f"{name}: image {number} runs", ["chroot", roots[-1], "/app/bin/flask"])
            # pip keeps no cache, so it fetches the program each time.
            fetched = [path for path in Counting.fetched if not path.startswith("pkg_install")]
            expected = 2 if number == 0 else 1
            title = f"{name}: build {number} fetches {expected} wheels"
            test.checks.check(title, len(fetched) == expected, f"{fetched}")
        root = roots[-1]
        found = [*root.glob("usr/local/bin/pkg-install"), *root.glob("root/.cache/*")]
        found += root.glob("app/**/.pkg-install")
        test.checks.check(f"{name}: no installer and no cache in the image", not found, f"{found}")
    return bool(builders)


def debian(test):
    """Build the package twice, look at it, and run its script."""
    if not all(shutil.which(name) for name in ("dpkg-buildpackage", "dh", "dpkg-deb")):
        return False
    python = pathlib.Path("/usr/bin/python3")
    built = []
    for number in range(2):
        top = test.scratch / f"debian{number}"
        source = top / "hello-wheel-1.0"
        shutil.copytree(RECIPES / "debian", source)
        shutil.copytree(venv.REPOSITORY / "testdata", source / "wheels")
        command = ["dpkg-buildpackage", "-us", "-uc", "-b", "-d"]
        os.umask(0o022 if number == 0 else 0o002)
        test.ran(f"debian: build {number}", command, cwd=source)
        os.umask(0o022)
        built += top.glob("*.deb")
    if not test.checks.check("debian: two packages", len(built) == 2, f"{built}"):
        return True
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in built)
    test.checks.check("debian: both builds are equal", first == second)
    root = test.scratch / "unpacked"
    test.ran("debian: the package is unpacked", ["dpkg-deb", "-x", built[0], root])
    library = root / "usr/lib/python3/dist-packages"
    test.checks.check("debian: modules are where Debian has them", library.is_dir())
    text = (root / "usr/bin/hello").read_text()
    test.checks.check("debian: the script names Debian's Python", text.startswith(f"#!{python}\n"))
    path = {**test.variables, "PYTHONPATH": str(library)}
    test.ran("debian: the script runs", [python, root / "usr/bin/hello"], env=path)
    left = [*root.rglob(".pkg-install"), *root.rglob(".lock")]
    test.checks.check("debian: no state is in the package", not left, f"{left}")
    if shutil.which("lintian"):
        command = ["lintian", "--fail-on", "error", "--allow-root", built[0]]
        test.ran("debian: lintian finds no error", command)
    else:
        print("left out: lintian is not installed")
    return True


def pre_commit(test):
    """Run the hook in a repository with wheels."""
    if shutil.which("git") is None:
        return False
    tools = venv.make_tools(test.scratch / "pre-commit-tools", "pre-commit")
    repository = test.scratch / "repository"
    repository.mkdir()
    shutil.copy(RECIPES / "pre-commit" / ".pre-commit-config.yaml", repository)
    wheels.project("good", "1.0", {"good.py": "x = 1\n"}).write(repository / "dist")
    # pre-commit builds a package of its own around the hook's, and finds both on the test's index.
    fetch = [tools, "-m", "pip", "download", "--quiet", "--no-deps", "setuptools", "wheel"]
    venv.must([*fetch, "--dest", test.scratch / "served" / "wheels"], env=dict(os.environ))
    variables = {**test.variables, "GIT_CONFIG_GLOBAL": os.devnull}
    for command in (["init", "--quiet"], ["add", "."]):
        venv.must(["git", *command], env=variables, cwd=repository)
    command = [tools.parent / "pre-commit", "run", "--all-files"]
    test.ran("pre-commit: a good wheel", command, env=variables, cwd=repository)
    wheel = wheels.project("bad", "1.0", {"bad.py": "x = 1\n"})
    bad = pathlib.Path(wheel.write(repository / "dist"))
    content = bytearray(bad.read_bytes())
    # The first byte of the first entry's data.
    content[30 + int.from_bytes(content[26:28], "little")] ^= 1
    bad.write_bytes(content)
    venv.must(["git", "add", "."], env=variables, cwd=repository)
    done = test.ran("pre-commit: a damaged one", command, 1, env=variables, cwd=repository)
    test.checks.check("pre-commit: it is named", "bad-1.0" in done.stdout, done.stdout)
    return True


def github(test):
    """Run the steps of the job, and those of the action in it."""
    if shutil.which("bash") is None:
        return False
    place = test.scratch / "checkout"
    place.mkdir()
    test.lock(place, "flask<3")
    job = workflow.Job(place, test.scratch / "runner", test.variables, venv.REPOSITORY)
    for title, done in job.steps(RECIPES / "github" / "workflow.yml", "tests"):
        detail = f"{venv.describe_status(done.returncode)}\n{done.stdout}{done.stderr}"
        test.checks.check(f"github: {title}", done.returncode == 0, detail[-4000:])
    summary = job.summary.read_text()
    test.checks.check("github: the job has a summary", "flask" in summary, summary)
    return True


ALL = {"container": container, "debian": debian, "github": github, "pre-commit": pre_commit}


def main():
    parser = venv.new_parser(__doc__)
    parser.add_argument("--only", action="append", choices=ALL, help="run this recipe alone")
    parser.add_argument("--wheel", type=pathlib.Path, help="the wheel of a release")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    checks, tried = Checks(), 0
    with venv.scratch_directory("recipes") as scratch:
        if workflow.yaml is None:
            python = venv.make_tools(scratch / "yaml", "PyYAML")
            return venv.run([python, *sys.argv], stdout=None, stderr=None).returncode
        test = Test(scratch, binary, options.wheel, checks)
        for name in options.only or ALL:
            if ALL[name](test):
                tried += 1
            else:
                print(f"left out: {name}; its tools are not installed")
        test.server.shutdown()
    return checks.finish() if tried else 1


if __name__ == "__main__":
    sys.exit(main())
