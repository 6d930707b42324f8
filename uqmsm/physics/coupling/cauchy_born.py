"""The Cauchy-Born rule: the energy density, stress and tangent of a crystal whose atoms follow the deformation.

W(F) = V(F R) / Omega with V the site energy and R the hops of the lattice; P = dW/dF, A = dP/dF.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.coupling.interactions import Interaction, crystal_site
from uqmsm.physics.coupling.lattice import Lattice

__all__ = ["CauchyBorn", "Continuum", "Density", "NearlyLinear", "Quadratic", "ground_state", "small_strain_moduli"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Density:
    """Energy density W (m,), first Piola stress P (m, d, d) and tangent A (m, d, d, d, d), A_iJkL = dP_iJ/dF_kL."""

    energy: Floats
    stress: Floats
    tangent: Floats


class Continuum(Protocol):
    """A hyperelastic continuum."""

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, d, d)."""


@dataclass(frozen=True)
class CauchyBorn:
    """The continuum of a perfect crystal.

    Parameters
    ----------
    interaction
        Site energy.
    lattice
        Reference lattice.
    """

    interaction: Interaction
    lattice: Lattice

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, d, d); energies per reference volume."""
        hops, volume = self.lattice.hops, self.lattice.cell_volume
        site = crystal_site(self.interaction, hops, F)
        stress = np.einsum("mki,kJ->miJ", site.slope, hops)
        fan = np.einsum("mki,kJ->miJ", site.fan, hops)
        tangent = np.einsum("mkij,kJ,kL->miJjL", site.block, hops, hops, optimize=True)
        tangent += site.bend[:, None, None, None, None] * fan[:, :, :, None, None] * fan[:, None, None]
        return Density(site.energy / volume, stress / volume, tangent / volume)


@dataclass(frozen=True)
class Quadratic:
    """A continuum expanded to second order around F0: what is known of a homogenised alloy.

    Parameters
    ----------
    F0
        (d, d).
    energy, stress, tangent
        W (), P (d, d), A (d, d, d, d) at F0.
    """

    F0: Floats
    energy: float
    stress: Floats
    tangent: Floats

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, d, d)."""
        d = len(self.F0)
        H = (F - self.F0).reshape(len(F), d * d)
        added = H @ self.tangent.reshape(d * d, d * d)
        energy = self.energy + ((self.stress.ravel() + 0.5 * added) * H).sum(axis=1)
        stress = self.stress + added.reshape(-1, d, d)
        return Density(energy, stress, np.broadcast_to(self.tangent, (len(F), *self.tangent.shape)))


@dataclass(frozen=True)
class NearlyLinear:
    """A continuum that is evaluated where it is strained, and expanded to second order around F0 where it hardly is.

    Most elements of a far field are nearly at rest, and a crystal costs as much there as an atom of the core. Where the
    expansion ends the stress jumps by the third-order moduli times half the square of `reach`: at the default some
    10^-6 eV/A^3 in a metal.

    Parameters
    ----------
    continuum
        Of any kind.
    F0
        (d, d).
    reach
        Largest component of F - F0 at which the expansion serves.
    """

    continuum: Continuum
    F0: Floats
    reach: float = 3e-4
    near: Quadratic = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Expand once."""
        at = self.continuum(self.F0[None])
        near = Quadratic(self.F0, float(at.energy[0]), at.stress[0], at.tangent[0])
        object.__setattr__(self, "near", near)

    def far(self, F: Floats) -> Bools:
        """Say which deformation gradients (m, d, d) lie beyond the expansion."""
        return np.asarray(np.abs(F - self.F0).max(axis=(1, 2)) > self.reach)

    def beyond(self, F: Floats) -> Density:
        """Return by how much the continuum, which writes arrays anew, differs from its expansion at F (m, d, d)."""
        at, near = self.continuum(F), self.near(F)
        for mine, other in ((at.energy, near.energy), (at.stress, near.stress), (at.tangent, self.near.tangent)):
            np.subtract(mine, other, out=mine)
        return at

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, d, d)."""
        near, far = self.near(F), self.far(F)
        more, tangent = self.beyond(F[far]), near.tangent.copy()
        near.energy[far] += more.energy
        near.stress[far] += more.stress
        tangent[far] += more.tangent
        return Density(near.energy, near.stress, tangent)


def ground_state(continuum: Continuum, dimension: int, *, start: float = 1.0, tolerance: float = 1e-13) -> Floats:
    """Return the stretch F = s 1 (d, d) of least energy density, by Newton's method from s = `start`.

    Raises
    ------
    Unstable
        When no minimum is found within a fifth of the start.
    """
    s, one = start, np.eye(dimension)
    for _ in range(60):
        at = continuum(s * one[None])
        slope = float(np.trace(at.stress[0]))
        bend = float(np.einsum("iijj->", at.tangent[0]))
        step = -slope / bend if bend > 0.0 else -np.sign(slope) * 0.01 * start
        s += float(np.clip(step, -0.05 * start, 0.05 * start))
        if not abs(s - start) < 0.2 * start:
            break
        if abs(step) < tolerance * start and bend > 0.0:
            return s * one
    raise Unstable(
        f"the crystal has no energy minimum between stretches {0.8 * start:.3f} and {1.2 * start:.3f} (last {s:.4f}); "
        "check its lattice parameter and its interaction"
    )


def small_strain_moduli(density: Density, F: ArrayLike) -> Floats:
    """Return the elastic moduli C_ijkl (d, d, d, d) of one state without stress, per current volume.

    C_ijkl = F_jJ F_lL A_iJkL / det F; under stress this is the tangent of the Cauchy stress only up to stress terms.
    """
    f = np.asarray(F, dtype=np.float64)
    return np.asarray(np.einsum("iJkL,jJ,lL->ijkl", density.tangent[0], f, f) / np.linalg.det(f))
