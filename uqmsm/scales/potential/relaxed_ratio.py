"""From the average atom to relaxed cells: one ratio for all draws, or a surrogate of it over the parameters.

The surrogate is the linear one of `uqmsm.surrogate`: a potential's own parameters and the stiffness of its average atom
tell part of how far a random cell relaxes. Where a line foretells cells that it has not seen no better than a constant,
a constant it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.surrogate import Coordinates, Emulator, emulate

__all__ = ["LearntRatio", "RelaxedRatio", "features", "fewest_cells", "learnt_ratio", "ratio_from"]

Floats = NDArray[np.float64]
_DIGITS = 9  # of what is kept as text


@dataclass(frozen=True)
class RelaxedRatio:
    """log(relaxed cell / average atom) of the alloy's quantities: mean and standard deviation, shape (4,) each.

    Without relaxed cells it is zero with a stated width; the posterior is never sampled with that, it only chooses the
    draws at which cells are relaxed.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    sd: tuple[float, ...] = (0.003, 0.03, 0.05, 0.05)


@dataclass(frozen=True)
class LearntRatio(RelaxedRatio):
    """The same as a line in `features`, with an error that grows away from the cells that it was learnt from.

    `mean` and `sd` are those of the cells, for people.

    Parameters
    ----------
    centre, axes
        Coordinates ``at = (features - centre) @ axes``, shapes (f,) and (f, d), standardised over the cells.
    weights
        Constant and slopes of each quantity, shape (4, 1 + d); slopes of zero where a constant did better.
    variance
        Of a further cell where it is best known, for each quantity, shape (4,): that of Student's law.
    cells
        How many cells it was learnt from.
    missed
        Leave-one-out error of each quantity, shape (4,), beside that of a constant, `sd`.
    """

    centre: tuple[float, ...] = ()
    axes: tuple[tuple[float, ...], ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()
    variance: tuple[float, ...] = ()
    cells: int = 0
    missed: tuple[float, ...] = ()

    def at(self, free: Floats, alloy: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance of the logarithm of the ratio at each draw, shape (draws, 4) each.

        The coordinates are uncorrelated over the cells, so ``P' P`` is their number times the unit matrix and the
        variance of a line is ``s^2 (1 + (1 + |at|^2) / cells)``. No BLAS: a draw's bytes do not depend on its mates.
        """
        at = np.einsum("pf,fd->pd", features(free, alloy) - np.array(self.centre), np.array(self.axes))
        weights, variance = np.array(self.weights), np.array(self.variance)
        mean = weights[:, 0] + np.einsum("pd,qd->pq", at, weights[:, 1:])
        lever = 1.0 + np.where(weights[:, 1:].any(axis=1), np.einsum("pd,pd->p", at, at)[:, None], 0.0)
        return mean, variance * (1.0 + lever / self.cells)


def features(free: Floats, alloy: Floats) -> Floats:
    """Return what the relaxation is learnt from, shape (draws, free + 3): parameters, and the average atom's stiffness.

    Parameters
    ----------
    free
        The potential's own parameters, shape (draws, free).
    alloy
        Lattice parameter, C11, C12, C44 of the average atom, shape (draws, 4); NaN or negative where it is unstable,
        which has no density anyway.
    """
    _, c11, c12, c44 = np.moveaxis(alloy, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        bulk = np.log((c11 + 2.0 * c12) / 3.0)
        stiffness = [np.log(c44) - bulk, np.log(0.5 * (c11 - c12)) - bulk, bulk]
    return np.concatenate([free, np.stack(stiffness, axis=-1)], axis=-1)


def fewest_cells(free_count: int) -> int:
    """Return from how many cells a line in all features can be learnt: twice its coefficients."""
    return 2 * (free_count + 3 + 1)


def learnt_ratio(found: Floats, logs: Floats) -> LearntRatio:
    """Learn the ratio from cells, quantity by quantity a line or a constant, whichever foretells cells better.

    Parameters
    ----------
    found
        `features` of the draws whose cells were relaxed, shape (cells, f).
    logs
        log(relaxed / average atom), shape (cells, 4).
    """
    coordinates = Coordinates.of(found)
    at = coordinates.at(found)
    emulators = [emulate(at, one, most_degree=1, process=False) for one in logs.T]
    axes = coordinates.axes / coordinates.scale[:, None] / coordinates.spread
    return LearntRatio(
        mean=_short(logs.mean(axis=0)),
        sd=_short(logs.std(axis=0, ddof=1) * np.sqrt(1.0 + 1.0 / len(logs))),
        centre=_short(coordinates.centre),
        axes=tuple(_short(row) for row in axes),
        weights=tuple(_short(_line(one, coordinates.size)) for one in emulators),
        variance=_short(np.array([one.variance * one.widened**2 * one.dof / (one.dof - 2.0) for one in emulators])),
        cells=len(logs),
        missed=_short(np.array([one.missed for one in emulators])),
    )


def ratio_from(kept: Mapping[str, Any]) -> RelaxedRatio:
    """Return the ratio that a file of draws has kept as plain JSON."""
    if "weights" not in kept:
        return RelaxedRatio(tuple(kept["mean"]), tuple(kept["sd"]))
    rows: dict[str, Any] = {name: tuple(tuple(row) for row in kept[name]) for name in ("axes", "weights")}
    plain: dict[str, Any] = {name: tuple(kept[name]) for name in ("mean", "sd", "centre", "variance", "missed")}
    return LearntRatio(**plain, **rows, cells=int(kept["cells"]))


def _line(one: Emulator, size: int) -> Floats:
    """Return constant and slopes of a surrogate of degree 0 or 1."""
    return np.concatenate([one.trend, np.zeros(size + 1 - len(one.trend))])


def _short(values: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)
