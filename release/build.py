"""Build everything that a release consists of, and verify it.

    python3 release/build.py [--output target/release-files] [--wheel WHEEL] [--uv UV]

Makes, in the directory of --output, which is emptied:

- the wheel for manylinux 2.17 and the source distribution, with maturin and zig from the package
  index (`--wheel` takes a wheel that was built before, and makes no source distribution);
- `pkg-install-VERSION-x86_64-linux.tar.gz`: the program of that wheel, manual pages, completions,
  licences and the change log;
- `pkg-install-VERSION.cdx.json`: the bill of materials (CycloneDX), which is in the wheel, too;
- `SHA256SUMS`.

The version has to have a section in CHANGELOG.md, and dependencies have to pass `cargo deny` if
that is installed. Then the wheel is installed by pip, uv and itself in every place
(tests/outside/package/installs_itself.py), the README's commands for it are run, and the archive is
unpacked, its manual pages are checked by mandoc, and its program is run.

The archive depends on its contents alone: its times are SOURCE_DATE_EPOCH, or that of the commit.
Exit code 1: something is not as it must be.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHELLS = {"bash": "pkg-install", "zsh": "_pkg-install", "fish": "pkg-install.fish"}
TOOLS = ("maturin>=1.9,<2", "ziglang", "zopfli")
PLATFORM = "x86_64-linux"


def run(*command: str | os.PathLike[str], **more: str) -> str:
    """Run a command, which has to succeed; return what it prints."""
    words = [os.fspath(word) for word in command]
    print("+", " ".join(words)[:150], flush=True)
    variables = {**os.environ, **more}
    done = subprocess.run(words, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{words[0]} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def version() -> str:
    """The version of this release: the same everywhere, with its changes written down."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "([^"]+)"$', manifest, re.MULTILINE)
    if found is None:
        sys.exit("Cargo.toml states no version")
    own = found[1]
    package = (ROOT / "python/pkg_install/_version.py").read_text(encoding="utf-8")
    if f'"{own}"' not in package:
        sys.exit(f"python/pkg_install/_version.py does not state {own}")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(own)}$", changes, re.MULTILINE):
        sys.exit(f"CHANGELOG.md has no section for {own}")
    return own


def compiler(text: str | None) -> tuple[int, ...]:
    """A version of the compiler as numbers; without a text any is enough."""
    return tuple(int(part) for part in (text or "0").split("."))


def check_dependencies() -> None:
    """The oldest compiler, licences, sources and banned crates."""
    described = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1"))
    versions = {one["name"]: compiler(one["rust_version"]) for one in described["packages"]}
    newer = [name for name, needed in versions.items() if needed > versions["pkg-install"]]
    if newer:
        sys.exit(f"a newer compiler than `rust-version` states is needed by {', '.join(newer)}")
    if shutil.which("cargo-deny") is None:
        print("left out: cargo-deny is not installed")
        return
    run("cargo", "deny", "--locked", "check", "licenses", "bans", "sources")


def build_distributions(output: pathlib.Path) -> pathlib.Path:
    """Make the wheel and the source distribution; return the path of the wheel."""
    tools = ROOT / "target" / "release-tools"
    if not tools.exists():
        run(sys.executable, "-m", "venv", tools)
    run(tools / "bin" / "python", "-m", "pip", "install", "--quiet", *TOOLS)
    # maturin finds zig in the environment of the `python3` on the PATH.
    path = f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"
    maturin = tools / "bin" / "maturin"
    options = ["--zig", "--compatibility", "manylinux2014"]
    flags = f"-C link-arg=-Wl,-T,{ROOT / 'release' / 'discard.ld'}"
    run(maturin, "build", *options, "--out", output, PATH=path, RUSTFLAGS=flags)
    run(maturin, "sdist", "--out", output, PATH=path)
    (wheel,) = output.glob("*.whl")
    print(run(tools / "bin" / "python", ROOT / "release" / "recompress.py", wheel), end="")
    return wheel


def unpack(wheel: pathlib.Path, scratch: pathlib.Path) -> tuple[pathlib.Path, bytes]:
    """The program in a wheel, and its bill of materials."""
    program = scratch / "pkg-install"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (script,) = [name for name in names if name.endswith(".data/scripts/pkg-install")]
        (materials,) = [name for name in names if name.endswith(".cyclonedx.json")]
        program.write_bytes(archive.read(script))
        program.chmod(0o755)
        return program, archive.read(materials)


def archive_of(program: pathlib.Path, stem: str, scratch: pathlib.Path) -> bytes:
    """The archive of the program and what belongs to it."""
    tree = scratch / stem
    (tree / "bin").mkdir(parents=True)
    shutil.copy(program, tree / "bin")
    run(program, "man", "--dir", tree / "share/man/man1")
    (tree / "completions").mkdir()
    for shell, name in SHELLS.items():
        # Called by its name alone, as it will be on the PATH.
        command = ["sh", "-c", f'PATH="{program.parent}:$PATH" pkg-install completions {shell}']
        (tree / "completions" / name).write_text(run(*command), encoding="utf-8")
    for name in ("README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"):
        shutil.copy(ROOT / name, tree)
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(str(path.relative_to(scratch)))
            member.size, member.mtime = path.stat().st_size, int(seconds)
            member.mode = 0o755 if path.parent.name == "bin" else 0o644
            with open(path, "rb") as file:
                tar.addfile(member, file)
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def write_sums(output: pathlib.Path) -> None:
    """The digests of all files, in the form that `sha256sum -c` reads."""
    lines = []
    for path in sorted(output.iterdir()):
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    (output / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def try_readme(wheel: pathlib.Path, scratch: pathlib.Path) -> None:
    """Run what the README says to those who have Python and the wheel, in a fresh environment."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"\nWith Python only.*?```sh\n(.*?)```", text, re.DOTALL)
    if found is None:
        sys.exit("README.md does not say how to install the wheel")
    place, own = scratch / "readme", scratch / "environment"
    place.mkdir()
    shutil.copy(wheel, place)
    shutil.copytree(ROOT / "testdata", place / "testdata")
    run(sys.executable, "-m", "venv", own)
    path = f"{own / 'bin'}{os.pathsep}{os.environ['PATH']}"
    run("sh", "-ec", f"cd '{place}'\n{found[1]}", PATH=path)
    run(place / "app" / "bin" / "hello", PYTHONPATH=str(place / "app"))


def lint_manual(directory: pathlib.Path) -> None:
    """Have mandoc read the manual pages, if it is there."""
    if shutil.which("mandoc") is None:
        print("left out: mandoc is not installed")
        return
    for page in sorted(directory.glob("*.1")):
        run("mandoc", "-T", "lint", "-W", "warning", page)


def verify(output: pathlib.Path, wheel: pathlib.Path, uv: str | None, own: str) -> None:
    """Use the files as users do."""
    run("sh", "-c", f'cd "{output}" && sha256sum -c SHA256SUMS')
    script = ROOT / "tests/outside/package/installs_itself.py"
    options = ["--wheel", wheel, "--limits", *(["--uv", uv] if uv else [])]
    print(run(sys.executable, script, *options))
    with tempfile.TemporaryDirectory() as scratch:
        (archive,) = output.glob("*-linux.tar.gz")
        run("tar", "-xzf", archive, "-C", scratch)
        program = pathlib.Path(scratch, installed_by_binstall(archive, own))
        if run(program, "--version").strip() != f"pkg-install {own}":
            sys.exit("the program in the archive is of another version")
        lint_manual(program.parents[1] / "share/man/man1")
        try_readme(wheel, pathlib.Path(scratch))
        place = pathlib.Path(scratch, "place")
        run(program, ROOT / "testdata", "--target", place)
        run(program, "check", "--target", place)


def installed_by_binstall(archive: pathlib.Path, own: str) -> str:
    """The path of the program in the archive, as `cargo binstall` finds it by Cargo.toml."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    values = {"name": "pkg-install", "bin": "pkg-install", "version": own, "repo": "REPOSITORY"}
    values["binary-ext"] = ""
    texts = []
    for key in ("pkg-url", "bin-dir"):
        found = re.search(rf'^{key} = "([^"]+)"$', manifest, re.MULTILINE)
        if found is None:
            sys.exit(f"Cargo.toml states no {key} for binstall")
        texts.append(re.sub(r"\{ ([\w-]+) \}", lambda match: values[match[1]], found[1]))
    if texts[0].rsplit("/", 1)[-1] != archive.name:
        sys.exit(f"binstall would look for {texts[0]}, not for {archive.name}")
    return texts[1]


def main() -> int:
    """Build and verify."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ROOT / "target" / "release-files"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    parser.add_argument("--wheel", type=pathlib.Path, help="a wheel that was built before")
    parser.add_argument("--uv", help="the uv that takes part in the verification")
    options = parser.parse_args()
    own = version()
    check_dependencies()
    output = options.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    if options.wheel:
        wheel = pathlib.Path(shutil.copy(options.wheel, output))
    else:
        wheel = build_distributions(output)
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        program, materials = unpack(wheel, scratch)
        (output / f"pkg-install-{own}.cdx.json").write_bytes(materials)
        stem = f"pkg-install-{own}-{PLATFORM}"
        (output / f"{stem}.tar.gz").write_bytes(archive_of(program, stem, scratch))
    write_sums(output)
    verify(output, wheel, options.uv, own)
    for path in sorted(output.iterdir()):
        print(f"{path.stat().st_size:>10}  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
