"""How much slip a polycrystal needs to follow a strain: Taylor and Sachs factors.

Every grain is given the strain of the whole, and takes it up by the least total slip. The linear program of one grain
has its optimum at a vertex of the yield polyhedron ``|s:m_a| <= 1`` (J. F. W. Bishop and R. Hill, Phil. Mag. 42, 1951,
414 and 1298), so that the vertices, found once per set of slip systems, serve every grain: ``M = max_v s_v : d``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.slip import SlipFamilies, schmid_tensors

__all__ = ["SlipFamilies", "Taylor", "sachs_factor", "schmid_tensors", "taylor_factor", "yield_vertices"]

Array = NDArray[np.float64]

_BLOCK = 128  # grains at a time, so that their products with all vertices stay in the cache


@dataclass(frozen=True)
class Taylor:
    """Taylor factors of a set of grains.

    Attributes
    ----------
    mean
        Average over the volume.
    per_grain
        ``(grains,)``.
    """

    mean: float
    per_grain: Array


def _five(tensors: Array) -> Array:
    """Write traceless symmetric tensors ``(..., 3, 3)`` as vectors of five whose dot product is the contraction."""
    root2, root6 = np.sqrt(2.0), np.sqrt(6.0)
    return np.stack(
        [
            (tensors[..., 0, 0] - tensors[..., 1, 1]) / root2,
            (2.0 * tensors[..., 2, 2] - tensors[..., 0, 0] - tensors[..., 1, 1]) / root6,
            root2 * tensors[..., 1, 2],
            root2 * tensors[..., 0, 2],
            root2 * tensors[..., 0, 1],
        ],
        axis=-1,
    )


@lru_cache(maxsize=8)
def yield_vertices(families: SlipFamilies) -> Array:
    """Return the vertices of the yield polyhedron, ``(vertices, 5)``, in units of the critical shear stress.

    All systems share one critical stress. The components are those whose dot product is the double contraction.

    Raises
    ------
    StudyError
        When the name of the slip families is unknown.
    """
    from scipy.spatial import HalfspaceIntersection

    normals = _five(schmid_tensors(families))
    faces = np.concatenate([normals, -normals])
    halfspaces = np.column_stack([faces, -np.ones(len(faces))])
    raw = HalfspaceIntersection(halfspaces, np.zeros(5)).intersections
    # More than five faces meet in most vertices; qhull then returns one copy for each simplex of the dual facet.
    unique = raw[np.unique(np.round(raw, 8), axis=0, return_index=True)[1]]
    sharp = np.array([_sharpened(vertex, faces) for vertex in unique])
    sharp.flags.writeable = False
    return sharp


def _sharpened(vertex: Array, faces: Array) -> Array:
    """Solve for the vertex again from all the faces that meet in it, to remove qhull's rounding."""
    active = faces[faces @ vertex > 1.0 - 1e-7]
    return np.asarray(np.linalg.lstsq(active, np.ones(len(active)), rcond=None)[0], dtype=np.float64)


def taylor_factor(
    orientations: Array,
    families: SlipFamilies,
    *,
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
    fractions: Array | None = None,
) -> Taylor:
    """Return the Taylor factor of a polycrystal under uniaxial tension or compression.

    ``M = min sum |gamma| / |strain|`` with every grain strained by ``n n - (1 - n n) / 2``, so that the yield stress
    is M times the critical shear stress (G. I. Taylor, J. Inst. Metals 62, 1938, 307).

    Parameters
    ----------
    orientations
        ``(grains, 3, 3)`` rotation matrices, crystal to sample.
    families
        Slip systems, all with the same critical stress.
    axis
        Direction of the load in sample axes, any length.
    fractions
        ``(grains,)`` weights, such as volume fractions; equal when None.

    Raises
    ------
    StudyError
        When the axis has no length, or the fractions do not fit the grains.
    """
    along = _crystal_axes(orientations, axis)
    wanted, vertices = 1.5 * _axial(along), yield_vertices(families)
    blocks = [wanted[start : start + _BLOCK] for start in range(0, len(wanted), _BLOCK)]
    per_grain = np.concatenate([_contract(block, vertices).max(axis=1) for block in blocks])
    return Taylor(_weighted(per_grain, fractions), per_grain)


def sachs_factor(
    orientations: Array,
    families: SlipFamilies,
    *,
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
    fractions: Array | None = None,
) -> Taylor:
    """Return the inverse of the largest Schmid factor: every grain carries the stress of the whole.

    Parameters and errors as `taylor_factor` (G. Sachs, Z. Ver. Dtsch. Ing. 72, 1928, 734).
    """
    along = _crystal_axes(orientations, axis)
    per_grain = 1.0 / np.abs(_contract(_axial(along), _five(schmid_tensors(families)))).max(axis=1)
    return Taylor(_weighted(per_grain, fractions), per_grain)


def _crystal_axes(orientations: Array, axis: tuple[float, float, float]) -> Array:
    direction = np.asarray(axis, dtype=np.float64)
    length = float(np.sqrt(np.sum(direction * direction)))
    if not length > 0.0:
        raise StudyError(f"taylor: the axis {axis} has no direction; give three numbers that are not all zero")
    x, y, z = direction / length
    along: Array = orientations[:, 0, :] * x + orientations[:, 1, :] * y + orientations[:, 2, :] * z
    return along


def _axial(along: Array) -> Array:
    """Write the traceless part of ``n n`` as five components, for every row of `along`."""
    return _five(along[:, :, None] * along[:, None, :])


def _contract(left: Array, right: Array) -> Array:
    """Contract every row with every row, in one fixed order: a matrix product rounds by the number of grains."""
    total = np.zeros((len(left), len(right)))
    for component in range(5):
        total += left[:, component, None] * right[None, :, component]
    return total


def _weighted(values: Array, fractions: Array | None) -> float:
    if fractions is None:
        return float(values.mean())
    weights = np.asarray(fractions, dtype=np.float64)
    if weights.shape != values.shape or not float(weights.sum()) > 0.0 or weights.min() < 0.0:
        raise StudyError(
            f"taylor: {weights.size} fractions for {values.size} grains; one that is not negative is needed for each, "
            "and not all zero"
        )
    return float(np.sum(weights * values) / weights.sum())
