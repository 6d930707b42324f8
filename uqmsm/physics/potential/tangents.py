"""How the tables of a Zhou potential answer to its parameters: the exact derivative of every tabulated function.

An interpolant is linear in its nodes. Tables of derivatives, interpolated like the potential itself, are therefore the
derivatives of the very functions that the atomistic kernel sums.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential.slopes import RADIAL, embedding_slopes, radial_slopes
from uqmsm.physics.potential.tabulated import CLAMP_ANGSTROM, Tables
from uqmsm.physics.potential.zhou import COLUMNS, Zhou

__all__ = ["Tangents", "tangents"]

Floats = NDArray[np.float64]
_WIDTH = len(COLUMNS)


@njit(cache=True)
def _radial_table(row: Floats, r: Floats, density: Floats, over: Floats) -> None:
    """Fill f and phi / f in row 0 and their derivatives in the columns `RADIAL` below, each (9, nr)."""
    g, h, one = np.empty(4), np.empty(4), np.empty((10, 6))
    for k in range(r.size):
        radial_slopes(row, r[k], g, h, one)
        f, ratio = one[0, 0], one[0, 3] / one[0, 0]
        density[0, k], over[0, k] = f, ratio
        for c in range(8):
            density[1 + c, k] = one[2 + c, 0]
            over[1 + c, k] = (one[2 + c, 3] - ratio * one[2 + c, 0]) / f


@njit(cache=True)
def _embedding_table(row: Floats, rho: Floats, out: Floats) -> None:
    """Fill the derivative of the embedding energy in every column, (22, nrho)."""
    own = np.zeros(3)
    for k in range(rho.size):
        one = np.zeros((2 + _WIDTH, 3))
        embedding_slopes(row, 1.0, rho[k], own, 2, one)
        for c in range(_WIDTH):
            out[c, k] = one[2 + c, 0]


@dataclass(frozen=True)
class Tangents:
    """Derivatives of tabulated functions of `n` elements.

    Parameters
    ----------
    tables
        The tables that are differentiated.
    density, over
        Shape ``(n, 9, nr)``: density f and ratio phi / f of an element, and their derivatives in the columns `RADIAL`.
    embedding
        Shape ``(n, n_columns, nrho)``: derivatives of the embedding energy in every column.
    """

    tables: Tables
    density: Floats
    over: Floats
    embedding: Floats

    def along(self, direction: Floats) -> Tables:
        """Return the derivative of all tables along a change of the parameters.

        Parameters
        ----------
        direction
            Shape ``(n, n_columns)``: change of every number of the parameter table per unit of what is differentiated
            in. A unit vector gives the derivative in one number, a row of `column_slopes` that in a free parameter.

        Raises
        ------
        StudyError
            When the shape does not fit.
        """
        n = len(self.tables.elements)
        if direction.shape != (n, _WIDTH):
            raise StudyError(f"a direction of {n} elements has the shape {(n, _WIDTH)}, not {direction.shape}")
        radial = direction[:, RADIAL]
        spread = np.einsum("ic,icr->ir", radial, self.density[:, 1:])
        share = np.einsum("ic,icr->ir", radial, self.over[:, 1:])
        f, h = self.density[:, 0], self.over[:, 0]
        half = 0.5 * (spread[None] * h[:, None] + f[None] * share[:, None])  # of phi_ab = (f_b h_a + f_a h_b) / 2
        return replace(
            self.tables,
            density=spread,
            pair=half + half.transpose(1, 0, 2),
            embedding=np.einsum("ic,icr->ir", direction, self.embedding),
        )


def tangents(zhou: Zhou, tables: Tables) -> Tangents:
    """Differentiate tables (of `tabulate`) in the parameters they were made of, on grids that stay where they are.

    Where a density lies on a join of the embedding's branches the derivative is that of one side, and a join that moves
    (`rho_n_over_rhoe`, `rho_o_over_rhoe`) changes its own branch only.
    """
    n, nr = tables.density.shape
    nrho = tables.embedding.shape[1]
    r = np.maximum(tables.r_step * np.arange(nr), CLAMP_ANGSTROM)
    rho = tables.rho_step * np.arange(nrho)
    density, over, embedding = np.empty((n, 9, nr)), np.empty((n, 9, nr)), np.empty((n, _WIDTH, nrho))
    for i, row in enumerate(np.ascontiguousarray(zhou.values)):
        _radial_table(row, r, density[i], over[i])
        _embedding_table(row, rho, embedding[i])
    return Tangents(tables, density, over, embedding)
