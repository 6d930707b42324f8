"""The Cauchy-Born rule for one kind of embedded atom on tables, compiled: no array per neighbour, half of the hops.

Every site is a centre of symmetry, and each function of a distance |F R| depends on F^T F alone. What is summed over
hops are therefore moments of the hops, 6 of second and 15 of fourth order for the pairs and as many for the density;
stress and tangent follow from them once an element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.alloys import TabulatedAtoms
from uqmsm.physics.coupling.cauchy_born import Density
from uqmsm.physics.coupling.lattice import Lattice

__all__ = ["TabulatedCrystal"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # sums keep their order

_TWO = np.array([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)])
_FOUR = np.array([(i, j, k, m) for i in range(3) for j in range(i, 3) for k in range(j, 3) for m in range(k, 3)])


def _position(order: int) -> Ints:
    """Return where the moment of any axes stands in the list of `_TWO` or `_FOUR`."""
    listed = _TWO if order == 2 else _FOUR
    known = {tuple(sorted(axes)): k for k, axes in enumerate(listed.tolist())}
    where = [known[tuple(sorted(axes))] for axes in np.ndindex((3,) * order)]
    return np.array(where, dtype=np.int64)


_SECOND, _FOURTH = _position(2).reshape(3, 3), _position(4).reshape(9, 9)


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _moments(
    C: Floats, second: Floats, fourth: Floats, table: Floats, per_step: float, cutoff: float, bonds: Floats,
    moments: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Fill moments (4, 15) of one C (6,) = F^T F: second order in rows 0 and 1, fourth in 2 and 3; return both sums.

    `bonds` (4, K / 2) is room for the derivatives of pair energy and density of every hop. Sums over hops may be taken
    in lanes: they belong to one element alone.
    """
    pair, density, last, step = 0.0, 0.0, table.shape[0] - 1, 1.0 / per_step
    for k in range(second.shape[1]):
        rr = C[0] * second[0, k] + C[1] * second[1, k] + C[2] * second[2, k]
        rr += 2.0 * (C[3] * second[3, k] + C[4] * second[4, k] + C[5] * second[5, k])
        r = np.sqrt(rr)
        q = min(int(r * per_step), last)
        t = r - q * step
        here = 1.0 if r < cutoff else 0.0
        inverse = here / r
        c0, c1, c2, d0, d1, d2 = table[q, 0], table[q, 1], table[q, 2], table[q, 4], table[q, 5], table[q, 6]
        pair += here * (((c0 * t + c1) * t + c2) * t + table[q, 3])
        density += here * (((d0 * t + d1) * t + d2) * t + table[q, 7])
        one = ((3.0 * c0 * t + 2.0 * c1) * t + c2) * inverse
        other = ((3.0 * d0 * t + 2.0 * d1) * t + d2) * inverse
        bonds[0, k], bonds[2, k] = one, (6.0 * c0 * t + 2.0 * c1 - one) * inverse * inverse
        bonds[1, k], bonds[3, k] = other, (6.0 * d0 * t + 2.0 * d1 - other) * inverse * inverse
    for a in range(6):
        one, other = 0.0, 0.0
        for k in range(second.shape[1]):
            one += bonds[0, k] * second[a, k]
            other += bonds[1, k] * second[a, k]
        moments[0, a], moments[1, a] = one, other
    for a in range(15):
        one, other = 0.0, 0.0
        for k in range(second.shape[1]):
            one += bonds[2, k] * fourth[a, k]
            other += bonds[3, k] * fourth[a, k]
        moments[2, a], moments[3, a] = one, other
    return pair, density


@_compiled
def _evaluated(
    F: Floats, second: Floats, fourth: Floats, table: Floats, per_step: float, cutoff: float, embedding: Floats,
    per_rho: float, volume: float, where2: Ints, where4: Ints, energy: Floats, stress: Floats, tangent: Floats,
) -> None:  # fmt: skip
    """Fill energy (m,), stress (m, 3, 3) and tangent (m, 3, 3, 3, 3) per volume."""
    bonds, moments, C = np.empty((4, second.shape[1])), np.empty((4, 15)), np.empty(6)
    one, two = moments[0], moments[2]
    half, fan = np.empty((3, 9, 3)), np.empty((3, 3))
    for p in range(F.shape[0]):
        f = F[p]
        for a in range(3):
            C[a] = f[0, a] * f[0, a] + f[1, a] * f[1, a] + f[2, a] * f[2, a]
        C[3] = f[0, 1] * f[0, 2] + f[1, 1] * f[1, 2] + f[2, 1] * f[2, 2]
        C[4] = f[0, 0] * f[0, 2] + f[1, 0] * f[1, 2] + f[2, 0] * f[2, 2]
        C[5] = f[0, 0] * f[0, 1] + f[1, 0] * f[1, 1] + f[2, 0] * f[2, 1]
        pair, density = _moments(C, second, fourth, table, per_step, cutoff, bonds, moments)
        rho = 2.0 * density
        q = min(max(int(rho * per_rho), 0), embedding.shape[0] - 1)
        t = rho - q / per_rho
        c = embedding[q]
        slope = (3.0 * c[0] * t + 2.0 * c[1]) * t + c[2]
        bend = 4.0 * (6.0 * c[0] * t + 2.0 * c[1]) / volume
        energy[p] = (pair + ((c[0] * t + c[1]) * t + c[2]) * t + c[3]) / volume
        for a in range(6):
            one[a] = (one[a] + 2.0 * slope * moments[1, a]) / volume
        for a in range(15):
            two[a] = (two[a] + 2.0 * slope * moments[3, a]) / volume
        for i in range(3):
            for J in range(3):
                s, g = 0.0, 0.0
                for M in range(3):
                    s += f[i, M] * one[where2[M, J]]
                    g += f[i, M] * moments[1, where2[M, J]]
                stress[p, i, J] = s
                fan[i, J] = g
            for JL in range(9):  # sum over M of F_iM times the fourth moment of M, J, N, L
                for N in range(3):
                    s = 0.0
                    for M in range(3):
                        s += f[i, M] * two[where4[3 * M + N, JL]]
                    half[i, JL, N] = s
        for i in range(3):
            for J in range(3):
                for j in range(3):
                    for L in range(3):
                        s = bend * fan[i, J] * fan[j, L]
                        for N in range(3):
                            s += half[i, 3 * J + L, N] * f[j, N]
                        if i == j:
                            s += one[where2[J, L]]
                        tangent[p, i, J, j, L] = s


@dataclass(frozen=True)
class TabulatedCrystal:
    """The continuum of a perfect crystal of one kind of atom: `CauchyBorn`, some thirty times as fast.

    Parameters
    ----------
    interaction
        Site energy of one element, or of an alloy's average atom.
    lattice
        Reference lattice, in three dimensions.
    """

    interaction: TabulatedAtoms
    lattice: Lattice

    def __post_init__(self) -> None:
        """Refuse an alloy, and a lattice in a plane."""
        if len(self.interaction.tables.density) != 1 or self.lattice.dimension != 3:
            raise StudyError(
                f"a crystal of {len(self.interaction.tables.density)} kinds of atoms in {self.lattice.dimension} "
                "dimensions: give one kind, such as `average_atom_of` an alloy, in three"
            )

    @cached_property
    def _hops(self) -> tuple[Floats, Floats]:
        """Return products (6, K / 2) and (15, K / 2) of two and four components of one hop of each opposite pair."""
        one = np.array([tuple(step) > (0, 0, 0) for step in self.lattice.steps.tolist()])
        R = self.lattice.hops[one]
        second, fourth = (np.ascontiguousarray(R[:, axes].prod(axis=-1).T) for axes in (_TWO, _FOUR))
        return second, fourth

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, 3, 3); energies per reference volume."""
        tables, (second, fourth) = self.interaction.tables, self._hops
        m = len(F)
        at = Density(np.empty(m), np.empty((m, 3, 3)), np.empty((m, 3, 3, 3, 3)))
        _evaluated(
            np.ascontiguousarray(F), second, fourth, self._table, 1.0 / tables.r_step, tables.cutoff, self._embedding,
            1.0 / tables.rho_step, self.lattice.cell_volume, _SECOND, _FOURTH, at.energy, at.stress, at.tangent,
        )  # fmt: skip
        return at

    @cached_property
    def _table(self) -> Floats:
        """Coefficients (intervals, 8) of pair energy and density, falling powers."""
        pair, density = self.interaction.splines[:2]
        return np.ascontiguousarray(np.concatenate([pair[:, :, 0], density[:, :, 0]]).T)

    @cached_property
    def _embedding(self) -> Floats:
        return np.ascontiguousarray(self.interaction.splines[2][:, :, 0].T)
