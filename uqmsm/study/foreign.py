"""What code a study brings along: operators named ``module:Class``, and lines of shell for the jobs of a cluster."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

from uqmsm.execution.places import place_of
from uqmsm.study.operators import reference
from uqmsm.study.parts import Study

__all__ = ["foreign_code"]


def foreign_code(study: Study) -> list[str]:
    """Return all that a run of this study executes beside uqmsm itself, one line each, in order of appearance."""
    return list(dict.fromkeys([*_operators(study), *_shell(study)]))


def _operators(study: Study) -> Iterator[str]:
    for stage in study.chain.stages:
        words = reference(stage.operator).get("operator")
        if words is not None:
            file = inspect.getsourcefile(type(stage.operator))
            yield f"{words} ({_near(file, study.path)})" if file is not None else str(words)


def _near(file: str, beside: Path | None) -> str:
    """Return a path as short as it can be told: from the folder of the study if it lies there."""
    folder = beside.resolve().parent if beside is not None else Path()
    found = Path(file).resolve()
    return os.path.relpath(found, folder) if found.is_relative_to(folder) else str(found)


def _shell(study: Study) -> Iterator[str]:
    place = place_of(study.run.cluster)
    yield from (f"{place.system} prologue: {line}" for line in place.prologue)
    yield from (f"{place.system} directive: {line}" for line in place.directives)
    if place.python is not None:
        yield f"{place.system} python: {place.python}"
