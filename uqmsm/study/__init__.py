"""The study as types: what a study file may say, checked all at once, written out again, and described by a schema."""

from __future__ import annotations

from uqmsm.study.describing import schema
from uqmsm.study.dumping import dump
from uqmsm.study.loading import load, loads, study_file
from uqmsm.study.parts import Ask, Band, Members, Refinement, RunSettings, SearchSize, Study, Until

__all__ = [
    "Ask",
    "Band",
    "Members",
    "Refinement",
    "RunSettings",
    "SearchSize",
    "Study",
    "Until",
    "dump",
    "load",
    "loads",
    "schema",
    "study_file",
]
