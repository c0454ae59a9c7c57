"""Build what a Containerfile says, with buildah or below bubblewrap.

Only the instructions that recipes/container uses are known: ARG, FROM, WORKDIR, COPY, RUN with a cache
mount, ENTRYPOINT. `below_bubblewrap` runs the same commands as a builder of images, each stage in a
root directory of its own, with the programs and libraries of this machine in place of a base image.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import sys

from lib import venv

# Where base images have Python, and what a stage takes from this machine.
PREFIX = "usr/local"
FROM_HERE = ("usr", "lib", "lib64", "bin", "sbin", "etc", "opt")
MOUNT = re.compile(r"--mount=type=cache,target=(\S+)\s+")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Containerfile with what is behind each word."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pairs = (line.split(None, 1) for line in lines)
    return [(word.upper(), rest.strip()) for word, rest in pairs]


class Stage:
    """One stage below bubblewrap: a root directory, and the directory that commands run in."""

    def __init__(self, root: pathlib.Path):
        self.root, self.directory = root, "/"
        for name in (*FROM_HERE, "proc", "dev", "tmp", "root"):
            if pathlib.Path("/", name).exists():
                (root / name).mkdir(parents=True)
        # A base image has pip beside its interpreter; a virtual environment is the same in small.
        venv.must([sys.executable, "-m", "venv", root / PREFIX])

    def command(self, words: list[str], variables: dict[str, str], mounts: dict[str, pathlib.Path]):
        """The command line that runs `words` in this stage."""
        line = ["bwrap", "--bind", self.root, "/", "--dev", "/dev", "--proc", "/proc"]
        for name in FROM_HERE:
            if pathlib.Path("/", name).exists():
                line += ["--ro-bind", f"/{name}", f"/{name}"]
        # The interpreter itself may be outside of them, as with pyenv.
        base = os.path.realpath(sys.base_prefix)
        if not base.startswith("/usr"):
            line += ["--ro-bind", base, base]
        line += ["--bind", self.root / PREFIX, f"/{PREFIX}", "--clearenv", "--die-with-parent"]
        for target, source in mounts.items():
            line += ["--bind", source, target]
        for name, value in variables.items():
            line += ["--setenv", name, value]
        return [*line, "--chdir", self.directory, *words]


class Bubblewrap:
    """Builds below bubblewrap. `caches` outlives a build, as the cache of a builder does."""

    def __init__(self, caches: pathlib.Path, variables: dict[str, str]):
        self.caches = caches
        path = f"/{PREFIX}/bin:/usr/bin:/bin"
        self.variables = {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", **variables}

    def build(self, file: pathlib.Path, scratch: pathlib.Path, arguments: dict[str, str]):
        """Run a Containerfile; return the last stage and its entry point."""
        known: dict[str, str] = {}
        stages: dict[str, Stage] = {}
        stage, entry = None, []

        def filled(text: str) -> str:
            return re.sub(r"\$\{(\w+)\}", lambda match: known[match[1]], text)

        for word, rest in instructions(file.read_text(encoding="utf-8")):
            if word == "ARG":
                name, _, value = rest.partition("=")
                known[name] = arguments.get(name, value)
            elif word == "FROM":
                name = rest.split(" AS ")[-1] if " AS " in rest else f"stage {len(stages)}"
                stage = stages[name] = Stage(scratch / name)
            elif word == "WORKDIR":
                stage.directory = rest
                (stage.root / rest.lstrip("/")).mkdir(parents=True)
            elif word == "COPY":
                self.copy(rest, file.parent, stages, stage)
            elif word == "RUN":
                self.run(filled(rest), stage)
            elif word == "ENTRYPOINT":
                entry = json.loads(rest)
            else:
                sys.exit(f"{file}: {word} is not known here")
        return stage, entry

    def copy(self, rest: str, context: pathlib.Path, stages: dict[str, Stage], stage: Stage):
        """COPY, from the directory of the file or from another stage."""
        *options, source, target = rest.split()
        if options:
            root = stages[options[0].removeprefix("--from=")].root
            shutil.copytree(root / source.lstrip("/"), stage.root / target.lstrip("/"), symlinks=True)
        else:
            place = stage.root / stage.directory.lstrip("/") / target
            shutil.copy(context / source, place)

    def run(self, text: str, stage: Stage):
        """RUN, with its cache mounts."""
        mounts = {}
        for target in MOUNT.findall(text):
            mounts[target] = self.caches / target.lstrip("/").replace("/", "-")
            mounts[target].mkdir(parents=True, exist_ok=True)
        words = ["sh", "-ec", MOUNT.sub("", text)]
        venv.must(stage.command(words, self.variables, mounts), code=1)
        # A builder takes the mount away, and the empty directory that it was on.
        for target in mounts:
            shutil.rmtree(stage.root / target.lstrip("/"), ignore_errors=True)


class Buildah:
    """Builds with buildah, from a base image of this machine's Python."""

    def __init__(self, scratch: pathlib.Path, variables: dict[str, str]):
        self.scratch, self.variables = scratch, variables
        options = ["--storage-driver", "vfs", "--root", scratch / "images"]
        self.program = ["buildah", *options, "--runroot", scratch / "run"]
        self.home = {"HOME": str(scratch), "PATH": os.environ["PATH"], "TMPDIR": str(scratch)}
        self.home["BUILDAH_ISOLATION"] = "chroot"

    def must(self, *words) -> str:
        """Run buildah."""
        return venv.must([*self.program, *words], code=1, env=self.home)

    def base(self) -> str:
        """Make the base image: Python below /usr/local, a shell, and their libraries."""
        root = self.scratch / "base"
        prefix = os.path.realpath(sys.base_prefix)
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        skipped = shutil.ignore_patterns("test", "idlelib", "tkinter", "__pycache__", "*.a")
        library = root / PREFIX / "lib" / name
        shutil.copytree(f"{prefix}/lib/{name}", library, ignore=skipped, symlinks=True)
        for directory in ("bin", "tmp", "root", "etc", "dev", "proc", "sys", "usr/local/bin"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        own = root / PREFIX / "bin" / name
        shutil.copy(f"{prefix}/bin/{name}", own)
        for link in ("python", "python3"):
            (own.parent / link).symlink_to(name)
        shutil.copy(os.path.realpath("/bin/sh"), root / "bin/sh")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        for program in (own, root / "bin/sh", *library.rglob("*.so")):
            for path in re.findall(r"(/\S+) \(0x", venv.run(["ldd", program]).stdout):
                place = root / path.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists():
                    shutil.copy(path, place)
        container = self.must("from", "scratch").strip()
        self.must("copy", "--quiet", container, root, "/")
        # In the base image, since a build has no variables of its own but arguments.
        for name, value in {"PATH": f"/{PREFIX}/bin:/bin", **self.variables}.items():
            self.must("config", "--env", f"{name}={value}", container)
        self.must("commit", "--quiet", container, "base")
        return "localhost/base"

    def build(self, file: pathlib.Path, name: str, arguments: dict[str, str]) -> pathlib.Path:
        """Run a Containerfile; return the root directory of the image, mounted."""
        given = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        context = file.parent
        self.must("bud", "--file", file, "--tag", name, "--no-cache", *given, context)
        container = self.must("from", f"localhost/{name}").strip()
        return pathlib.Path(self.must("mount", container).strip())
