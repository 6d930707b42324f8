"""What elements of two meshes of one plate share, so that both can average one and the same field.

Rings and rays of every refinement are lines of one map of the plate (see `plate`), so elements of two meshes overlap in
rectangles of its coordinates, and their areas are sums over these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.meshes.plate import PlateMesh, distance, ring_count, row_count

__all__ = ["plate_overlaps"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GAUSS = np.polynomial.legendre.leggauss(6)


def plate_overlaps(mesh: PlateMesh, reference: PlateMesh) -> Floats:
    """Return which part of each element lies in which element of another mesh of the same plate.

    Parameters
    ----------
    mesh, reference
        Of one plate; any two refinements.

    Returns
    -------
    ndarray
        ``(elements, elements of the reference)``, rows sum to 1. The curved map counts, not the polynomials of
        elements, which leave it by 1e-3 of an element and less.

    Raises
    ------
    StudyError
        When the meshes are of two plates.
    """
    sizes = [(one.width_mm, one.length_mm, one.radius_mm) for one in (mesh, reference)]
    if sizes[0] != sizes[1]:
        raise StudyError(
            f"plate_overlaps: plates of {sizes[0]} and {sizes[1]} mm (width, length, radius) share no field; give two "
            "meshes of one plate"
        )
    half = np.array([mesh.length_mm, mesh.width_mm]) / 2
    square, end = float(half.min()), float(half.max())
    pair = mesh.refinement, reference.refinement
    shared = np.zeros((len(mesh.elements), len(reference.elements)))
    rings = [ring_count(n, mesh.radius_mm, square) for n in pair]
    rays, ray_of = _cuts(*(4 * n for n in pair))
    angle = 2 * np.pi * rays - np.pi / 4
    t, ring_of = _cuts(*rings)
    _add(shared, _ring_areas(t, angle, mesh.radius_mm, square), ring_of, ray_of, [4 * n for n in pair], [0, 0])
    if end > square * (1 + 1e-9):
        rows = [row_count(n, square, end) for n in pair]
        x, row_of = _cuts(*rows)
        side = rays <= 0.25 + 1e-12
        across, column_of = np.diff(square * np.tan(angle[side])), ray_of[:, : side.sum() - 1]
        begun = [4 * n * k for n, k in zip(pair, rings, strict=True)]
        for far in range(2):
            first = [b + far * n * k for b, n, k in zip(begun, pair, rows, strict=True)]
            _add(shared, np.diff(x)[:, None] * across, row_of, column_of, list(pair), first)
    return np.asarray(shared / shared.sum(axis=1, keepdims=True))


def _cuts(one: int, other: int) -> tuple[Floats, Ints]:
    """Return the joint cuts of 0 .. 1 into equal parts of two sizes, and which part of each every piece lies in."""
    at = np.unique(np.round(np.concatenate([np.arange(k + 1) / k for k in (one, other)]), 12))
    middle = (at[1:] + at[:-1]) / 2
    return at, np.array([np.minimum((middle * k).astype(np.int64), k - 1) for k in (one, other)])


def _ring_areas(t: Floats, angle: Floats, radius: float, square: float) -> Floats:
    """Return the areas between rings and rays, by quadrature over the angle."""
    at, weight = _GAUSS
    wide = np.diff(angle)
    theta = (angle[:-1] + angle[1:])[:, None] / 2 + wide[:, None] / 2 * at
    squared = distance(t[:, None, None], theta, radius, square) ** 2
    return np.asarray(0.5 * np.diff(squared, axis=0) @ weight * wide / 2)


def _add(shared: Floats, areas: Floats, row_of: Ints, column_of: Ints, columns: list[int], first: list[int]) -> None:
    """Add pieces to the elements of both meshes that they lie in; elements count along columns first."""
    ours, theirs = (first[k] + row_of[k][:, None] * columns[k] + column_of[k] for k in range(2))
    np.add.at(shared, (ours, theirs), areas)
