"""How a crystal answers small displacements and strains: products with the exact second derivative of its energy.

Unknowns are atomic displacements u and the six strains e (engineering shears) of a homogeneous deformation that moves
every bond vector d by u_other - u_first + strain d. The second derivative is never stored as a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.atomistic.eam import Bonds, Ints, Longs, Species, hermite
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Solution", "Stiffness", "stiffen"]

Floats = NDArray[np.float64]

_MOST_PRODUCTS = 2000
_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@_compiled
def _stiffen(
    species: Species, pair: Floats, couple: Longs, density: Floats, per_step: float, start: Longs, other: Ints,
    geometry: Floats, slope: Floats, curvature: Floats, spring: Floats, on_site: Floats,
) -> None:  # fmt: skip
    """Fill `spring` with psi'/r and (psi'' - psi'/r)/r^2 of every bond, `on_site` with the mean self stiffness."""
    last = density.shape[1] - 2
    square = per_step * per_step
    on_site[:] = 0.0
    for i in range(species.shape[0]):
        mine, couples = density[species[i]], couple[species[i]]
        for k in range(start[i], start[i + 1]):
            j = other[k]
            table, yours = pair[couples[species[j]]], density[species[j]]
            rr = geometry[k, 0] ** 2 + geometry[k, 1] ** 2 + geometry[k, 2] ** 2
            r = np.sqrt(rr)
            q = r * per_step
            m = min(int(q), last)
            p = q - m
            _, _, bend = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], p)
            _, _, other_bend = hermite(yours[m, 0], yours[m, 1], yours[m + 1, 0], yours[m + 1, 1], p)
            _, _, first_bend = hermite(mine[m, 0], mine[m, 1], mine[m + 1, 0], mine[m + 1, 1], p)
            # phi = z / r: phi'' = z''/r - 2 phi'/r
            second = bend * square / r - 2.0 * geometry[k, 3]
            second += (slope[i] * other_bend + slope[j] * first_bend) * square
            tension = geometry[k, 3] + slope[i] * geometry[k, 4] + slope[j] * geometry[k, 5]
            spring[k, 0] = tension
            spring[k, 1] = (second - tension) / rr
            stiff = (second + 2.0 * tension) / 3.0
            on_site[i] += stiff + curvature[j] * geometry[k, 5] ** 2 * rr / 3.0
            on_site[j] += stiff + curvature[i] * geometry[k, 4] ** 2 * rr / 3.0


@_compiled
def _stretch(start: Longs, other: Ints, geometry: Floats, u: Floats, e: Floats, rho: Floats, along: Floats) -> None:
    """Fill the change of every bond vector, its part along the bond (times r), and of every density."""
    hyz, hxz, hxy = 0.5 * e[3], 0.5 * e[4], 0.5 * e[5]
    rho[:] = 0.0
    for i in range(rho.shape[0]):
        gathered = 0.0
        for k in range(start[i], start[i + 1]):
            j = other[k]
            dx, dy, dz = geometry[k, 0], geometry[k, 1], geometry[k, 2]
            vx = u[j, 0] - u[i, 0] + e[0] * dx + hxy * dy + hxz * dz
            vy = u[j, 1] - u[i, 1] + hxy * dx + e[1] * dy + hyz * dz
            vz = u[j, 2] - u[i, 2] + hxz * dx + hyz * dy + e[2] * dz
            a = dx * vx + dy * vy + dz * vz
            along[k, 0], along[k, 1], along[k, 2], along[k, 3] = vx, vy, vz, a
            gathered += geometry[k, 4] * a
            rho[j] += geometry[k, 5] * a
        rho[i] += gathered


@_compiled
def _product(
    start: Longs, other: Ints, geometry: Floats, spring: Floats, curvature: Floats, u: Floats, e: Floats,
    out_u: Floats, out_e: Floats, rho: Floats, along: Floats,
) -> None:  # fmt: skip
    """Multiply (u, e) by the second derivative of the energy."""
    _stretch(start, other, geometry, u, e, rho, along)
    n = start.shape[0] - 1
    out_u[:] = 0.0
    xx, yy, zz, yz, xz, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        rho[i] *= curvature[i]
    for i in range(n):
        gx, gy, gz = 0.0, 0.0, 0.0
        for k in range(start[i], start[i + 1]):
            j = other[k]
            dx, dy, dz = geometry[k, 0], geometry[k, 1], geometry[k, 2]
            along_d = spring[k, 1] * along[k, 3] + rho[i] * geometry[k, 4] + rho[j] * geometry[k, 5]
            hx = spring[k, 0] * along[k, 0] + along_d * dx
            hy = spring[k, 0] * along[k, 1] + along_d * dy
            hz = spring[k, 0] * along[k, 2] + along_d * dz
            gx += hx
            gy += hy
            gz += hz
            out_u[j, 0] += hx
            out_u[j, 1] += hy
            out_u[j, 2] += hz
            xx += hx * dx
            yy += hy * dy
            zz += hz * dz
            yz += 0.5 * (hy * dz + hz * dy)
            xz += 0.5 * (hx * dz + hz * dx)
            xy += 0.5 * (hx * dy + hy * dx)
        out_u[i, 0] -= gx
        out_u[i, 1] -= gy
        out_u[i, 2] -= gz
    out_e[0], out_e[1], out_e[2], out_e[3], out_e[4], out_e[5] = xx, yy, zz, yz, xz, xy


@_compiled
def _strain_block(
    start: Longs, other: Ints, geometry: Floats, spring: Floats, curvature: Floats, dyads: Floats, out: Floats
) -> None:
    """Fill the second derivative (6, 6) by strain in one sweep; `dyads` (n, 6) is room for the densities' slopes."""
    dyads[:] = 0.0
    out[:] = 0.0
    tension, m = np.zeros(6), np.zeros(6)
    n = start.shape[0] - 1
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            j = other[k]
            x, y, z = geometry[k, 0], geometry[k, 1], geometry[k, 2]
            m[0], m[1], m[2], m[3], m[4], m[5] = x * x, y * y, z * z, y * z, x * z, x * y
            for a in range(6):
                dyads[i, a] += geometry[k, 4] * m[a]
                dyads[j, a] += geometry[k, 5] * m[a]
                tension[a] += spring[k, 0] * m[a]
                bent = spring[k, 1] * m[a]
                for b in range(a, 6):
                    out[a, b] += bent * m[b]
    for i in range(n):
        for a in range(6):
            bent = curvature[i] * dyads[i, a]
            for b in range(a, 6):
                out[a, b] += bent * dyads[i, b]
    # what is under tension turns with a symmetric strain: d . e e' . d summed over bonds
    xx, yy, zz, yz, xz, xy = tension
    out[0, 0] += xx
    out[1, 1] += yy
    out[2, 2] += zz
    out[3, 3] += 0.25 * (yy + zz)
    out[4, 4] += 0.25 * (xx + zz)
    out[5, 5] += 0.25 * (xx + yy)
    out[0, 4] += 0.5 * xz
    out[2, 4] += 0.5 * xz
    out[0, 5] += 0.5 * xy
    out[1, 5] += 0.5 * xy
    out[1, 3] += 0.5 * yz
    out[2, 3] += 0.5 * yz
    out[3, 4] += 0.25 * xy
    out[3, 5] += 0.25 * xz
    out[4, 5] += 0.25 * yz
    for a in range(6):
        for b in range(a):
            out[a, b] = out[b, a]


@_compiled
def _precondition(
    r_u: Floats, r_e: Floats, inverse_site: Floats, inverse_strain: Floats, z_u: Floats, z_e: Floats
) -> float:
    """Apply the preconditioner and return r . z; what it sends to zero stays frozen."""
    total = 0.0
    for i in range(r_u.shape[0]):
        for c in range(3):
            z_u[i, c] = inverse_site[i, c] * r_u[i, c]
            total += z_u[i, c] * r_u[i, c]
    for a in range(6):
        z_e[a] = 0.0
        for b in range(6):
            z_e[a] += inverse_strain[a, b] * r_e[b]
        total += z_e[a] * r_e[a]
    return total


@_compiled
def _dot(a_u: Floats, a_e: Floats, b_u: Floats, b_e: Floats) -> float:
    """Scalar product of two sets of displacements and strains."""
    total = 0.0
    for i in range(a_u.shape[0]):
        for c in range(3):
            total += a_u[i, c] * b_u[i, c]
    for a in range(6):
        total += a_e[a] * b_e[a]
    return total


@_compiled
def _combine(keep: float, y_u: Floats, y_e: Floats, add: float, x_u: Floats, x_e: Floats) -> None:
    """Set y to keep y + add x."""
    for i in range(y_u.shape[0]):
        for c in range(3):
            y_u[i, c] = keep * y_u[i, c] + add * x_u[i, c]
    for a in range(6):
        y_e[a] = keep * y_e[a] + add * x_e[a]


@_compiled
def _solve(
    start: Longs, other: Ints, geometry: Floats, spring: Floats, curvature: Floats, inverse_site: Floats,
    inverse_strain: Floats, r_u: Floats, r_e: Floats, reduction: float, negligible: float, most: int,
    u: Floats, e: Floats, work_u: Floats, work_e: Floats, rho: Floats, along: Floats,
) -> int:  # fmt: skip
    """Preconditioned conjugate gradients from (u, e) = 0; `r` (overwritten) is the right side.

    Returns the number of products, negative when a direction of negative curvature ended the search (then (u, e) is
    what was found before it, or that direction itself when it was the first).
    """
    z_u, p_u, h_u = work_u[0], work_u[1], work_u[2]
    z_e, p_e, h_e = work_e[0], work_e[1], work_e[2]
    norm = _precondition(r_u, r_e, inverse_site, inverse_strain, z_u, z_e)
    goal = max(norm * reduction * reduction, negligible)
    _combine(0.0, p_u, p_e, 1.0, z_u, z_e)
    for count in range(1, most + 1):
        if norm <= goal:
            return count - 1
        _product(start, other, geometry, spring, curvature, p_u, p_e, h_u, h_e, rho, along)
        bend = _dot(p_u, p_e, h_u, h_e)
        if bend <= 0.0:
            if count == 1:
                _combine(0.0, u, e, 1.0, p_u, p_e)
            return -count
        step = norm / bend
        _combine(1.0, u, e, step, p_u, p_e)
        _combine(1.0, r_u, r_e, -step, h_u, h_e)
        new = _precondition(r_u, r_e, inverse_site, inverse_strain, z_u, z_e)
        _combine(new / norm, p_u, p_e, 1.0, z_u, z_e)
        norm = new
    return most + 1


@dataclass(frozen=True)
class Solution:
    """Displacements (n, 3) in A and strains (6,) that answer a load, and what they cost.

    `products` counts multiplications; `curved_down` says that a direction of negative curvature was met;
    `finished` that the residual was reduced as asked.
    """

    displacements: Floats
    strains: Floats
    products: int
    curved_down: bool
    finished: bool


@dataclass(frozen=True)
class Stiffness:
    """Second derivative of the energy at one evaluation, ready to multiply and to solve with."""

    bonds: Bonds
    spring: Floats
    on_site: Floats
    scratch: Floats

    def times(self, displacements: Floats, strains: Floats) -> tuple[Floats, Floats]:
        """Return the change of (gradient by positions (n, 3), virial (6,)) under displacements and strains."""
        out_u, out_e = np.empty_like(displacements), np.empty(6)
        bonds = self.bonds
        _product(
            bonds.start, bonds.other, bonds.geometry, self.spring, bonds.curvature, displacements, strains,
            out_u, out_e, np.empty(len(displacements)), self.scratch,
        )  # fmt: skip
        return out_u, out_e

    def affine(self) -> tuple[Floats, Floats]:
        """Return the (6, 6) strain block (eV) and the six gradients (6, n, 3) that homogeneous strains raise."""
        n = len(self.on_site)
        block, gradients = np.empty((6, 6)), np.empty((6, n, 3))
        for a, strain in enumerate(np.eye(6)):
            gradients[a], block[a] = self.times(np.zeros((n, 3)), strain)
        return 0.5 * (block + block.T), gradients

    def strain_block(self) -> Floats:
        """Return the (6, 6) strain block (eV) of `affine` alone, for a tenth of its cost."""
        bonds, block = self.bonds, np.empty((6, 6))
        room = np.empty((len(self.on_site), 6))
        _strain_block(bonds.start, bonds.other, bonds.geometry, self.spring, bonds.curvature, room, block)
        return block

    def solve(
        self,
        pull: Floats,
        load: Floats,
        inverse_strain: Floats,
        reduction: float,
        negligible: float = 0.0,
        free: Floats | None = None,
    ) -> Solution:
        """Find the displacements and strains that answer forces `pull` (n, 3) and virials `load` (6,).

        `inverse_strain` (6, 6) preconditions the strains and fixes which of them may move: those in its range.
        `reduction` is the factor by which the preconditioned residual is to fall, `negligible` (eV) its square below
        which it counts as zero. `free` of ones and zeros says along which axes atoms may move, (3,) for all of them or
        (n, 3) for each; in the former case the crystal as a whole stays where it is.
        """
        bonds = self.bonds
        n = len(pull)
        u, e = np.zeros_like(pull), np.zeros(6)
        # a soft or unstable atom would turn a diagonal preconditioner indefinite
        inverse_site = 1.0 / np.maximum(self.on_site, 0.05 * max(float(self.on_site.mean()), 1e-3))
        inverse_site = inverse_site[:, None] * (np.ones(3) if free is None else free)
        held = free is not None and free.ndim == 2  # then nothing has to be done for the crystal to stay
        count = _solve(
            bonds.start, bonds.other, bonds.geometry, self.spring, bonds.curvature, inverse_site, inverse_strain,
            pull.copy() if held else pull - pull.mean(axis=0), load.copy(), reduction, negligible, _MOST_PRODUCTS, u, e,
            np.zeros((3, n, 3)), np.zeros((3, 6)), np.empty(n), self.scratch,
        )  # fmt: skip
        return Solution(u, e, min(abs(count), _MOST_PRODUCTS), count < 0, 0 <= count <= _MOST_PRODUCTS)


def stiffen(potential: Potential, species: Species, bonds: Bonds, reuse: Stiffness | None = None) -> Stiffness:
    """Compute second derivatives of every bond of an evaluation (memory of `reuse` is overwritten)."""
    most = len(bonds.other)
    if reuse is None or len(reuse.spring) != most:
        reuse = Stiffness(bonds, np.empty((most, 2)), np.empty(len(species)), np.empty((most, 4)))
    _stiffen(
        species, potential.pair, potential.couple, potential.density, 1.0 / potential.r_step,
        bonds.start, bonds.other, bonds.geometry, bonds.slope, bonds.curvature, reuse.spring, reuse.on_site,
    )  # fmt: skip
    return Stiffness(bonds, reuse.spring, reuse.on_site, reuse.scratch)
