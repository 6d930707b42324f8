"""The size law as a law: growth constant with its numerical error, and a library of grown states, from a few full runs.

A study needs no full run of its own: the library is shipped (``data/self_similar.nc``), or computed once a study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import code_digest, digest
from uqmsm.netcdf import write_netcdf
from uqmsm.physics.phasefield.growth import StepControl
from uqmsm.physics.phasefield.self_similar import TIMES, Coarsening, coarsen
from uqmsm.scales.phasefield.library import GrowthDraw, LearntGrowth, kept_of, learnt
from uqmsm.streams import Streams
from uqmsm.trust import refuse_foreign_data

__all__ = ["LIBRARY_VERSION", "GrowthDraw", "LearntGrowth", "SelfSimilar", "shipped"]

Map = Callable[..., Iterable[Any]]

LIBRARY_VERSION = 2
"""The mathematics of the runs. Raise it by one with every change that moves K by more than its own error, and compute
the shipped library again (`data/README.md` says how)."""

SHIPPED = "self_similar.nc"

_SECONDS_A_VOXEL = 1.0e-4  # of one core a run at five voxels a width


@dataclass(frozen=True)
class SelfSimilar:
    """Growth constant and grown states, from full runs of the phase field in reduced units.

    Parameters
    ----------
    runs
        Full runs, four or more: their scatter is the error of the growth constant.
    voxels
        Along each edge of a run.
    width
        Of a boundary in voxels.
    duration
        Reduced time from two widths of mean radius on: a run counts from there.
    shipped
        The library that comes with uqmsm; false computes it, about four minutes a run.
    """

    runs: int = 6
    voxels: int = 128
    width: float = 5.0
    duration: float = 36.0
    shipped: bool = True

    def __post_init__(self) -> None:
        """Refuse runs from which nothing can be learnt."""
        if self.runs < 4:
            raise StudyError(f"runs = {self.runs}: give at least 4, for an error of their mean")
        if not (self.width >= 3 and 2 <= self.duration <= 200):
            raise StudyError(
                f"width = {self.width:g}, duration = {self.duration:g}: give 3 voxels or more, and 2 to 200"
            )
        # a dozen grains when the run begins to count
        least = int(np.ceil(8.0 * self.width))
        if self.voxels < least:
            raise StudyError(f"voxels = {self.voxels}: at {self.width:g} voxels a boundary give at least {least}")

    @property
    def fingerprint(self) -> str:
        """Return which library it is."""
        settings = asdict(self)
        del settings["shipped"]
        known = digest(LIBRARY_VERSION, settings)
        return known if self.shipped else digest(known, code_digest(__name__))

    def cost(self) -> float:
        """Return the seconds of one core that learning takes, roughly."""
        return 0.0 if self.shipped else _SECONDS_A_VOXEL * self.runs * self.voxels**3 * (self.width / 5.0) ** 2

    def learn(self, mapping: Map, seed: int, stored: Path, tell: Callable[[str], None]) -> LearntGrowth:
        """Return the law learnt; see `uqmsm.uncertainty.LearnableLaw`.

        Raises
        ------
        StudyError
            When the shipped library is wanted and has other settings.
        """
        kept = _read(stored, self.fingerprint, None if self.shipped else seed) if stored.is_file() else None
        if kept is None:
            kept = self.library() if self.shipped else self.computed(mapping, seed, tell)
            write_netcdf(kept, stored)
        law = learnt(kept)
        tell(
            f"growth constant {law.constant:.3f} with a numerical error of {100 * law.relative_error:.1f} % from "
            f"{len(law.constants)} runs; {len(law.packed)} states to draw from"
        )
        return law

    def library(self) -> xr.DataTree:
        """Return the shipped library.

        Raises
        ------
        StudyError
            When it has other settings.
        """
        found = _read(tables.path(SHIPPED), self.fingerprint, None)
        if found is None:
            raise StudyError(
                "the shipped library of grown states has other settings: write  shipped: false  to compute one (about "
                f"{replace(self, shipped=False).cost() / 60:.0f} minutes of one core), or leave runs, voxels, width "
                "and duration at their defaults"
            )
        return found

    def computed(self, mapping: Map, seed: int, tell: Callable[[str], None] = lambda _: None) -> xr.DataTree:
        """Run the phase fields and return what is kept of them."""
        found = []
        for run in mapping(partial(_one_run, self, seed), range(self.runs)):
            found.append(run)
            tell(f"run {len(found)} of {self.runs}: {run.alive[0]} grains at two widths, {run.alive[-1]} at the end")
        return kept_of(found, self.fingerprint, seed)


@lru_cache(maxsize=1)
def shipped() -> LearntGrowth:
    """Return the law of the shipped library."""
    return learnt(SelfSimilar().library())


def _one_run(law: SelfSimilar, seed: int, number: int) -> Coarsening:
    rng = Streams(seed).generator("self_similar.run", number)
    control = StepControl(tolerance=0.05)
    times = TIMES[0] + law.duration * np.linspace(0.0, 1.0, len(TIMES))
    return coarsen(rng, (law.voxels,) * 3, law.width, times=times, control=control)


def _read(path: Path, fingerprint: str, seed: int | None) -> xr.DataTree | None:
    """Return what a file keeps, None where it is another library or none at all."""
    try:
        refuse_foreign_data(path)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            same = tree.attrs.get("fingerprint") == fingerprint and seed in {None, int(tree.attrs.get("seed", -1))}
            return tree.load() if same else None
    except (OSError, ValueError):
        return None  # half a file, or none of ours: made anew
