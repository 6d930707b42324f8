"""What a few full runs leave behind: the growth constant with its numerical error, and grown states, packed.

K leaves three things open, all numerical: the scatter between runs, how much of their rates is owed to boundaries that
are not thin, and what they still remember of their beginning.
"""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.special
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.fingerprint import digest
from uqmsm.physics.phasefield.description import Description, describe
from uqmsm.physics.phasefield.self_similar import Coarsening, excesses, growth_constants, memory

__all__ = ["GrowthDraw", "LearntGrowth", "kept_of", "learnt"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


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
        K in the thin limit, one pseudo-value of the jackknife a run: their mean is K, and their scatter, that of
        everything fitted from the runs, is that of independent values.
    thickness
        K with what thick boundaries add as grains show it by rates, over K with it by volumes.
    memory
        K by mean radius over K by the number of grains: what the runs still remember of their beginning.
    packed
        The states, each compressed; see `state`.
    voxels
        Along each edge of a state.
    fingerprint
        Which library it is.
    """

    constants: tuple[float, ...]
    thickness: float
    memory: float
    packed: tuple[bytes, ...]
    voxels: int
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
        ratios = np.array([self.thickness, self.memory])
        uniform = (ratios - 1.0) / (ratios + 1.0) / np.sqrt(3.0)
        return float(np.sqrt((runs * scale) ** 2 + np.sum(uniform**2)))

    def draw(self, rng: Generator) -> GrowthDraw:
        """Return one draw: Student's t of the mean over the runs, uniform laws of thickness and of memory."""
        n = len(self.constants)
        runs, thick, old = rng.random(3)
        away = float(scipy.special.stdtrit(n - 1, runs)) * float(np.std(self.constants, ddof=1)) / np.sqrt(n)
        middle = 2.0 / (1.0 + self.thickness)  # the constants are half way between the two ways to take it out
        factor = middle * (1.0 + thick * (self.thickness - 1.0)) * (1.0 + old * (self.memory - 1.0))
        return GrowthDraw(max((float(np.mean(self.constants)) + away) * factor, 0.05 * self.constant), self)

    def state(self, number: int) -> GrainIds:
        """Return one state ``(voxels, voxels, voxels)``, grains numbered from 0 without gaps."""
        return _unpacked(self.packed[number], self.voxels)

    def description(self, number: int) -> Description:
        """Return what one state is described by, its edge being one: the same for all its views."""
        return _described(self.packed[number], self.voxels)


@lru_cache(maxsize=4)
def _unpacked(packed: bytes, voxels: int) -> GrainIds:
    ids = np.frombuffer(lzma.decompress(packed), np.uint16).reshape((voxels,) * 3).astype(np.int32)
    ids.flags.writeable = False
    return ids


@lru_cache(maxsize=64)
def _described(packed: bytes, voxels: int) -> Description:
    return describe(_unpacked(packed, voxels))


def kept_of(runs: list[Coarsening], fingerprint: str, seed: int) -> xr.DataTree:
    """Return what is kept of full runs, as a tree for netCDF.

    Raises
    ------
    StudyError
        When the runs are so small that their grains show no growth.
    """
    every = growth_constants(runs)
    if not every.mean() > 0.0:
        raise StudyError(
            f"the grains of {len(runs)} runs show no growth (constants {every.round(2).tolist()}); give more voxels, a "
            "longer duration or more runs"
        )
    n, (by_volumes, by_rates) = len(runs), excesses(runs)
    without = np.array([growth_constants([*runs[:i], *runs[i + 1 :]]).mean() for i in range(n)])
    ratio = growth_constants(runs, by_rates).mean() / growth_constants(runs, by_volumes).mean()
    data = _history(runs).assign_attrs(
        voxels=runs[0].grain_ids.shape[-1],
        thickness=float(ratio),
        excess=[float(by_volumes), float(by_rates)],
        memory=memory(runs),
    )
    words = {"units": "1", "long_name": "K of d<R>^2/dt = K M sigma, boundaries thin: jackknife pseudo-values"}
    data["growth_constant"] = ("run", n * every.mean() - (n - 1) * without, words)
    packed = [lzma.compress(state.astype(np.uint16).tobytes(), preset=6) for run in runs for state in run.grain_ids]
    words = {"units": "1", "long_name": "grain ids of all states, packed one after the other"}
    data["states"] = ("byte", np.frombuffer(b"".join(packed), np.uint8), words)
    words = {"units": "1", "long_name": "bytes of each state"}
    data["state_bytes"] = ("state", np.array([len(one) for one in packed]), words)
    tree = xr.DataTree.from_dict({"diagnostics": data})
    tree.attrs |= {"fingerprint": fingerprint, "seed": seed, "shortfalls": json.dumps([])}
    return tree


def _history(runs: list[Coarsening]) -> xr.Dataset:
    """Return how the runs went."""

    def rows(name: str) -> Array:
        return np.stack([np.asarray(getattr(run, name), np.float64) for run in runs])

    swept = {"units": "1", "long_name": "time times mobility times boundary energy over voxels squared"}
    rates = {"units": "1", "long_name": "sums of V dV/dt, V y, y dV/dt, y y; y is dV/dt of thin boundaries"}
    return xr.Dataset(
        {
            "swept": (("run", "moment"), rows("times") * runs[0].width_voxels ** 2 / 8.0, swept),
            "mean_radius": (("run", "moment"), rows("mean_radius_voxels"), {"units": "1", "long_name": "in voxels"}),
            "alive": (("run", "moment"), rows("alive"), {"units": "1", "long_name": "grains alive"}),
            "rates": (("run", "moment", "sum"), rows("rates"), rates),
        }
    )


def learnt(kept: xr.DataTree) -> LearntGrowth:
    """Return the law of what `kept_of` kept."""
    data = kept["diagnostics"].to_dataset()
    constants = tuple(float(one) for one in data["growth_constant"].values)
    every, ends = data["states"].values.astype(np.uint8).tobytes(), np.cumsum(data["state_bytes"].values)
    packed = tuple(every[start:end] for start, end in zip((0, *ends[:-1]), ends, strict=True))
    name = digest(kept.attrs["fingerprint"], constants, data["states"].values)
    thickness, remembered = float(data.attrs["thickness"]), float(data.attrs["memory"])
    return LearntGrowth(constants, thickness, remembered, packed, int(data.attrs["voxels"]), name)
