"""The commands of the program, as functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Optional

from ._models import Project, Result, Transaction
from ._results import CheckResult, PackResult, PlanResult, narrowed
from ._run import Run, StrPath


@dataclass(frozen=True)
class Environment:
    """Which environment is meant; without any field $VIRTUAL_ENV, otherwise ./.venv.

    - `target`: a virtual environment, or a plain directory;
    - `python`: the environment of this interpreter;
    - `prefix`, `root`: with `python`, its directories under another prefix, or below `root`.
    """

    target: Optional[StrPath] = None
    python: Optional[StrPath] = None
    prefix: Optional[StrPath] = None
    root: Optional[StrPath] = None
    break_system_packages: bool = False

    def arguments(self) -> list[StrPath]:
        """The options that name it."""
        given = {"target": self.target, "python": self.python}
        given.update({"prefix": self.prefix, "root": self.root})
        words = _options(**{name: value for name, value in given.items()})
        return words + _flags(break_system_packages=self.break_system_packages)


def install(
    *wanted: StrPath,
    environment: Environment = Environment(),
    requirements: Iterable[StrPath] = (),
    locks: Iterable[StrPath] = (),
    reports: Iterable[StrPath] = (),
    find_links: Iterable[StrPath] = (),
    exact: bool = False,
    reinstall: bool = False,
    upgrade: bool = False,
    undoable: bool = False,
    on_conflict: Literal["error", "first", "last"] = "error",
    options: Sequence[str] = (),
    run: Run = Run(),
) -> Result:
    """Install requirements, wheels, directories of wheels and URLs, all of them or none.

    `requirements`, `locks` and `reports` are files; `options` are further options of the program,
    as they are typed. Raises an `Error`; the environment is then what it was.
    """
    words: list[StrPath] = ["install", *options, *environment.arguments()]
    words += _options(on_conflict=on_conflict)
    words += _flags(exact=exact, reinstall=reinstall, upgrade=upgrade, undoable=undoable)
    words += _repeated("requirements", requirements) + _repeated("lock", locks)
    words += _repeated("report", reports) + _repeated("find-links", find_links)
    # Behind the dashes a name that begins with one is no option.
    return run([*words, *_dashed(wanted)])


def plan(
    *wanted: StrPath,
    environment: Environment = Environment(),
    requirements: Iterable[StrPath] = (),
    locks: Iterable[StrPath] = (),
    reports: Iterable[StrPath] = (),
    find_links: Iterable[StrPath] = (),
    exact: bool = False,
    reinstall: bool = False,
    upgrade: bool = False,
    on_conflict: Literal["error", "first", "last"] = "error",
    options: Sequence[str] = (),
    run: Run = Run(),
) -> PlanResult:
    """Return what `install` with the same arguments would do; nothing is changed."""
    result = install(
        *wanted,
        environment=environment,
        requirements=requirements,
        locks=locks,
        reports=reports,
        find_links=find_links,
        exact=exact,
        reinstall=reinstall,
        upgrade=upgrade,
        on_conflict=on_conflict,
        options=[*options, "--dry-run"],
        run=run,
    )
    return narrowed(PlanResult, result)


def resolve(
    *wanted: str,
    environment: Environment = Environment(),
    requirements: Iterable[StrPath] = (),
    find_links: Iterable[StrPath] = (),
    python_version: Optional[str] = None,
    lock: Optional[StrPath] = None,
    report: Optional[StrPath] = None,
    options: Sequence[str] = (),
    run: Run = Run(),
) -> Result:
    """Decide which wheels satisfy requirements; they are the `packages` of the result.

    `lock` and `report` are files to write.
    """
    words: list[StrPath] = ["resolve", *options, *environment.arguments()]
    words += _options(python_version=python_version, lock=lock, report=report)
    words += _repeated("requirements", requirements) + _repeated("find-links", find_links)
    return run([*words, *_dashed(wanted)])


def check(
    *names: str,
    environment: Environment = Environment(),
    requires: bool = False,
    options: Sequence[str] = (),
    run: Run = Run(),
) -> CheckResult:
    """Compare installed files with RECORD; what differs is in `differences` of the result.

    Differences are no exception. With `requires` also requirements that are not met are found, in
    `unmet_requirements`.
    """
    words: list[StrPath] = ["check", *options, *environment.arguments()]
    words += _flags(requires=requires)
    return narrowed(CheckResult, run([*words, *_dashed(names)], accepted=("differences",)))


def uninstall(
    *names: str,
    environment: Environment = Environment(),
    undoable: bool = False,
    options: Sequence[str] = (),
    run: Run = Run(),
) -> Result:
    """Remove installed projects, all of them or none."""
    words: list[StrPath] = ["uninstall", *options, *environment.arguments()]
    return run([*words, *_flags(undoable=undoable), *_dashed(names)])


def undo(
    *,
    to: Optional[int] = None,
    environment: Environment = Environment(),
    options: Sequence[str] = (),
    run: Run = Run(),
) -> Result:
    """Take back the last transaction, if it was `undoable`.

    With `to` everything after the transaction of that number in `history` is taken back, all of it
    or nothing; 0 means the first transaction, too.
    """
    number = None if to is None else str(to)
    return run(["undo", *options, *environment.arguments(), *_options(to=number)])


def history(
    *,
    environment: Environment = Environment(),
    options: Sequence[str] = (),
    run: Run = Run(),
) -> tuple[Transaction, ...]:
    """The transactions since the first one that was `undoable`, oldest first."""
    return run(["history", *options, *environment.arguments()]).transactions or ()


def pack(
    *wanted: StrPath,
    output: StrPath,
    format: Optional[Literal["pyz", "zip", "tar.gz", "oci"]] = None,
    entry: Optional[str] = None,
    python: Optional[StrPath] = None,
    python_version: Optional[str] = None,
    python_platform: Optional[str] = None,
    requirements: Iterable[StrPath] = (),
    locks: Iterable[StrPath] = (),
    reports: Iterable[StrPath] = (),
    find_links: Iterable[StrPath] = (),
    options: Sequence[str] = (),
    run: Run = Run(),
) -> PackResult:
    """Make one file, or an image, that runs elsewhere; it is the `artifact` of the result.

    `entry` is what an application starts: a script's name, or `module:function`. It is for the
    interpreter `python`, or for one of `python_version` on `python_platform` that is not here.
    """
    words: list[StrPath] = ["pack", *options]
    words += _options(output=output, format=format, entry=entry, python=python)
    words += _options(python_version=python_version, python_platform=python_platform)
    words += _repeated("requirements", requirements) + _repeated("lock", locks)
    words += _repeated("report", reports) + _repeated("find-links", find_links)
    return narrowed(PackResult, run([*words, *_dashed(wanted)]))


def installed(
    *,
    environment: Environment = Environment(),
    options: Sequence[str] = (),
    run: Run = Run(),
) -> tuple[Project, ...]:
    """The installed projects, sorted by name."""
    return run(["list", *options, *environment.arguments()]).projects or ()


def _options(**given: Optional[StrPath]) -> list[StrPath]:
    words: list[StrPath] = []
    for name, value in given.items():
        if value is not None:
            words += ["--" + name.replace("_", "-"), value]
    return words


def _flags(**given: bool) -> list[StrPath]:
    return ["--" + name.replace("_", "-") for name, on in given.items() if on]


def _repeated(name: str, values: Iterable[StrPath]) -> list[StrPath]:
    # The letters of a single path would be taken for paths.
    if isinstance(values, str):
        raise TypeError(f"`{name}` takes a list of paths, not one path")
    return [word for value in values for word in ("--" + name, value)]


def _dashed(words: Sequence[StrPath]) -> list[StrPath]:
    return ["--", *words] if words else []
