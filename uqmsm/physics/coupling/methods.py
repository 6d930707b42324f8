"""Coupled problems: one statement of atoms, continuum and blending, and the methods that join them.

With the share beta of the continuum (0 atoms, 1 continuum), site energies V_i and the energy density W:

- ``atomistic``: sum V_i, no continuum;
- ``qce``, ``bqce``: E = sum (1 - beta_i) V_i + int beta W, sharp or blended. Ghost forces at the interface;
- ``qc-gfc``, ``bgfc``: the same energy minus its own ghost force on the perfect far-field crystal, as a dead load:
  exact there, still an energy (V. Shenoy et al., J. Mech. Phys. Solids 47, 611, 1999; C. Ortner and L. Zhang, SIAM J.
  Sci. Comput. 38, A346, 2016). ``bgfc`` is the default;
- ``qcf``, ``bqcf``: forces (1 - beta) F^atoms + beta F^continuum: no ghost force under any homogeneous strain, but no
  energy either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.blending import Profile, blending
from uqmsm.physics.coupling.cauchy_born import Continuum
from uqmsm.physics.coupling.elements import ElementSum, element_sum
from uqmsm.physics.coupling.energies import AtomSum, atom_sum
from uqmsm.physics.coupling.interactions import Interaction, crystal_site
from uqmsm.physics.coupling.joined import joined
from uqmsm.physics.coupling.lattice import Lattice
from uqmsm.physics.coupling.mesh import Mesh, graded, rate_of_grading

__all__ = ["Coupled", "Method", "Problem", "couple", "pose"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

Method = Literal["atomistic", "qce", "qc-gfc", "qcf", "bqce", "bqcf", "bgfc"]
SHARP = {"qce", "qc-gfc", "qcf"}
CORRECTED = {"qc-gfc", "bgfc"}
FORCES = {"qcf", "bqcf"}


@dataclass(frozen=True)
class Problem:
    """Atoms around a defect in a far field of continuum.

    Attributes
    ----------
    mesh
        Nodes and elements.
    interaction
        Site energy of the atoms.
    continuum
        Energy density of the elements.
    blend
        (n,) share of the continuum at every node.
    far_field
        (d, d) deformation gradient that boundary nodes are held at.
    absent
        (n,) vacancies; no atom, no degree of freedom.
    fixed
        (n,) nodes held at the far field.
    kinds
        (n,) kinds of the atoms, handed to the interaction; none where all are alike.
    crystal
        Interaction of the perfect crystal that ghost forces are measured on: in an alloy that of its average atom,
        otherwise left out.
    crystal_continuum
        Continuum of that crystal, where `continuum` is another one: that of the alloy at rest. What the two differ by
        is no ghost, and stays.
    displaced
        (n, d) displacements, before the far field deforms them, that nodes start from and the boundary is held at: what
        elasticity knows of a dislocation. Left out where there is nothing but the far field.
    """

    mesh: Mesh
    interaction: Interaction
    continuum: Continuum
    blend: Floats
    far_field: Floats
    absent: Bools
    fixed: Bools
    kinds: Ints | None = None
    crystal: Interaction | None = None
    crystal_continuum: Continuum | None = None
    displaced: Floats | None = None

    @property
    def affine(self) -> Floats:
        """Return positions (n, d) of the perfect crystal in the far field."""
        return np.asarray(self.mesh.nodes @ self.far_field.T)

    @property
    def start(self) -> Floats:
        """Return the positions (n, d) that nodes start from and the boundary is held at."""
        if self.displaced is None:
            return self.affine
        return np.asarray((self.mesh.nodes + self.displaced) @ self.far_field.T)

    @property
    def free(self) -> Bools:
        """Return the nodes (n,) that are solved for."""
        return ~self.fixed & ~self.absent

    @property
    def unknowns(self) -> int:
        """Return the number of degrees of freedom."""
        return int(self.free.sum()) * int(self.mesh.nodes.shape[1])

    @property
    def perfect(self) -> Problem:
        """Return the same geometry without the defect, its atoms those of `crystal`."""
        return replace(
            self,
            interaction=self.crystal or self.interaction,
            continuum=self.crystal_continuum or self.continuum,
            absent=np.zeros_like(self.absent),
            kinds=None,
            crystal=None,
            crystal_continuum=None,
        )


@dataclass(frozen=True)
class Coupled:
    """A problem joined by one method.

    Attributes
    ----------
    method, problem
        What was joined, and how.
    atoms, elements
        The parts of the energy.
    atom_rows, element_rows
        (n,) shares of the forces of both parts, for force-based methods; none for energies.
    dead
        (n, d) dead load that is subtracted from the gradient.
    """

    method: Method
    problem: Problem
    atoms: AtomSum
    elements: ElementSum
    atom_rows: Floats | None = None
    element_rows: Floats | None = None
    dead: Floats = field(default_factory=lambda: np.zeros(()))

    @property
    def conservative(self) -> bool:
        """Say whether there is an energy."""
        return self.atom_rows is None

    @cached_property
    def ghosts(self) -> tuple[float, float]:
        """Return the largest force that the interface adds to the perfect crystal: uncorrected, and what is left of it.

        Raises
        ------
        StudyError
            Where the mesh has slipped, which no perfect crystal fits.
        """
        problem = self.problem
        if problem.displaced is not None:
            raise StudyError("no perfect crystal fits a mesh that has slipped; see its dead load")
        perfect, raw = problem.perfect, self.method if self.method in FORCES else "bqce"
        forces = [couple(perfect, one).gradient(problem.affine)[perfect.free] for one in (raw, self.method)]
        return float(np.abs(forces[0]).max()), float(np.abs(forces[1]).max())

    def __str__(self) -> str:
        """Say what was joined, and what its interface does to the perfect crystal."""
        words = f"{self.method}, {self.problem.unknowns} unknowns"
        if self.problem.displaced is not None or self.method == "atomistic":
            return words
        return f"{words}: ghost force {self.ghosts[0]:.2g} in the perfect crystal, {self.ghosts[1]:.2g} left"

    def energy(self, y: Floats) -> float:
        """Return the energy at positions y (n, d), the work of the dead load included.

        Raises
        ------
        StudyError
            For methods that have none.
        """
        if not self.conservative:
            raise StudyError(f"{self.method} blends forces and has no energy; ask bgfc for one")
        work = float(np.sum(self.dead * (y - self.problem.start)))
        return self.atoms.energy(y) + self.elements.energy(y) - work

    def gradient(self, y: Floats) -> Floats:
        """Return minus the forces (n, d) at positions y (n, d)."""
        ga, gc = self.atoms.gradient(y), self.elements.gradient(y)
        if self.atom_rows is None or self.element_rows is None:
            return np.asarray(ga + gc - self.dead)
        return np.asarray(self.atom_rows[:, None] * ga + self.element_rows[:, None] * gc)

    def derivatives(self, y: Floats) -> tuple[Floats, csr_matrix]:
        """Return minus the forces (n, d) and their Jacobian (n d, n d)."""
        (ga, ha), (gc, hc) = self.atoms.derivatives(y), self.elements.derivatives(y)
        if self.atom_rows is None or self.element_rows is None:
            return ga + gc - self.dead, joined(hc, ha)
        d = y.shape[1]
        rows = [diags_array(np.repeat(share, d)) for share in (self.atom_rows, self.element_rows)]
        return self.atom_rows[:, None] * ga + self.element_rows[:, None] * gc, (rows[0] @ ha + rows[1] @ hc).tocsr()


def couple(problem: Problem, method: Method = "bgfc") -> Coupled:
    """Join atoms and continuum.

    Raises
    ------
    StudyError
        For an unknown method; when atoms interact with sites that are no nodes (the mesh is too coarse too early).
    """
    if method not in get_args(Method):
        raise StudyError(f"method {method!r} is unknown; choose one of {', '.join(get_args(Method))}")
    mesh, beta = problem.mesh, problem.blend
    whole = beta[mesh.elements].mean(axis=1)
    if method in FORCES:
        near = mesh.hop_ends(np.flatnonzero(beta < 1.0))
        needed = beta < 1.0
        needed[near[near >= 0]] = True
        atoms = _atoms(problem, needed.astype(np.float64))
        felt = np.where((beta[mesh.elements] > 0.0).any(axis=1), 1.0, 0.0)
        elements = element_sum(mesh, felt, problem.continuum, problem.far_field)
        return Coupled(method, problem, atoms, elements, 1.0 - beta, beta)
    weights = np.zeros(len(mesh.elements))
    if method != "atomistic":
        weights[whole > 1e-12] = whole[whole > 1e-12]
    atoms, elements = _atoms(problem, 1.0 - beta), element_sum(mesh, weights, problem.continuum, problem.far_field)
    found = Coupled(method, problem, atoms, elements)
    if method not in CORRECTED:
        return found
    return replace(found, dead=_ghost_load(problem, elements))


def _ghost_load(problem: Problem, elements: ElementSum) -> Floats:
    """Return the forces (n, d), with their sign changed, that the uncorrected energy adds to the perfect crystal."""
    if problem.displaced is None:
        return couple(problem.perfect, "bqce").gradient(problem.affine)
    # no crystal fits a mesh that has slipped: every bond and every element is taken at the far field by itself
    mesh, beta, F = problem.mesh, problem.blend, problem.far_field
    who = np.flatnonzero(beta < 1.0)
    ends = mesh.hop_ends(who)
    slope = crystal_site(problem.crystal or problem.interaction, mesh.hops, F[None]).slope
    pulled = (1.0 - beta[who])[:, None, None] * slope * (ends >= 0)[..., None]
    load = np.zeros(mesh.nodes.shape)
    np.add.at(load, ends, pulled)
    load[who] -= pulled.sum(axis=1)
    density = (problem.crystal_continuum or problem.continuum)(F[None])
    stress = elements.weights[:, None, None] * density.stress
    load += (elements.deformation.T @ stress.ravel()).reshape(load.shape)
    mixed = beta > 0.0
    mixed[who] |= ((ends >= 0) & (beta[ends] > 0.0)).any(axis=1)
    mixed[who[(ends < 0).any(axis=1)]] = False  # at the line itself, where hops have no answer
    return np.where(mixed[:, None], load, 0.0)


def _atoms(problem: Problem, weights: Floats) -> AtomSum:
    mesh = problem.mesh
    who = np.flatnonzero((weights != 0.0) & ~problem.absent)
    if mesh.unseen(who):
        raise StudyError(
            f"atoms as far as {mesh.distance[who].max():.1f} layers out interact with sites that are not nodes; let "
            f"the fine mesh reach {mesh.distance[who].max() + mesh.lattice.reach:.1f} layers"
        )
    return atom_sum(mesh, weights, problem.interaction, absent=problem.absent, kinds=problem.kinds)


def pose(
    lattice: Lattice,
    interaction: Interaction,
    continuum: Continuum,
    far_field: Floats,
    *,
    method: Method = "bgfc",
    core: int = 6,
    width: int | None = None,
    outer: float | None = None,
    vacancies: Ints | None = None,
    axis_half: float = 0.0,
    profile: Profile = "least_bending",
    alpha: float | None = None,
) -> Problem:
    """State the problem of a cluster of vacancies around the origin, with the geometry that suits the method.

    Parameters
    ----------
    lattice, interaction, continuum, far_field
        As in `Problem`.
    method
        Decides between a sharp interface and a blended one, and how many layers of atoms forces need.
    core, width
        Layers of pure atoms, and of the blending (default: as many).
    outer
        Layers to the boundary; default (core + width)^(1 + 2/d) + 10, where truncation and coarsening err alike. The
        last layer of atoms that moves for ``atomistic``, which has no other radius.
    vacancies
        (v, d) sites in units of the primitive vectors; none: the perfect crystal.
    axis_half
        Half the length of a row along the first primitive vector around which layers are counted.
    profile
        Of the blending.
    alpha
        Grading of the mesh, h ~ r^alpha; default: the middle of the optimal interval, at most 1.5.
    """
    reach, d = lattice.reach, lattice.dimension
    if method == "atomistic":
        last = float(core if outer is None else outer)
        mesh = graded(lattice, last + 2 * reach, last + 2 * reach, axis_half=axis_half)
        blend, fixed = (mesh.distance > last + reach + 1e-9).astype(np.float64), mesh.distance > last + 1e-9
    else:
        wide = 0 if method in SHARP else core if width is None else width
        fine = core + wide + (2 if method in FORCES else 1) * reach
        far = (core + wide) ** (1.0 + 2.0 / d) + 10.0 if outer is None else outer
        grading = min(1.5, sum(rate_of_grading(d)) / 2.0) if alpha is None else alpha
        mesh = graded(lattice, fine, max(far, fine + 2), alpha=grading, axis_half=axis_half)
        blend = blending(mesh, core, wide, "sharp" if method in SHARP else profile)
        fixed = mesh.boundary.copy()
    absent = np.zeros(len(mesh.sites), dtype=bool)
    if vacancies is not None:
        absent = (mesh.sites[:, None] == np.asarray(vacancies)[None]).all(axis=-1).any(axis=1)
    return Problem(mesh, interaction, continuum, blend, np.asarray(far_field, dtype=np.float64), absent, fixed)
