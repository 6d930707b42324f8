"""A form of potential without parameters: what it says of alloys, how wrong it is, and what it would have foretold.

Its inadequacy is that of `uqmsm.scales.potential.model`: ``datum = prediction exp(delta) exp(noise)``, where delta is
normal with one unknown width for each of the lattice parameter, C11, C12 and C44.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.potential.engines import Rival
from uqmsm.scales.potential.alloy_targets import young_and_slopes
from uqmsm.scales.potential.model import ALLOY_QUANTITIES
from uqmsm.scales.potential.targets import Target
from uqmsm.scales.rival_crystal import rival_crystal

__all__ = ["RivalModel", "Seen", "seen_of"]

Floats = NDArray[np.float64]
Task = tuple[Rival, tuple[str, ...], Floats, Literal["bcc", "fcc"], tuple[int, int, int], Floats, bool, Generator]

_WIDTH_DRAWS = 20_000


@dataclass(frozen=True)
class Seen:
    """What a rival says of one alloy.

    Parameters
    ----------
    log_mean, log_se
        Logarithms of `ALLOY_QUANTITIES`: mean over random cells and its standard error, shape (4,).
    lever
        What an independent relative error of every element's volume does to the norm of the misfit volumes, relatively;
        NaN where they were not computed.
    """

    log_mean: Floats
    log_se: Floats
    lever: float

    @classmethod
    def of(cls, rows: Sequence[Floats], composition: Floats) -> Seen:
        """Return the same of cells: rows of four quantities, volume per atom and misfit volumes."""
        logs = np.log([row[:4] for row in rows])
        volume, misfit = np.mean([row[4] for row in rows]), np.mean([row[5:] for row in rows], axis=0)
        square, norm = (composition * misfit**2).sum(), np.sqrt((composition**2 * misfit**2).sum())
        lever = float(volume * norm / square) if square > 0 else float("nan")
        return cls(logs.mean(axis=0), logs.std(axis=0, ddof=1) / np.sqrt(len(logs)), lever)


def seen_of(task: Task) -> Floats | None:
    """Compute one random cell: lattice parameter, C11, C12, C44, volume per atom and misfit volumes; None if it fails.

    Parameters
    ----------
    task
        Rival, elements, fractions, lattice, cells, free parameters of the learnt form (for where to begin), whether
        misfit volumes are wanted, and a generator.
    """
    from uqmsm.physics.alloy import configuration
    from uqmsm.physics.potential import average_atom, zhou_from_free

    rival, elements, fractions, lattice, cells, start, with_misfits, rng = task
    guess = float(average_atom(zhou_from_free(elements, start, lattice), fractions, lattice).lattice_parameter)
    species = configuration(fractions, cells, lattice, rng)
    try:
        crystal = rival_crystal(
            rival, elements, species, fractions,
            lattice=lattice, cells=cells, a_guess_A=guess, rng=rng, families=int(with_misfits),
        )  # fmt: skip
    except MemberFailed:
        return None
    quantities = [getattr(crystal, quantity) for quantity in ALLOY_QUANTITIES]
    return np.array([*quantities, crystal.volume_per_atom, *crystal.misfit_volumes])


@dataclass(frozen=True)
class RivalModel:
    """The unknown widths of one rival's inadequacy, given data of alloys.

    Parameters
    ----------
    seen
        What the rival says: alloy -> `Seen`; the first is the alloy itself, the others its kin.
    data
        Data of alloys.
    ln_width_mean, ln_width_sd
        Normal prior of the widths' logarithms, shape (4,).
    """

    seen: Mapping[str, Seen]
    data: tuple[Target, ...]
    ln_width_mean: Floats
    ln_width_sd: Floats

    @cached_property
    def _plan(self) -> tuple[Floats, Floats, Floats]:
        """Return misses (data,), shares of the four widths (data, 4) and noise variances (data,)."""
        misses, shares, noises = [], [], []
        for datum in self.data:
            seen = self.seen[datum.material]
            if datum.quantity == "young_modulus":
                value, slopes = young_and_slopes(np.exp(seen.log_mean[1:]))
                share, log = np.array([0.0, *slopes]), float(np.log(value))
            else:
                k = ALLOY_QUANTITIES.index(datum.quantity)
                share, log = np.eye(4)[k], float(seen.log_mean[k])
            misses.append(float(np.log(datum.value)) - log)
            shares.append(share)
            noises.append(datum.log_sd**2 + float((share**2 * seen.log_se**2).sum()))
        return np.array(misses), np.array(shares), np.array(noises)

    def widths(self, rng: Generator) -> Floats:
        """Return draws of the four widths from their prior, shape (draws, 4)."""
        return np.exp(self.ln_width_mean + self.ln_width_sd * rng.standard_normal((_WIDTH_DRAWS, 4)))

    def _likelihoods(self, widths: Floats) -> Floats:
        """Return log densities of every datum given each draw of the widths, shape (draws, data)."""
        misses, shares, noises = self._plan
        variance = noises + (widths**2) @ (shares**2).T
        return np.asarray(-0.5 * (misses**2 / variance + np.log(2 * np.pi * variance)))

    def scores(self, widths: Floats) -> Floats:
        """Return the log predictive density of every datum given all others, shape (data,); `widths` from the prior."""
        logs = self._likelihoods(widths)
        others = logs.sum(axis=1, keepdims=True) - logs
        weights = np.exp(others - others.max(axis=0))
        return np.asarray(np.log((weights * np.exp(logs)).sum(axis=0) / weights.sum(axis=0)))

    def posterior(self, widths: Floats, count: int, rng: Generator) -> Floats:
        """Return draws of the widths given all data, shape (count, 4), resampled from those of the prior."""
        logs = self._likelihoods(widths).sum(axis=1)
        weights = np.exp(logs - logs.max())
        return widths[rng.choice(len(widths), size=count, p=weights / weights.sum())]

    def discrepancy(self, widths: Floats) -> tuple[Floats, Floats]:
        """Return mean and sd of the alloy's inadequacy, shape (draws, 5); see `CalibrationModel.discrepancy`."""
        misses, _, noises = self._plan
        name = next(iter(self.seen))
        mean, sd = np.zeros((len(widths), 5)), np.zeros((len(widths), 5))
        sd[:, :4] = widths
        for i, datum in enumerate(self.data):
            if datum.material == name and datum.quantity in ALLOY_QUANTITIES:
                k = ALLOY_QUANTITIES.index(datum.quantity)
                share = widths[:, k] ** 2 / (widths[:, k] ** 2 + noises[i])
                mean[:, k] = share * misses[i]
                sd[:, k] = widths[:, k] * np.sqrt(1 - share)
        sd[:, 4] = 3.0 * widths[:, 0] * self.seen[name].lever
        return mean, sd
