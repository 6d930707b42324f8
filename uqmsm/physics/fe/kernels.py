"""The inner loops: from nodes to strains, from stresses to nodal forces, from tangents to the stiffness.

Every element is laid out anew from its nodes, at every call: that costs less than reading stored gradients. Strain and
stress are six Mandel numbers at every quadrature point (`uqmsm.physics.tensors`), also in the plane: 33 is then out of
plane, or round the axis. The matrix from dofs to strain is dense, one row per component: products run along its rows.

Threads share the *nodes*: each writes rows of its own nodes only, and visits every element that touches one of them.
Elements on a border are computed twice, and every sum is taken in the order of the elements, so that the answer does
not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["add_forces", "add_stiffness", "fill_strains", "measure"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Indices = NDArray[np.int32]
# shape functions (points, nodes), their gradients (points, d, nodes), weights
Table = tuple[Floats, Floats, Floats]
# 1 round an axis, else 0; 1 with mean dilatation, else 0; thickness
Setting = tuple[int, int, float]

_ROOT_HALF = float(np.sqrt(0.5))


@njit(cache=True, nogil=True, error_model="numpy")
def _invert(jacobian: Floats, inverse: Floats) -> Any:
    """Write the inverse of a 2 x 2 or 3 x 3 matrix and return its determinant."""
    a = jacobian
    if a.shape[0] == 2:
        det = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
        inverse[0, 0], inverse[1, 1] = a[1, 1] / det, a[0, 0] / det
        inverse[0, 1], inverse[1, 0] = -a[0, 1] / det, -a[1, 0] / det
        return det
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        for m in range(3):
            n, p = (m + 1) % 3, (m + 2) % 3
            inverse[m, i] = a[j, n] * a[k, p] - a[j, p] * a[k, n]
    det = a[0, 0] * inverse[0, 0] + a[0, 1] * inverse[1, 0] + a[0, 2] * inverse[2, 0]
    for i in range(3):
        for m in range(3):
            inverse[i, m] /= det
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def lay_out(nodes: Floats, cell: Ints, table: Table, setting: Setting, slope: Floats, volume: Floats) -> None:
    """Write gradients of the shape functions (points, d, nodes), and value over radius below them, and volumes."""
    value, gradient, weight = table
    points, dim, count = gradient.shape
    axial, _, thickness = setting
    jacobian, inverse = np.empty((dim, dim)), np.empty((dim, dim))
    for q in range(points):
        for r in range(dim):
            for x in range(dim):
                total = 0.0
                for n in range(count):
                    total += gradient[q, r, n] * nodes[cell[n], x]
                jacobian[r, x] = total
        volume[q] = _invert(jacobian, inverse) * weight[q] * thickness
        for x in range(dim):
            for n in range(count):
                slope[q, x, n] = 0.0
            for r in range(dim):
                for n in range(count):
                    slope[q, x, n] += inverse[x, r] * gradient[q, r, n]
        if axial:
            radius = 0.0
            for n in range(count):
                radius += value[q, n] * nodes[cell[n], 0]
            volume[q] *= 2.0 * np.pi * radius
            for n in range(count):
                slope[q, dim, n] = value[q, n] / radius


@njit(cache=True, nogil=True, error_model="numpy")
def _average(slope: Floats, volume: Floats, axial: int, mean: Floats) -> None:
    """Write the divergence of each dof averaged over the element, (d, nodes)."""
    points, _, count = slope.shape
    dim = mean.shape[0]
    whole = 0.0
    mean[:] = 0.0
    for q in range(points):
        whole += volume[q]
        for x in range(dim):
            for n in range(count):
                mean[x, n] += volume[q] * slope[q, x, n]
        if axial:
            for n in range(count):
                mean[0, n] += volume[q] * slope[q, dim, n]
    for x in range(dim):
        for n in range(count):
            mean[x, n] /= whole


@njit(cache=True, nogil=True, error_model="numpy")
def _strain_rows(slope: Floats, axial: int, dim: int, rows: Floats) -> None:
    """Write Mandel strain (6, dofs) of one point."""
    rows[:] = 0.0
    for n in range(slope.shape[1]):
        at = dim * n
        rows[0, at] = slope[0, n]
        rows[1, at + 1] = slope[1, n]
        rows[5, at] = _ROOT_HALF * slope[1, n]
        rows[5, at + 1] = _ROOT_HALF * slope[0, n]
        if dim == 3:
            rows[2, at + 2] = slope[2, n]
            rows[3, at + 1] = _ROOT_HALF * slope[2, n]
            rows[3, at + 2] = _ROOT_HALF * slope[1, n]
            rows[4, at] = _ROOT_HALF * slope[2, n]
            rows[4, at + 2] = _ROOT_HALF * slope[0, n]
        elif axial:
            rows[2, at] = slope[2, n]


@njit(cache=True, nogil=True, error_model="numpy")
def _dilate(mean: Floats, rows: Floats) -> None:
    """Replace the volume change of each dof by its average over the element (Hughes, IJNME 15, 1413 (1980))."""
    dim, count = mean.shape
    for n in range(count):
        for x in range(dim):
            at = dim * n + x
            third = (mean[x, n] - rows[0, at] - rows[1, at] - rows[2, at]) / 3.0
            rows[0, at] += third
            rows[1, at] += third
            rows[2, at] += third


@njit(cache=True, nogil=True, error_model="numpy")
def measure(nodes: Floats, cells: Ints, table: Table, setting: Setting, volume: Floats) -> None:
    """Write the volume of every point, (elements, points)."""
    points, dim, count = table[1].shape
    slope = np.empty((points, dim + 1, count))
    for e in range(len(cells)):
        lay_out(nodes, cells[e], table, setting, slope, volume[e])


@njit(cache=True, nogil=True, error_model="numpy")
def fill_strains(nodes: Floats, cells: Ints, table: Table, setting: Setting, moved: Floats, strain: Floats) -> None:
    """Write the strain (elements, points, 6) of displacements (nodes, d)."""
    points, dim, count = table[1].shape
    slope, volume = np.empty((points, dim + 1, count)), np.empty(points)
    mean, rows, local = np.empty((dim, count)), np.empty((6, dim * count)), np.empty(dim * count)
    for e in range(len(cells)):
        lay_out(nodes, cells[e], table, setting, slope, volume)
        for n in range(count):
            for x in range(dim):
                local[dim * n + x] = moved[cells[e, n], x]
        if setting[1]:
            _average(slope, volume, setting[0], mean)
        for q in range(points):
            _strain_rows(slope[q], setting[0], dim, rows)
            if setting[1]:
                _dilate(mean, rows)
            for a in range(6):
                total = 0.0
                for i in range(dim * count):
                    total += rows[a, i] * local[i]
                strain[e, q, a] = total


@njit(cache=True, nogil=True, error_model="numpy")
def add_forces(
    nodes: Floats,
    cells: Ints,
    table: Table,
    setting: Setting,
    stress: Floats,
    share: tuple[Ints, Indices, int],
    force: Floats,
) -> None:
    """Add the nodal forces (nodes, d) of stresses (elements, points, 6) to the rows of one share of the nodes."""
    points, dim, count = table[1].shape
    visits, owner, me = share
    slope, volume = np.empty((points, dim + 1, count)), np.empty(points)
    mean, rows, local = np.empty((dim, count)), np.empty((6, dim * count)), np.empty(dim * count)
    for e in visits:
        lay_out(nodes, cells[e], table, setting, slope, volume)
        if setting[1]:
            _average(slope, volume, setting[0], mean)
        local[:] = 0.0
        for q in range(points):
            _strain_rows(slope[q], setting[0], dim, rows)
            if setting[1]:
                _dilate(mean, rows)
            for a in range(6):
                push = stress[e, q, a] * volume[q]
                for i in range(dim * count):
                    local[i] += push * rows[a, i]
        for n in range(count):
            if owner[cells[e, n]] == me:
                for x in range(dim):
                    force[cells[e, n], x] += local[dim * n + x]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_point(rows: Floats, tangent: Floats, volume: float, felt: Ints, flux: Floats, local: Floats) -> None:
    """Add B^T D B of one point; the zeros of B, half or more of it, are skipped."""
    dofs = rows.shape[1]
    entry = np.empty(6, dtype=np.int64)
    for a in felt:
        for i in range(dofs):
            flux[a, i] = 0.0
        for b in felt:
            factor = tangent[a, b] * volume
            if factor != 0.0:
                for i in range(dofs):
                    flux[a, i] += factor * rows[b, i]
    for i in range(dofs):
        count = 0
        for a in felt:
            if rows[a, i] != 0.0:
                entry[count], count = a, count + 1
        k = 0
        while k + 3 <= count:  # three rows at once: most columns have just three entries
            a, b, c = entry[k], entry[k + 1], entry[k + 2]
            f, g, h = rows[a, i], rows[b, i], rows[c, i]
            for j in range(dofs):
                local[i, j] += f * flux[a, j] + g * flux[b, j] + h * flux[c, j]
            k += 3
        for m in range(k, count):
            f = rows[entry[m], i]
            for j in range(dofs):
                local[i, j] += f * flux[entry[m], j]


@njit(cache=True, nogil=True, error_model="numpy")
def add_stiffness(
    nodes: Floats,
    cells: Ints,
    table: Table,
    setting: Setting,
    tangent: Floats,
    share: tuple[Ints, Indices, int],
    place: Indices,
    blocks: Floats,
) -> None:
    """Add tangents (elements, points, 6, 6) to the blocks (entries, d, d) in the rows of one share of the nodes."""
    points, dim, count = table[1].shape
    visits, owner, me = share
    dofs = dim * count
    slope, volume = np.empty((points, dim + 1, count)), np.empty(points)
    mean, rows, flux = np.empty((dim, count)), np.empty((6, dofs)), np.empty((6, dofs))
    local, felt = np.empty((dofs, dofs)), np.arange(6)
    if dim == 2:
        felt = np.array([0, 1, 2, 5])
    for e in visits:
        lay_out(nodes, cells[e], table, setting, slope, volume)
        if setting[1]:
            _average(slope, volume, setting[0], mean)
        local[:] = 0.0
        for q in range(points):
            _strain_rows(slope[q], setting[0], dim, rows)
            if setting[1]:
                _dilate(mean, rows)
            _add_point(rows, tangent[e, q], volume[q], felt, flux, local)
        for n in range(count):
            if owner[cells[e, n]] == me:
                for m in range(count):
                    k = place[e, n, m]
                    for x in range(dim):
                        for y in range(dim):
                            blocks[k, x, y] += local[dim * n + x, dim * m + y]
