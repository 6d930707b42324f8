"""The size law as a law: growth constant with its numerical error, and a library of grown states, from a few full runs.

A study needs no full run of its own: the library is shipped (``data/self_similar.nc``), or computed once a study. What
K leaves open is numerical: the scatter between runs, the width of boundaries, which makes rates too high, and what the
runs still remember of their beginning.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import code_digest, digest
from uqmsm.netcdf import write_netcdf
from uqmsm.physics.phasefield.growth import StepControl
from uqmsm.physics.phasefield.self_similar import THICKNESS, TIMES, Coarsening, coarsen, growth_constants, memory
from uqmsm.streams import Streams
from uqmsm.trust import refuse_foreign_data

__all__ = ["LIBRARY_VERSION", "GrowthDraw", "LearntGrowth", "SelfSimilar"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]
Map = Callable[..., Iterable[Any]]

LIBRARY_VERSION = 1
"""The mathematics of the runs. Raise it by one with every change that moves K by more than its own error, and compute
the shipped library again (`data/README.md` says how)."""

SHIPPED = "self_similar.nc"
DOUBT = 0.5
"""Half width of the uniform law of the thickness coefficient over its value: it was measured in two dimensions."""

_SECONDS_A_VOXEL = 1.0e-4  # of one core a run at five voxels a width


@dataclass(frozen=True)
class GrowthDraw:
    """One value of the growth constant, and the states to draw from.

    Parameters
    ----------
    constant
        K of d<R>^2/dt = K M sigma, boundaries thin.
    law
        What it was drawn from.
    """

    constant: float
    law: LearntGrowth

    @property
    def fingerprint(self) -> str:
        """Return the digest of both."""
        return digest(self.constant, self.law)


@dataclass(frozen=True)
class LearntGrowth:
    """The size law as learnt.

    Parameters
    ----------
    constants
        K of each run, in the thin limit.
    slope
        d ln K / d ln (thickness coefficient).
    memory
        K by mean radius over K by the number of grains: what the runs still remember of their beginning.
    packed
        The states, compressed; see `states`.
    shape
        Of all of them: (states, n, n, n).
    fingerprint
        Which library it is.
    """

    constants: tuple[float, ...]
    slope: float
    memory: float
    packed: bytes
    shape: tuple[int, ...]
    fingerprint: str

    @property
    def constant(self) -> float:
        """The best value: half way between the two ways to measure it."""
        return float(np.mean(self.constants)) * 0.5 * (1.0 + self.memory)

    @property
    def relative_error(self) -> float:
        """Standard deviation of the law over its mean: runs, thickness and memory together."""
        n = len(self.constants)
        runs = np.std(self.constants, ddof=1) / np.sqrt(n) / np.mean(self.constants)
        scale = np.sqrt((n - 1) / (n - 3)) if n > 3 else np.inf
        uniform = np.array([self.slope * DOUBT, (self.memory - 1.0) / (self.memory + 1.0)]) / np.sqrt(3.0)
        return float(np.sqrt((runs * scale) ** 2 + np.sum(uniform**2)))

    def draw(self, rng: Generator) -> GrowthDraw:
        """Return one draw: Student's t of the mean over the runs, uniform laws of thickness and of memory."""
        n = len(self.constants)
        runs, thick, old = rng.random(3)
        away = float(scipy.special.stdtrit(n - 1, runs)) * float(np.std(self.constants, ddof=1)) / np.sqrt(n)
        factor = (1.0 + self.slope * DOUBT * (2.0 * thick - 1.0)) * (1.0 + old * (self.memory - 1.0))
        return GrowthDraw(max((float(np.mean(self.constants)) + away) * factor, 0.05 * self.constant), self)

    def states(self) -> GrainIds:
        """Return the states, `shape`, grains of each numbered from 0 without gaps."""
        return _unpacked(self.packed, self.shape)


@lru_cache(maxsize=2)
def _unpacked(packed: bytes, shape: tuple[int, ...]) -> GrainIds:
    ids = np.frombuffer(lzma.decompress(packed), np.uint16).reshape(shape).astype(np.int32)
    ids.flags.writeable = False
    return ids


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
        The library that comes with uqmsm; false computes it, about half a minute a run.
    """

    runs: int = 12
    voxels: int = 64
    width: float = 5.0
    duration: float = 18.0
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
            f"{len(law.constants)} runs; {law.shape[0]} states to draw from"
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


def _one_run(law: SelfSimilar, seed: int, number: int) -> Coarsening:
    rng = Streams(seed).generator("self_similar.run", number)
    control = StepControl(tolerance=0.05)
    times = TIMES[0] + law.duration * np.linspace(0.0, 1.0, len(TIMES))
    return coarsen(rng, (law.voxels,) * 3, law.width, times=times, control=control)


def kept_of(runs: list[Coarsening], fingerprint: str, seed: int) -> xr.DataTree:
    """Return what is kept of full runs, as a tree for netCDF.

    Raises
    ------
    StudyError
        When the runs are so small that their grains show no growth.
    """
    states = np.concatenate([run.grain_ids for run in runs]).astype(np.uint16)
    packed = np.frombuffer(lzma.compress(states.tobytes(), preset=6), np.uint8)
    thin, thicker = growth_constants(runs), growth_constants(runs, 1.1 * THICKNESS)
    if not thin.mean() > 0.0:
        raise StudyError(
            f"the grains of {len(runs)} runs show no growth (constants {thin.round(2).tolist()}); give more voxels, a "
            "longer duration or more runs"
        )
    words = {"units": "1"}

    def rows(name: str) -> Array:
        return np.stack([np.asarray(getattr(run, name), np.float64) for run in runs])

    reduced = {"units": "1", "long_name": "time times mobility times boundary energy over voxels squared"}
    data = xr.Dataset(
        {
            "growth_constant": ("run", thin, words | {"long_name": "K of d<R>^2/dt = K M sigma, boundaries thin"}),
            "swept": (("run", "moment"), rows("times") * runs[0].width_voxels ** 2 / 8.0, reduced),
            "mean_radius": (("run", "moment"), rows("mean_radius_voxels"), words | {"long_name": "in voxels"}),
            "alive": (("run", "moment"), rows("alive"), words | {"long_name": "grains alive"}),
            "states": ("byte", packed, words | {"long_name": f"grain ids {states.shape}, uint16, LZMA"}),
        },
        attrs={
            "shape": list(states.shape),
            "slope": float(np.log(thicker.mean() / thin.mean()) / np.log(1.1)),
            "memory": memory(runs),
        },
    )
    tree = xr.DataTree.from_dict({"diagnostics": data})
    tree.attrs |= {"fingerprint": fingerprint, "seed": seed, "shortfalls": json.dumps([])}
    return tree


def learnt(kept: xr.DataTree) -> LearntGrowth:
    """Return the law of what `kept_of` kept."""
    data = kept["diagnostics"].to_dataset()
    constants = tuple(float(one) for one in data["growth_constant"].values)
    packed = data["states"].values.astype(np.uint8).tobytes()
    shape = tuple(int(n) for n in np.atleast_1d(data.attrs["shape"]))
    name = digest(kept.attrs["fingerprint"], constants, data["states"].values)
    slope, remembered = float(data.attrs["slope"]), float(data.attrs["memory"])
    return LearntGrowth(constants, slope, remembered, packed, shape, name)


def _read(path: Path, fingerprint: str, seed: int | None) -> xr.DataTree | None:
    """Return what a file keeps, None where it is another library or none at all."""
    try:
        refuse_foreign_data(path)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            same = tree.attrs.get("fingerprint") == fingerprint and seed in {None, int(tree.attrs.get("seed", -1))}
            return tree.load() if same else None
    except (OSError, ValueError):
        return None  # half a file, or none of ours: made anew
