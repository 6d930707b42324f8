"""Cubic interpolants of a tabulated embedded-atom potential, laid out for fast evaluation.

On each interval of a uniform grid the function is the cubic through both end values with both end slopes, the slopes
taken from the five-point central difference (two points next to an end and at it). These are the conventions of the
`setfl` reader of LAMMPS (documentation of ``pair_style eam/alloy``), so that the same table means the same potential
in both. The pair function is interpolated as r phi(r), which is what a `setfl` file holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.embedded_tables import PotentialTables

__all__ = ["Potential", "interpolate", "nodes"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Potential:
    """An embedded-atom potential as values and slopes at grid points.

    Attributes
    ----------
    elements
        Chemical symbols; species numbers elsewhere are positions in this tuple.
    r_step, cutoff
        Spacing of the distance grid and interaction range (A).
    rho_step
        Spacing of the density grid.
    pair
        (n (n + 1) / 2, nr, 2): value and slope (per interval) of r phi(r) for each unordered couple of species.
    couple
        (n, n): which row of `pair` two species share.
    density, embedding
        (n, nr, 2) and (n, nrho, 2).
    """

    elements: tuple[str, ...]
    r_step: float
    cutoff: float
    rho_step: float
    pair: Floats
    couple: NDArray[np.int64]
    density: Floats
    embedding: Floats


def nodes(values: Floats) -> Floats:
    """Return value and slope at every grid point.

    Parameters
    ----------
    values
        (..., m) function values on a uniform grid, m >= 5.

    Returns
    -------
    (..., m, 2): the value and the slope per grid interval.
    """
    both = np.empty((*values.shape, 2))
    both[..., 0] = values
    slope = both[..., 1]
    slope[..., 2:-2] = ((values[..., :-4] - values[..., 4:]) + 8.0 * (values[..., 3:-1] - values[..., 1:-3])) / 12.0
    slope[..., 0] = values[..., 1] - values[..., 0]
    slope[..., -1] = values[..., -1] - values[..., -2]
    slope[..., 1] = 0.5 * (values[..., 2] - values[..., 0])
    slope[..., -2] = 0.5 * (values[..., -1] - values[..., -3])
    return both


def interpolate(tables: PotentialTables) -> Potential:
    """Turn tables into piecewise cubics.

    Raises
    ------
    StudyError
        When shapes disagree, values are not finite, or the distance grid ends before the cutoff.
    """
    n, nr = len(tables.elements), tables.density.shape[-1]
    if tables.density.shape != (n, nr) or tables.pair.shape != (n, n, nr) or tables.embedding.shape[:1] != (n,):
        raise StudyError(
            f"potential tables of {n} elements have shapes density {tables.density.shape}, pair {tables.pair.shape}, "
            f"embedding {tables.embedding.shape}; expected (n, nr), (n, n, nr), (n, nrho): tabulate them again"
        )
    if (nr - 1) * tables.r_step < tables.cutoff * (1.0 - 1e-9):
        raise StudyError(
            f"the distance grid of the potential ends at {(nr - 1) * tables.r_step:.4f} A, before the cutoff "
            f"{tables.cutoff:.4f} A; tabulate further or lower the cutoff"
        )
    for name, values in (("density", tables.density), ("pair", tables.pair), ("embedding", tables.embedding)):
        if not np.isfinite(values).all():
            raise StudyError(f"the potential table {name!r} holds values that are not finite; check the parameters")
    one, two = np.triu_indices(n)
    couple = np.empty((n, n), dtype=np.int64)
    couple[one, two] = couple[two, one] = np.arange(len(one))
    return Potential(
        elements=tuple(tables.elements),
        r_step=float(tables.r_step),
        cutoff=float(tables.cutoff),
        rho_step=float(tables.rho_step),
        pair=nodes(tables.pair[one, two] * (tables.r_step * np.arange(nr))),
        couple=couple,
        density=nodes(tables.density),
        embedding=nodes(tables.embedding),
    )
