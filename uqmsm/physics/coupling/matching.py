"""Elastic matching: a cheap potential given the lattice parameter and all elastic constants of the dear one.

A quantum core in a crystal of another size or stiffness sits in a misfit; rescaling lengths and energies mends two of
four numbers. Here the pair energy gets three smooth humps and the embedding energy a parabola at the crystal's density:
their four heights solve four linear conditions, no stress and C11, C12 and C44 as wanted. The parabola is what central
pairs cannot give, C12 - C44.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from uqmsm.errors import Unstable
from uqmsm.physics.coupling.alloys import average_atom_of
from uqmsm.physics.coupling.cauchy_born import CauchyBorn
from uqmsm.physics.coupling.lattice import cubic
from uqmsm.physics.embedded_tables import EmbeddedFunctions

__all__ = ["PlainTables", "cubic_constants", "matched", "resting_edge"]

Floats = NDArray[np.float64]

_WIDTH = 0.15
_SHELLS = {"bcc": (np.sqrt(0.75), 1.0, np.sqrt(2.0)), "fcc": (np.sqrt(0.5), 1.0, np.sqrt(1.5))}
GPA_A3_PER_EV = 160.2176634


@dataclass(frozen=True)
class PlainTables:
    """Embedded-atom functions on uniform grids (A, eV), as the room of potentials tabulates them."""

    elements: tuple[str, ...]
    r_step: float
    cutoff: float
    rho_step: float
    density: Floats
    pair: Floats
    embedding: Floats


def cubic_constants(
    tables: EmbeddedFunctions, composition: ArrayLike, lattice: Literal["bcc", "fcc"], edge_A: float
) -> Floats:
    """Return stress and C11, C12, C44 (4,) in GPa of the average atom's crystal (tangent at rest, no stress terms)."""
    average = average_atom_of(tables, composition)
    at = CauchyBorn(average, cubic(lattice, edge_A, tables.cutoff))(np.eye(3)[None])
    A = at.tangent[0] * GPA_A3_PER_EV
    shear = A[0, 1, 0, 1] - at.stress[0, 1, 1] * GPA_A3_PER_EV
    return np.array([at.stress[0, 0, 0] * GPA_A3_PER_EV, A[0, 0, 0, 0], A[0, 0, 1, 1], shear])


def resting_edge(
    tables: EmbeddedFunctions, composition: ArrayLike, lattice: Literal["bcc", "fcc"], guess_A: float
) -> float:
    """Return the cubic edge (A) at which the average atom's crystal has no stress.

    Raises
    ------
    Unstable
        When there is none within 8 % of the guess.
    """

    def pressed(edge: float) -> float:
        return float(cubic_constants(tables, composition, lattice, edge)[0])

    low, high = 0.92 * guess_A, 1.08 * guess_A
    if not pressed(low) < 0.0 < pressed(high):
        raise Unstable(
            f"the average crystal does not rest within 8 % of an edge of {guess_A:.3f} A; give another guess"
        )
    return float(brentq(pressed, low, high, xtol=1e-12))


def matched(
    tables: EmbeddedFunctions,
    composition: ArrayLike,
    lattice: Literal["bcc", "fcc"],
    edge_A: float,
    constants_GPa: tuple[float, float, float],
) -> PlainTables:
    """Return tables whose average crystal rests at an edge with C11, C12 and C44 as wanted.

    Parameters
    ----------
    tables, composition
        The cheap potential of n elements, and mole fractions; humps and parabola are added to all of them alike.
    lattice, edge_A, constants_GPa
        The crystal of the dear model.

    Raises
    ------
    Unstable
        When the conditions have no solution, or miss their aim by more than a thousandth.
    """
    c = np.asarray(composition, dtype=np.float64)
    hops = cubic(lattice, edge_A, tables.cutoff).hops
    own = c @ tables.density
    r = np.asarray(tables.r_step * np.arange(tables.density.shape[1]), dtype=np.float64)
    at_rest = float(np.interp(np.linalg.norm(hops, axis=1), r, own).sum())
    humps = np.array([_hump(r, shell * edge_A, _WIDTH * edge_A, tables.cutoff) for shell in _SHELLS[lattice]])
    rho = tables.rho_step * np.arange(tables.embedding.shape[1])
    parabola = 0.5 * ((rho - at_rest) / at_rest) ** 2
    plain = PlainTables(
        tuple(str(k) for k in range(len(c))), tables.r_step, tables.cutoff, tables.rho_step, tables.density,
        tables.pair, tables.embedding,
    )  # fmt: skip

    def changed(heights: Floats) -> PlainTables:
        pair = plain.pair + np.tensordot(heights[:3], humps, axes=1)
        return replace(plain, pair=pair, embedding=plain.embedding + heights[3] * parabola)

    wanted = np.array([0.0, *constants_GPa])
    base = cubic_constants(plain, c, lattice, edge_A)
    columns = [cubic_constants(changed(one), c, lattice, edge_A) - base for one in np.eye(4)]
    heights: Floats = np.asarray(np.linalg.solve(np.array(columns).T, wanted - base), dtype=np.float64)
    found = changed(heights)
    left = float(np.abs(cubic_constants(found, c, lattice, edge_A) - wanted).max())
    if not left < 1e-3 * max(constants_GPa):
        raise Unstable(f"elastic matching misses its aim by {left:.2g} GPa; take another cheap potential")
    return found


def _hump(r: Floats, centre: float, width: float, cutoff: float) -> Floats:
    """Return a Gaussian hump that ends smoothly at the cutoff."""
    end = np.clip((cutoff - r) / (0.1 * cutoff), 0.0, 1.0)
    return np.asarray(np.exp(-0.5 * ((r - centre) / width) ** 2) * end**3 * (10.0 - 15.0 * end + 6.0 * end**2))
