"""What the program prints with `--json`, as classes.

Made by python/generate_models.py from the JSON Schema; do not edit. Fields that a newer program
adds are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Literal, Mapping, Optional, TypeVar

T = TypeVar("T")


def _optional(value: Any, read: Callable[[Any], T]) -> Optional[T]:
    return None if value is None else read(value)


def _all(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    return lambda values: tuple(read(value) for value in values)


@dataclass(frozen=True)
class Archive:
    """A part of `Result`: Archive."""

    hashes: Mapping[str, str]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Archive:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            hashes=data["hashes"],
        )


@dataclass(frozen=True)
class Artifact:
    """The artefact as a part of the JSON object."""

    path: str
    format: Literal["pyz", "zip", "tar.gz", "oci"]
    bytes: int
    """Of the file, or of the layers that were added."""
    sha256: str
    """Of the whole file, or of the manifest of an image."""
    id: str
    """The SHA-256 of the sorted paths, modes and digests of the files in it."""
    entries: int
    """How many files it contains."""
    copied: int
    """How many of them are copied as the wheels have them."""
    recompressed: int
    """How many entries of wheels are compressed again."""
    layers: tuple[Layer, ...] = ()
    """The layers that were added to an image; only of `oci`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Artifact:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            path=data["path"],
            format=data["format"],
            bytes=data["bytes"],
            sha256=data["sha256"],
            id=data["id"],
            entries=data["entries"],
            copied=data["copied"],
            recompressed=data["recompressed"],
            layers=_all(Layer.from_json)(data.get("layers") or ()),
        )


@dataclass(frozen=True)
class Asked:
    """What was asked of servers."""

    requests: int
    bytes: int
    tiers: int
    """How many answers had to be waited for in a row."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Asked:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            requests=data["requests"],
            bytes=data["bytes"],
            tiers=data["tiers"],
        )


@dataclass(frozen=True)
class CacheContents:
    """The parts of a cache."""

    wheels: CacheCount
    store: CacheCount
    partial: CacheCount
    notes: CacheCount
    pages: CacheCount
    interpreters: CacheCount

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CacheContents:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            wheels=CacheCount.from_json(data["wheels"]),
            store=CacheCount.from_json(data["store"]),
            partial=CacheCount.from_json(data["partial"]),
            notes=CacheCount.from_json(data["notes"]),
            pages=CacheCount.from_json(data["pages"]),
            interpreters=CacheCount.from_json(data["interpreters"]),
        )


@dataclass(frozen=True)
class CacheCount:
    """How much there is of something."""

    items: int
    bytes: int
    linked_bytes: Optional[int] = None
    """How many of the bytes are shared with environments, and not freed by a removal."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CacheCount:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            items=data["items"],
            bytes=data["bytes"],
            linked_bytes=data.get("linked_bytes"),
        )


@dataclass(frozen=True)
class Cache:
    """The result as a part of the JSON object."""

    directory: Optional[str]
    """Null if no directory can be named."""
    removed: tuple[Removed, ...]
    """What was removed, or in a dry run would be, as paths below the directory."""
    in_use: tuple[str, ...]
    """The paths of what was kept because another process is working on it."""
    damaged: tuple[str, ...]
    """The paths of damaged wheels, and of changed files of unpacked ones; only of `cache
    verify`."""
    contents: Optional[CacheContents] = None
    """What the cache holds; after a removal, what is left. Absent for `cache dir`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cache:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            directory=data["directory"],
            removed=_all(Removed.from_json)(data["removed"]),
            in_use=tuple(data["in_use"]),
            damaged=tuple(data["damaged"]),
            contents=_optional(data.get("contents"), CacheContents.from_json),
        )


@dataclass(frozen=True)
class Change:
    """A part of `Result`: Change."""

    action: Literal["install", "replace", "reinstall", "remove", "keep"]
    name: str
    version: str
    previous: Optional[str]
    source: Optional[str]
    files: int
    bytes: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Change:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            action=data["action"],
            name=data["name"],
            version=data["version"],
            previous=data["previous"],
            source=data["source"],
            files=data["files"],
            bytes=data["bytes"],
        )


@dataclass(frozen=True)
class Conflict:
    """A part of `Result`: Conflict."""

    path: str
    owners: tuple[str, ...]
    contents: tuple[str, ...]
    """The content that each owner has there, in the order of `owners`."""
    sizes: tuple[Optional[int], ...]
    """The bytes of each, in the same order; null for what is no file."""
    resolution: str
    """`error`, or the owner that wins."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Conflict:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            path=data["path"],
            owners=tuple(data["owners"]),
            contents=tuple(data["contents"]),
            sizes=tuple(data["sizes"]),
            resolution=data["resolution"],
        )


@dataclass(frozen=True)
class Difference:
    """A file that differs from RECORD."""

    project: str
    path: str
    state: Literal["missing", "changed", "unreadable", "mode", "record"]
    detail: Optional[str]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Difference:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            project=data["project"],
            path=data["path"],
            state=data["state"],
            detail=data["detail"],
        )


@dataclass(frozen=True)
class Directory:
    """A part of `Result`: Directory."""

    editable: bool

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Directory:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            editable=data["editable"],
        )


@dataclass(frozen=True)
class Download:
    """A wheel in the directory of a download."""

    path: str
    url: str
    """Without credentials; a `file` URL for a local wheel."""
    sha256: Optional[str]
    """Hexadecimal digits; null only with `--dry-run`."""
    size: Optional[int]
    """Bytes; null only with `--dry-run`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Download:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            path=data["path"],
            url=data["url"],
            sha256=data["sha256"],
            size=data["size"],
        )


@dataclass(frozen=True)
class Environment:
    """Absolute paths."""

    root: str
    kind: Literal["venv", "target", "prefix"]
    purelib: str
    platlib: str
    scripts: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Environment:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            root=data["root"],
            kind=data["kind"],
            purelib=data["purelib"],
            platlib=data["platlib"],
            scripts=data["scripts"],
        )


@dataclass(frozen=True)
class Error:
    """A part of `Result`: Error."""

    kind: str
    """The kind that decides the exit code. More may be added."""
    code: str
    """The stable code, as `no-space`."""
    message: str
    effect: Literal["untouched", "rolled-back", "unfinished"]
    wheels: tuple[Refused, ...] = ()
    """The refused wheels, each with all its faults."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Error:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            kind=data["kind"],
            code=data["code"],
            message=data["message"],
            effect=data["effect"],
            wheels=_all(Refused.from_json)(data.get("wheels") or ()),
        )


@dataclass(frozen=True)
class Layer:
    """A layer of an image."""

    wheels: tuple[str, ...]
    """The projects in it, each with its version."""
    digest: str
    """The SHA-256 of the blob."""
    diff_id: str
    """The SHA-256 of the archive before it is compressed."""
    bytes: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layer:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            wheels=tuple(data["wheels"]),
            digest=data["digest"],
            diff_id=data["diff_id"],
            bytes=data["bytes"],
        )


@dataclass(frozen=True)
class NameAndVersion:
    """A part of `Result`: NameAndVersion."""

    name: str
    version: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NameAndVersion:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            name=data["name"],
            version=data["version"],
        )


@dataclass(frozen=True)
class Origin:
    """A `direct_url.json`."""

    url: str
    archive_info: Optional[Archive] = None
    dir_info: Optional[Directory] = None
    subdirectory: Optional[str] = None
    vcs_info: Optional[Repository] = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Origin:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            url=data["url"],
            archive_info=_optional(data.get("archive_info"), Archive.from_json),
            dir_info=_optional(data.get("dir_info"), Directory.from_json),
            subdirectory=data.get("subdirectory"),
            vcs_info=_optional(data.get("vcs_info"), Repository.from_json),
        )


@dataclass(frozen=True)
class Owners:
    """A path and the projects that it belongs to; none of them if `projects` is empty."""

    path: str
    projects: tuple[NameAndVersion, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Owners:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            path=data["path"],
            projects=_all(NameAndVersion.from_json)(data["projects"]),
        )


@dataclass(frozen=True)
class Package:
    """One package of the JSON output."""

    name: str
    version: str
    source: Optional[str]
    """The URL of the wheel, without credentials."""
    sha256: Optional[str]
    size: Optional[int]
    requested: bool
    extras: tuple[str, ...]
    via: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Package:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            name=data["name"],
            version=data["version"],
            source=data["source"],
            sha256=data["sha256"],
            size=data["size"],
            requested=data["requested"],
            extras=tuple(data["extras"]),
            via=tuple(data["via"]),
        )


@dataclass(frozen=True)
class PastChange:
    """A part of `Result`: PastChange."""

    action: Literal["install", "replace", "reinstall", "remove"]
    name: str
    version: str
    previous: Optional[str]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PastChange:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            action=data["action"],
            name=data["name"],
            version=data["version"],
            previous=data["previous"],
        )


@dataclass(frozen=True)
class Plan:
    """A part of `Result`: Plan."""

    write: tuple[str, ...]
    remove: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            write=tuple(data["write"]),
            remove=tuple(data["remove"]),
        )


@dataclass(frozen=True)
class Project:
    """A part of `Result`: Project."""

    name: str
    version: str
    installer: Optional[str]
    """The content of INSTALLER."""
    files: Optional[int]
    """The files that its RECORD lists; null if it has no RECORD."""
    bytes: Optional[int]
    """Their bytes."""
    conflicts: tuple[str, ...]
    """Other projects that list one of its paths with another digest."""
    location: str
    """The directory that holds it; an absolute path."""
    requested: bool
    """Whether it was asked for by name."""
    direct_url: Optional[Origin]
    """The content of direct_url.json."""
    requires: tuple[str, ...]
    """The requirements without those of extras, with their markers."""
    required_by: tuple[str, ...]
    """The installed projects that require it."""
    requires_python: Optional[str]
    summary: Optional[str]
    license: Optional[str]
    paths: Optional[tuple[str, ...]] = None
    """The paths that its RECORD lists; only of `show --files`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Project:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            name=data["name"],
            version=data["version"],
            installer=data["installer"],
            files=data["files"],
            bytes=data["bytes"],
            conflicts=tuple(data["conflicts"]),
            location=data["location"],
            requested=data["requested"],
            direct_url=_optional(data["direct_url"], Origin.from_json),
            requires=tuple(data["requires"]),
            required_by=tuple(data["required_by"]),
            requires_python=data["requires_python"],
            summary=data["summary"],
            license=data["license"],
            paths=_optional(data.get("paths"), tuple),
        )


@dataclass(frozen=True)
class Refused:
    """A part of `Result`: Refused."""

    wheel: str
    faults: tuple[str, ...]
    codes: tuple[str, ...]
    """The stable codes of the faults, in the same order."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Refused:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            wheel=data["wheel"],
            faults=tuple(data["faults"]),
            codes=tuple(data["codes"]),
        )


@dataclass(frozen=True)
class Removed:
    """Something that was removed."""

    path: str
    bytes: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Removed:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            path=data["path"],
            bytes=data["bytes"],
        )


@dataclass(frozen=True)
class Repository:
    """A part of `Result`: Repository."""

    vcs: str
    commit_id: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Repository:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            vcs=data["vcs"],
            commit_id=data["commit_id"],
        )


@dataclass(frozen=True)
class Store:
    """Numbers of files, and of wheels that were put into the store."""

    linked: int
    """Hard links."""
    cloned: int
    """Copies that share their blocks with the store."""
    copied: int
    symlinked: int
    """Files in directories that are symbolic links to those of the store."""
    written: int
    """Files that were written without the store."""
    filled: int
    """Wheels."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Store:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            linked=data["linked"],
            cloned=data["cloned"],
            copied=data["copied"],
            symlinked=data["symlinked"],
            written=data["written"],
            filled=data["filled"],
        )


@dataclass(frozen=True)
class Timings:
    """Milliseconds per step; a step that was not reached is absent."""

    clean: Optional[float] = None
    commit: Optional[float] = None
    open: Optional[float] = None
    plan: Optional[float] = None
    resolve: Optional[float] = None
    stage: Optional[float] = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Timings:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            clean=data.get("clean"),
            commit=data.get("commit"),
            open=data.get("open"),
            plan=data.get("plan"),
            resolve=data.get("resolve"),
            stage=data.get("stage"),
        )


@dataclass(frozen=True)
class Transaction:
    """A transaction of the history."""

    number: int
    """From 1."""
    time: str
    """As `2026-11-26T12:30:00Z`."""
    changes: tuple[PastChange, ...]
    """Sorted by project."""
    back_to: Optional[int]
    """Of an undo: the last transaction that it did not take back; 0 if it took back all of them."""
    undone: bool
    """Whether an undo has taken it back."""
    kept: bool
    """Whether it is kept, so that it can be undone."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Transaction:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            number=data["number"],
            time=data["time"],
            changes=_all(PastChange.from_json)(data["changes"]),
            back_to=data["back_to"],
            undone=data["undone"],
            kept=data["kept"],
        )


@dataclass(frozen=True)
class Unmet:
    """A requirement that nothing installed meets."""

    project: str
    version: str
    requirement: str
    installed: Optional[str]
    """The version that is installed of what is required; null if none is."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unmet:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            project=data["project"],
            version=data["version"],
            requirement=data["requirement"],
            installed=data["installed"],
        )


@dataclass(frozen=True)
class Verified:
    """A wheel in which nothing is wrong."""

    wheel: str
    name: str
    version: str
    files: int
    bytes: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verified:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            wheel=data["wheel"],
            name=data["name"],
            version=data["version"],
            files=data["files"],
            bytes=data["bytes"],
        )


@dataclass(frozen=True)
class Warning:
    """A part of `Result`: Warning."""

    code: str
    wheel: Optional[str]
    message: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Warning:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            code=data["code"],
            wheel=data["wheel"],
            message=data["message"],
        )


@dataclass(frozen=True)
class Result:
    """What a command did, found or would do."""

    version: int
    outcome: Literal["committed", "planned", "unchanged", "resolved", "packed", "failed"]
    """`committed`, `planned`, `unchanged`, `resolved`, `packed` or `failed`."""
    environment: Optional[Environment]
    """Null if none was found."""
    changes: tuple[Change, ...]
    """The changes that were made or would be made, sorted by project name."""
    conflicts: tuple[Conflict, ...]
    warnings: tuple[Warning, ...]
    timings_ms: Timings
    error: Optional[Error]
    """Null on success."""
    artifact: Optional[Artifact] = None
    """Only of `pack`."""
    asked: Optional[Asked] = None
    cache: Optional[Cache] = None
    """Only of `cache`."""
    differences: Optional[tuple[Difference, ...]] = None
    """Only of `check`."""
    downloads: Optional[tuple[Download, ...]] = None
    """Only of `download`."""
    owners: Optional[tuple[Owners, ...]] = None
    """Only of `owner`."""
    packages: tuple[Package, ...] = ()
    """In the order of installation."""
    plan: Optional[Plan] = None
    """The files that would be written and removed; only with `--dry-run`."""
    projects: Optional[tuple[Project, ...]] = None
    """Only of `list` and `show`; sorted by name."""
    projects_checked: Optional[int] = None
    """Only of `check`."""
    rounds: Optional[int] = None
    """How often the search began."""
    store: Optional[Store] = None
    """How many files came from the store, and how many wheels were put into it; only if it was
    used."""
    transactions: Optional[tuple[Transaction, ...]] = None
    """Only of `history`; oldest first."""
    unmet_requirements: tuple[Unmet, ...] = ()
    """Only of `check --requires`."""
    wheels: Optional[tuple[Verified, ...]] = None
    """Only of `verify`."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """Read it from the JSON object; a field that is missing raises KeyError."""
        return cls(
            version=data["version"],
            outcome=data["outcome"],
            environment=_optional(data["environment"], Environment.from_json),
            changes=_all(Change.from_json)(data["changes"]),
            conflicts=_all(Conflict.from_json)(data["conflicts"]),
            warnings=_all(Warning.from_json)(data["warnings"]),
            timings_ms=Timings.from_json(data["timings_ms"]),
            error=_optional(data["error"], Error.from_json),
            artifact=_optional(data.get("artifact"), Artifact.from_json),
            asked=_optional(data.get("asked"), Asked.from_json),
            cache=_optional(data.get("cache"), Cache.from_json),
            differences=_optional(data.get("differences"), _all(Difference.from_json)),
            downloads=_optional(data.get("downloads"), _all(Download.from_json)),
            owners=_optional(data.get("owners"), _all(Owners.from_json)),
            packages=_all(Package.from_json)(data.get("packages") or ()),
            plan=_optional(data.get("plan"), Plan.from_json),
            projects=_optional(data.get("projects"), _all(Project.from_json)),
            projects_checked=data.get("projects_checked"),
            rounds=data.get("rounds"),
            store=_optional(data.get("store"), Store.from_json),
            transactions=_optional(data.get("transactions"), _all(Transaction.from_json)),
            unmet_requirements=_all(Unmet.from_json)(data.get("unmet_requirements") or ()),
            wheels=_optional(data.get("wheels"), _all(Verified.from_json)),
        )


__all__ = [
    "Archive",
    "Artifact",
    "Asked",
    "Cache",
    "CacheContents",
    "CacheCount",
    "Change",
    "Conflict",
    "Difference",
    "Directory",
    "Download",
    "Environment",
    "Error",
    "Layer",
    "NameAndVersion",
    "Origin",
    "Owners",
    "Package",
    "PastChange",
    "Plan",
    "Project",
    "Refused",
    "Removed",
    "Repository",
    "Result",
    "Store",
    "Timings",
    "Transaction",
    "Unmet",
    "Verified",
    "Warning",
]
