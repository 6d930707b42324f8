"""Elastic constants at temperature, from how the stress of a crystal in a fixed cell fluctuates.

With A = -kT ln Z the free energy and e a homogeneous strain of cell and atoms (r -> r (1 + e), engineering shears),

    V C = <d2U/de2> - Cov(dU/de, dU/de) / kT + n kT diag(1, 1, 1, 1/2, 1/2, 1/2),

the Born term, what fluctuation takes back, and the momentum's share (Squire, Holt & Hoover, Physica 42, 388, 1969;
Lutsko, J. Appl. Phys. 65, 2991, 1989; with the strain of that formula quadratic terms in e move between the first and
the last term). It holds where the mean stress is zero. As T -> 0 it becomes the relaxed stiffness of `elastic`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.averages import jackknifed
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, Bonds, Species, evaluate
from uqmsm.physics.atomistic.neighbours import Neighbours, half_list
from uqmsm.physics.atomistic.response import Stiffness, stiffen
from uqmsm.physics.atomistic.splines import Potential
from uqmsm.physics.atomistic.swaps import BOLTZMANN_EV_PER_K

__all__ = ["BornTerm", "ThermalStiffness", "adiabatic_excess", "thermal_stiffness"]

Floats = NDArray[np.float64]


class BornTerm:
    """Second derivative of the energy by strain, of one configuration after the other.

    Parameters
    ----------
    potential
        From `splines.interpolate`.
    species
        (n,).
    """

    def __init__(self, potential: Potential, species: Species) -> None:
        self.potential, self.species = potential, np.ascontiguousarray(species, dtype=np.int64)
        self._list: Neighbours | None = None
        self._bonds: Bonds | None = None
        self._stiffness: Stiffness | None = None

    def __call__(self, positions: Floats, cell: Floats) -> Floats:
        """Return the (6, 6) matrix in eV, xx yy zz yz xz xy."""
        at = np.ascontiguousarray(positions)
        if self._list is None or not self._list.serves(at, cell, self.potential.cutoff):
            # so wide that it serves a hot crystal for good: a new list costs three times as much as the term
            self._list = half_list(at, cell, self.potential.cutoff, 2.0)
        seen = evaluate(self.potential, self.species, at, cell, self._list, reuse=self._bonds)
        self._bonds = seen.bonds
        self._stiffness = stiffen(self.potential, self.species, seen.bonds, self._stiffness)
        return self._stiffness.strain_block()


@dataclass(frozen=True)
class ThermalStiffness:
    """Isothermal stiffness at temperature (GPa), xx yy zz yz xz xy, with standard errors.

    Attributes
    ----------
    stiffness, error
        (6, 6).
    born, fluctuation
        (6, 6) the first two terms: what a frozen crystal would have, and what motion takes back (negative on the
        diagonal).
    cubic, cubic_error
        C11, C12, C44 of the cubic projection.
    """

    stiffness: Floats
    error: Floats
    born: Floats
    fluctuation: Floats
    cubic: Floats
    cubic_error: Floats


def thermal_stiffness(
    stress_GPa: Floats, born_eV: Floats, volume_A3: float, n_atoms: int, temperature_K: float, *, blocks: int = 10
) -> ThermalStiffness:
    """Return the stiffness from samples in a fixed cell at zero mean stress.

    Parameters
    ----------
    stress_GPa
        (m, 6) stress by the virial alone, tension positive, xx yy zz yz xz xy.
    born_eV
        (b, 6, 6) Born terms of `BornTerm` at even times of the same run.
    volume_A3, n_atoms, temperature_K
        Of the cell.
    blocks
        Of time, for the errors.

    Raises
    ------
    StudyError
        When there are fewer samples than blocks can be made of.
    """
    if len(born_eV) < blocks or len(stress_GPa) < 4 * blocks:
        raise StudyError(
            f"{len(stress_GPa)} stresses and {len(born_eV)} Born terms are too few for {blocks} blocks; run longer or "
            "sample more often"
        )
    kT = BOLTZMANN_EV_PER_K * temperature_K
    to_eV = volume_A3 / GPA_A3_PER_EV
    motion = n_atoms * kT * np.diag([1.0, 1.0, 1.0, 0.5, 0.5, 0.5]) / to_eV
    curved = np.repeat(born_eV, -(-len(stress_GPa) // len(born_eV)), axis=0)[: len(stress_GPa)] / to_eV

    def terms(stress: Floats, born: Floats) -> tuple[Floats, Floats]:
        given_back = -np.cov(stress.T, bias=True) * to_eV / kT
        return born.mean(axis=0), given_back

    def total(stress: Floats, born: Floats) -> Floats:
        first, second = terms(stress, born)
        whole = first + second + motion
        return np.concatenate([whole.ravel(), _cubic(whole)])

    value, error = jackknifed(total, stress_GPa, curved, blocks=blocks)
    born, fluctuation = terms(stress_GPa, curved)
    return ThermalStiffness(
        value[:36].reshape(6, 6), error[:36].reshape(6, 6), born, fluctuation, value[36:], error[36:]
    )


def adiabatic_excess(
    bulk_GPa: ArrayLike, expansion_per_K: ArrayLike, volume_A3: ArrayLike, heat_capacity_k: ArrayLike,
    temperature_K: ArrayLike,
) -> Floats:  # fmt: skip
    """Return by how much C11 and C12 of a cubic crystal are larger when no heat flows (GPa); C44 is the same.

    C^S - C^T = T V l l' / C_V with the stress l = -C^T alpha per kelvin that warmth raises in a fixed cell (D. C.
    Wallace, Thermodynamics of Crystals, 1972, section 2); in a cubic crystal l = -3 B alpha along all three axes. Sound
    and resonances measure C^S.

    Parameters
    ----------
    bulk_GPa
        Isothermal bulk modulus; all arguments broadcast.
    expansion_per_K
        Linear thermal expansion.
    volume_A3, heat_capacity_k
        Volume and heat capacity at constant volume (in units of k, 3 when classical) of an atom. Where the heat
        capacity is zero, so are expansion and excess.
    temperature_K
        Of the crystal.
    """
    warmed = 3.0 * np.asarray(bulk_GPa) * np.asarray(expansion_per_K)
    top = np.asarray(temperature_K) * np.asarray(volume_A3) * warmed**2 / GPA_A3_PER_EV
    top, heat = np.broadcast_arrays(top, np.asarray(heat_capacity_k, dtype=np.float64))
    return np.asarray(np.divide(top, BOLTZMANN_EV_PER_K * heat, out=np.zeros(top.shape), where=heat > 0.0))


def _cubic(stiffness: Floats) -> Floats:
    """Return C11, C12, C44 of the cubic projection (see `elastic.cubic_projection`)."""
    return np.array(
        [
            np.trace(stiffness[:3, :3]) / 3.0,
            (stiffness[0, 1] + stiffness[0, 2] + stiffness[1, 2]) / 3.0,
            np.trace(stiffness[3:, 3:]) / 3.0,
        ]
    )
