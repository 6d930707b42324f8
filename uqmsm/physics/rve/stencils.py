"""Strain in the centres of trilinear hexahedra, and the nodal forces that do the same work, for arrays of any library.

Node (i, j, k) is the lower corner of voxel (i, j, k); the grid is periodic and the edge of a voxel is one. Only
operations of the Python array API standard are used.
"""

from __future__ import annotations

from typing import Any

__all__ = ["force_of", "strain_of"]

_ROOT_HALF = 0.5**0.5


def strain_of(displacement: Any, xp: Any) -> Any:
    """Return the strain of a displacement of the nodes.

    Parameters
    ----------
    displacement
        ``(3, nx, ny, nz)``, in edges of a voxel.
    xp
        The library of the array.

    Returns
    -------
    array
        ``(6, nx, ny, nz)`` Mandel strain in the centre of every voxel.
    """
    sums, slopes = _pair(displacement, 3, -1, xp)
    along_z, (sums, slopes) = _pair(slopes, 2, -1, xp)[0], _pair(sums, 2, -1, xp)
    dz = 0.25 * _pair(along_z, 1, -1, xp)[0]
    dy = 0.25 * _pair(slopes, 1, -1, xp)[0]
    dx = 0.25 * _pair(sums, 1, -1, xp)[1]
    return xp.stack(
        [
            dx[0, ...],
            dy[1, ...],
            dz[2, ...],
            _ROOT_HALF * (dy[2, ...] + dz[1, ...]),
            _ROOT_HALF * (dx[2, ...] + dz[0, ...]),
            _ROOT_HALF * (dx[1, ...] + dy[0, ...]),
        ]
    )


def force_of(stress: Any, xp: Any) -> Any:
    """Return the forces on the nodes that do the work of a stress: the transpose of `strain_of`.

    Parameters
    ----------
    stress
        ``(6, nx, ny, nz)`` Mandel stress in the voxels.
    xp
        The library of the array.

    Returns
    -------
    array
        ``(3, nx, ny, nz)``, stress times the face of a voxel; minus the divergence.
    """
    s = [0.25 * stress[i, ...] for i in range(3)] + [0.25 * _ROOT_HALF * stress[i, ...] for i in range(3, 6)]
    on_x, on_y, on_z = xp.stack([s[0], s[5], s[4]]), xp.stack([s[5], s[1], s[3]]), xp.stack([s[4], s[3], s[2]])
    # the transpose of a sum with the next is the sum with the last; of next less own, last less own
    on_x = _pair(on_x, 1, 1, xp)[1]
    on_y, on_z = _pair(on_y, 1, 1, xp)[0], _pair(on_z, 1, 1, xp)[0]
    across = _pair(on_x, 2, 1, xp)[0] + _pair(on_y, 2, 1, xp)[1]
    on_z = _pair(on_z, 2, 1, xp)[0]
    return _pair(across, 3, 1, xp)[0] + _pair(on_z, 3, 1, xp)[1]


def _pair(field: Any, axis: int, way: int, xp: Any) -> tuple[Any, Any]:
    """Return the sum with the neighbour along an axis, and the neighbour less the field."""
    other = xp.roll(field, way, axis=axis)
    return other + field, other - field
