"""Random alloys as continua: a periodic supercell whose atoms follow the deformation, or relax under it.

For an alloy the Cauchy-Born rule has three levels that must not be confused: the crystal of one average atom
(`alloys.average_atom_of` in `CauchyBorn`), a supercell whose atoms follow F (`UnrelaxedCell`, an upper bound of the
stiffness), and the same supercell at rest under every F (`RelaxedCell`), which is what the alloy does from afar.
Relaxation takes Xi H^-1 Xi from the tangent (J. F. Lutsko, J. Appl. Phys. 65, 2991, 1989).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import splu

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, Continuum, Density, ground_state, small_strain_moduli
from uqmsm.physics.coupling.energies import block_diagonal, bond_matrix
from uqmsm.physics.coupling.interactions import Interaction, SiteResponse
from uqmsm.physics.coupling.lattice import Lattice

__all__ = ["Levels", "RelaxedCell", "Supercell", "UnrelaxedCell", "stiffness_levels"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Supercell:
    """A periodic block of sites, each with its kind.

    Parameters
    ----------
    interaction
        Site energy.
    lattice
        Of the sites.
    repeats
        (d,) sites along each primitive vector.
    kinds
        (n,) handed to the interaction, n the product of the repeats, the last index fastest.
    """

    interaction: Interaction
    lattice: Lattice
    repeats: tuple[int, ...]
    kinds: Ints
    _bonds: csr_matrix = field(init=False, repr=False)
    _ends: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Connect the sites across the periodic boundary."""
        n = int(np.prod(self.repeats))
        if len(self.repeats) != self.lattice.dimension or len(self.kinds) != n or min(self.repeats) < 1:
            raise StudyError(
                f"a supercell of {self.repeats} sites with {len(self.kinds)} kinds: give one number of repeats for "
                "each primitive vector and one kind for each site"
            )
        sites = np.stack(np.unravel_index(np.arange(n), self.repeats), axis=1)
        over = (sites[:, None] + self.lattice.steps) % np.array(self.repeats)
        ends = np.ravel_multi_index(tuple(np.moveaxis(over, -1, 0)), self.repeats)
        shape = (n, self.lattice.dimension)
        object.__setattr__(self, "_ends", ends)
        object.__setattr__(self, "_bonds", bond_matrix(np.arange(n), ends, np.ones(ends.shape, bool), shape))

    @property
    def volume(self) -> float:
        """Return the reference volume of the cell."""
        return len(self.kinds) * self.lattice.cell_volume

    def response(self, F: Floats, u: Floats) -> SiteResponse:
        """Evaluate all sites at one F (d, d) with displacements u (n, d) on top of affine motion."""
        vectors = self.lattice.hops @ F.T + (self._bonds @ u.ravel()).reshape(*self._ends.shape, -1)
        return self.interaction(vectors, np.ones(self._ends.shape, bool), self.kinds, self.kinds[self._ends])

    def stress(self, site: SiteResponse) -> Floats:
        """Return the first Piola stress (d, d) of a response."""
        return np.asarray(np.einsum("nki,kJ->iJ", site.slope, self.lattice.hops) / self.volume)

    def forces(self, site: SiteResponse) -> Floats:
        """Return minus the forces (n d,) on the atoms."""
        return np.asarray(self._bonds.T @ site.slope.ravel())

    def stiffness(self, site: SiteResponse) -> tuple[Floats, Floats, csr_matrix]:
        """Return second derivatives of the energy: in F (d d, d d), in u and F (n d, d d), in u (n d, n d)."""
        n, hops, d = len(self.kinds), self.lattice.hops, self.lattice.dimension
        # d r_i / d F_kL = delta_ik R_L, the same for every site
        affine = np.einsum("ik,bL->bikL", np.eye(d), hops).reshape(1, -1, d * d)
        affine = np.broadcast_to(affine, (n, *affine.shape[1:])).reshape(-1, d * d)
        per = site.fan[0].size
        fans = csr_matrix((site.fan.ravel(), np.arange(n * per), per * np.arange(n + 1)), shape=(n, n * per))
        bend = block_diagonal(site.block.reshape(-1, d, d)).tocsr() + fans.T @ diags_array(site.bend) @ fans
        bent = bend @ affine
        return affine.T @ bent, self._bonds.T @ bent, (self._bonds.T @ (bend @ self._bonds)).tocsc()


@dataclass(frozen=True)
class UnrelaxedCell:
    """The continuum of a supercell whose atoms move affinely from the sites of the lattice."""

    cell: Supercell

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, d, d)."""
        d, found = self.cell.lattice.dimension, []
        for one in F:
            site = self.cell.response(one, np.zeros((len(self.cell.kinds), d)))
            tangent = self.cell.stiffness(site)[0].reshape((d,) * 4) / self.cell.volume
            found.append((site.energy.sum() / self.cell.volume, self.cell.stress(site), tangent))
        return Density(*(np.array(part) for part in zip(*found, strict=True)))


@dataclass(frozen=True)
class RelaxedCell:
    """The continuum of a supercell at rest under every F.

    Parameters
    ----------
    cell
        The supercell.
    tolerance
        Largest force component left.
    """

    cell: Supercell
    tolerance: float = 1e-9

    def rest(self, F: Floats) -> Floats:
        """Return the displacements (n, d) on top of affine motion, that of the first atom zero.

        Raises
        ------
        NotConverged
            When Newton's method, its steps limited and halved until forces fall, does not reach rest.
        """
        d, cell = self.cell.lattice.dimension, self.cell
        u = np.zeros((len(cell.kinds), d))
        site = cell.response(F, u)
        for _ in range(40):
            force = cell.forces(site)
            if np.abs(force).max() < self.tolerance:
                return u
            step = np.zeros(u.size)
            step[d:] = -splu(cell.stiffness(site)[2][d:, d:]).solve(force[d:])
            step *= min(1.0, 0.1 * float(np.linalg.norm(cell.lattice.basis[0]) / np.abs(step).max()))
            for _ in range(8):
                site = cell.response(F, u + step.reshape(u.shape))
                if np.linalg.norm(cell.forces(site)) < np.linalg.norm(force):
                    break
                step *= 0.5
            u = u + step.reshape(u.shape)
        raise NotConverged(
            f"a supercell of {len(u)} atoms does not come to rest (force {np.abs(force).max():.1e}); its lattice "
            "parameter may lie far from equilibrium"
        )

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, d, d)."""
        d, found = self.cell.lattice.dimension, []
        for one in F:
            site = self.cell.response(one, self.rest(one))
            born, mixed, inner = self.cell.stiffness(site)
            answer = splu(inner[d:, d:]).solve(np.ascontiguousarray(mixed[d:]))
            tangent = (born - mixed[d:].T @ answer).reshape((d,) * 4) / self.cell.volume
            found.append((site.energy.sum() / self.cell.volume, self.cell.stress(site), tangent))
        return Density(*(np.array(part) for part in zip(*found, strict=True)))


@dataclass(frozen=True)
class Levels:
    """Elastic moduli of an alloy at three levels of the Cauchy-Born rule, all at the cell's own state without pressure.

    Attributes
    ----------
    average_atom, unrelaxed, relaxed
        (d, d, d, d) each at the ground state of its own level, per current volume.
    stretches
        (3,) the ground states.
    softening
        eta: the largest share of stiffness that relaxation takes from the unrelaxed cell at the relaxed state.
    """

    average_atom: Floats
    unrelaxed: Floats
    relaxed: Floats
    stretches: Floats
    softening: float


def stiffness_levels(cell: Supercell, average: Interaction) -> Levels:
    """Return the moduli of one supercell and of its average atom.

    Parameters
    ----------
    cell
        The supercell.
    average
        Site energy of the average atom.
    """
    d = cell.lattice.dimension
    whole = RelaxedCell(cell)
    levels: tuple[Continuum, ...] = (CauchyBorn(average, cell.lattice), UnrelaxedCell(cell), whole)
    rests = [ground_state(level, d, tolerance=1e-9) for level in levels]
    moduli = [small_strain_moduli(level(rest[None]), rest) for level, rest in zip(levels, rests, strict=True)]
    site = cell.response(rests[2], whole.rest(rests[2]))
    born = cell.stiffness(site)[0] / cell.volume
    relaxed = whole(rests[2][None]).tangent[0].reshape(d * d, d * d)
    basis = _symmetric(d)
    eta = eigh(basis @ (born - relaxed) @ basis.T, basis @ born @ basis.T, eigvals_only=True)[-1]
    return Levels(moduli[0], moduli[1], moduli[2], np.array([rest[0, 0] for rest in rests]), float(eta))


def _symmetric(d: int) -> Floats:
    """Return an orthonormal basis (d (d + 1) / 2, d d) of symmetric strains."""
    found = []
    for i in range(d):
        for j in range(i, d):
            e = np.zeros((d, d))
            e[i, j] = e[j, i] = 1.0 if i == j else np.sqrt(0.5)
            found.append(e.ravel())
    return np.array(found)
