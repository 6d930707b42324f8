"""Which strained copies of a cell must be computed for its cubic average, and which are images of those.

A small cell of a cubic alloy is not cubic itself: it has one stiffness along x and another along z, and it is stressed
at rest. Its cubic average is the mean over the planes of a strain, and, where the stress does work, over both signs:

- orthorhombic, over xy, yz, zx: the linear terms (s_xx - s_yy) + (s_yy - s_zz) + (s_zz - s_xx) add up to nothing;
- monoclinic, over the three planes and both signs: the linear terms 2 s_xy d of the two signs do.

What is left is E0 + 2 V (C' or C44) d^2, with C' and C44 the averages over the 24 rotations of the cube. Symmetry of
the cell maps strains to one another, so that a cubic crystal needs one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.dft.engine import Cell
from uqmsm.physics.dft.strains import PLANES, gradient

__all__ = ["keeps_mesh", "operations", "orientations"]

Floats = NDArray[np.float64]

_NEAR = 1e-6
_SIGNS = {"orthorhombic": (1.0,), "monoclinic": (1.0, -1.0)}


def operations(cell: Cell) -> list[Floats]:
    """Return the rotations and reflections of the cube, shape (3, 3), that map a crystal onto itself.

    Translations belong to them; time reversal (an energy does not know inversion) is not used.
    """
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        turned = np.zeros((3, 3))
        turned[range(3), order] = signs
        fractional = _fractional(cell, turned)
        if np.abs(fractional - np.round(fractional)).max() < _NEAR and _maps(cell, fractional):
            found.append(turned)
    return found


def keeps_mesh(cell: Cell, divisions: Sequence[int], *, reciprocal: bool = False) -> bool:
    """Return whether every operation of a crystal maps a mesh of points onto itself.

    A code that folds a density by symmetry on a mesh that the symmetry does not keep computes another crystal.

    Parameters
    ----------
    cell
        The crystal.
    divisions
        Of the cell vectors, or of the reciprocal vectors, shape (3,); the origin is a point of the mesh.
    reciprocal
        Whether the mesh divides the reciprocal vectors.
    """
    n = np.asarray(divisions)
    for turned in operations(cell):
        fractional = _fractional(cell, turned)
        matrix = np.round(np.linalg.inv(fractional).T if reciprocal else fractional).astype(np.int64)
        if (matrix * n[None, :] % n[:, None]).any():
            return False
    return True


def _fractional(cell: Cell, turned: Floats) -> Floats:
    """Return what a rotation does to fractional positions, rows times matrix, shape (3, 3)."""
    return np.asarray(cell.vectors @ turned.T @ np.linalg.inv(cell.vectors))


def _maps(cell: Cell, fractional: Floats) -> bool:
    """Return whether some translation brings the turned atoms onto atoms of their kind."""
    symbols = np.array(cell.symbols)
    turned = cell.scaled @ fractional
    alike = symbols[:, None] == symbols[None, :]
    for target in np.flatnonzero(symbols == symbols[0]):
        gaps = (turned - turned[0] + cell.scaled[target])[:, None, :] - cell.scaled[None, :, :]
        same = np.abs(gaps - np.round(gaps)).max(axis=2) < _NEAR
        if (same & alike).any(axis=1).all():
            return True
    return False


def orientations(cell: Cell, strain: str) -> dict[tuple[str, float], float]:
    """Return the strains of a kind that have to be computed, with their weights in the cubic average.

    Parameters
    ----------
    cell
        Undeformed.
    strain
        ``"orthorhombic"`` or ``"monoclinic"``.

    Returns
    -------
    dict
        By role (``"monoclinic"`` in the plane xy, ``"monoclinic yz"``, ``"monoclinic zx"``) and sign; weights sum to 1.
    """
    return dict(_orientations(cell.symbols, cell.vectors.tobytes(), cell.scaled.tobytes(), strain))


@cache
def _orientations(
    symbols: tuple[str, ...], vectors: bytes, scaled: bytes, strain: str
) -> dict[tuple[str, float], float]:
    """Return the same of a cell as something that can be remembered: every look into the table asks again."""
    cell = Cell(symbols, np.frombuffer(vectors).reshape(3, 3), np.frombuffer(scaled).reshape(-1, 3))
    wanted = [(f"{strain}{plane}", sign) for plane in PLANES for sign in _SIGNS[strain]]
    turns, size = operations(cell), 0.01
    weights: dict[tuple[str, float], float] = {}
    for role, sign in wanted:
        deformed = gradient(role, sign * size)
        images = [turn @ deformed @ turn.T for turn in turns]
        known = [
            one for one in weights if any(np.abs(gradient(one[0], one[1] * size) - f).max() < _NEAR for f in images)
        ]
        key = known[0] if known else (role, sign)
        weights[key] = weights.get(key, 0.0) + 1.0 / len(wanted)
    return weights
