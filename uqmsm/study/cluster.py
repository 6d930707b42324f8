"""``run: cluster:`` of a study file: a word, an address, or a block of settings, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import ValidationInfo, WrapValidator

from uqmsm.errors import StudyError
from uqmsm.execution.places import ClusterSettings, place_of
from uqmsm.study.wording import custom, shown, split

__all__ = ["Cluster", "ClusterSettings"]


def _read(value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
    """Check a text by the notation of the command line, a mapping by the keys of a block, each in its own words."""
    from uqmsm.study.shapes import adapter

    del handler  # of the union: it would tell what is wrong with either reading
    if isinstance(value, str):
        try:
            place_of(value, (info.context or {}).get("folder"))
        except StudyError as fault:
            what, advice = split(str(fault))
            raise custom(what, advice=advice) from fault
        return value
    if not isinstance(value, dict):
        words = "Write local, the address of a scheduler, slurm:QUEUE, or a block that begins with  at: slurm:QUEUE"
        raise custom(f"{shown(value)} where a place to run is wanted", advice=words)
    return adapter(ClusterSettings).validate_python(value, context=info.context)


Cluster = Annotated[str | ClusterSettings, WrapValidator(_read)]
