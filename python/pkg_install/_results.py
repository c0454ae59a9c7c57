"""The results of commands that always have a field which others lack."""

from __future__ import annotations

from typing import TypeVar

from ._models import Artifact, Difference, Plan, Result

R = TypeVar("R", bound=Result)


class PlanResult(Result):
    """What `plan` returns."""

    plan: Plan


class CheckResult(Result):
    """What `check` returns."""

    differences: tuple[Difference, ...]
    projects_checked: int


class PackResult(Result):
    """What `pack` returns."""

    artifact: Artifact


def narrowed(kind: type[R], result: Result) -> R:
    """The same result in a class that says more."""
    return kind(**vars(result))
