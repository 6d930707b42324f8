"""Arlequin geometries: a chain that overlaps a bar, and a defect whose atoms overlap a graded mesh around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array, eye_array

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.arlequin import (
    PATCH_TOLERANCE,
    Arlequin,
    Mediator,
    Multiplier,
    Tied,
    mass_and_stiffness,
    patch_error,
    tie,
    ties,
)
from uqmsm.physics.coupling.blending import profile
from uqmsm.physics.coupling.cauchy_born import Continuum
from uqmsm.physics.coupling.elements import element_sum
from uqmsm.physics.coupling.energies import atom_sum
from uqmsm.physics.coupling.interactions import Interaction
from uqmsm.physics.coupling.lattice import Lattice, row_distance
from uqmsm.physics.coupling.mesh import Mesh, graded

__all__ = ["ChainPatch", "Overlap", "chain_patch", "overlap"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weights = Literal["linear", "cubic", "constant"]


@dataclass(frozen=True)
class _Line:
    """Weighted linear springs on given differences of positions: one half sum w k (B y - rest)^2."""

    differences: csr_matrix
    stiffness: Floats
    rest: Floats

    def energy(self, y: Floats) -> float:
        return float(0.5 * self.stiffness @ (self.differences @ y[:, 0] - self.rest) ** 2)

    def derivatives(self, y: Floats) -> tuple[Floats, csr_matrix]:
        weighted = diags_array(self.stiffness) @ self.differences
        gradient = self.differences.T @ (self.stiffness * (self.differences @ y[:, 0] - self.rest))
        return gradient[:, None], (self.differences.T @ weighted).tocsr()


@dataclass(frozen=True)
class ChainPatch:
    """Largest errors of the uniform strain in a chain that overlaps a bar, relative to it."""

    atoms: float
    bar: float

    @property
    def passes(self) -> bool:
        """Say whether both are zero to rounding."""
        return max(self.atoms, self.bar) <= PATCH_TOLERANCE


def _share_of_atoms(x: Floats, start: float, end: float, weights: Weights) -> Floats:
    """Return w: 1 before the overlap, 0 after it."""
    inside = (x > start) & (x < end)
    if weights == "constant":
        return np.where(inside, 0.5, (x <= start).astype(np.float64))
    return 1.0 - profile(weights, (x - start) / (end - start))


def chain_patch(
    *,
    weights: Weights = "linear",
    multiplier: Multiplier = "H1",
    mediator: Mediator = "coarse",
    averaged: bool = True,
    bonds: int = 20,
    overlapped: int = 8,
    spacing: int = 4,
    length: int = 60,
    scale: float = 1.0,
) -> ChainPatch:
    """Pull a chain of springs that overlaps a bar of the same stiffness: the answer is a uniform strain.

    Parameters
    ----------
    weights
        How the energy passes from chain to bar.
    multiplier, mediator
        Of the ties.
    averaged
        Whether weights are averaged over every bond and every element (by the same fine quadrature); if not, they are
        sampled at one end of the bond and in the middle of the element.
    bonds, overlapped, spacing, length
        Bonds of the chain, of those in the overlap, bonds to an element, and where the bar ends.
    scale
        l of the H1 product, in bonds.

    Raises
    ------
    StudyError
        When elements do not fit the overlap.
    """
    start = bonds - overlapped
    if overlapped % spacing or (length - start) % spacing or start < 1:
        raise StudyError(f"an overlap of {overlapped} bonds in elements of {spacing} up to {length}: they must fit")
    atoms, nodes = np.arange(bonds + 1.0), np.arange(start, length + 1.0, spacing)

    def weight(left: Floats, size: float, at: float) -> Floats:
        fine = left[:, None] + size * (
            (np.arange(64 * int(size)) + 0.5) / (64 * int(size)) if averaged else np.array([at])
        )
        return np.asarray(_share_of_atoms(fine, start, bonds, weights).mean(axis=1))

    spring = _Line(_differences(len(atoms)), weight(atoms[:-1], 1.0, 0.0), np.ones(bonds))
    share = 1.0 - weight(nodes[:-1], float(spacing), 0.5)
    bar = _Line(_differences(len(nodes)), share / spacing, np.full(len(share), float(spacing)))
    load = np.zeros((len(nodes), 1))
    load[-1] = 0.01
    shared = np.flatnonzero(atoms >= start)
    elements = np.stack([shared[:-1], shared[1:]], axis=1)
    gradients = np.broadcast_to(np.array([[-1.0], [1.0]]), (len(elements), 2, 1))
    products = mass_and_stiffness(gradients, np.ones(len(elements)), elements, len(atoms))
    onto = _hats(atoms, nodes)
    through = eye_array(len(atoms)).tocsr()[:, shared] if mediator == "fine" else onto[:, nodes <= bonds]
    held = np.arange(len(atoms)) > 0
    tied = tie(
        Arlequin(
            spring, bar, atoms[:, None], nodes[:, None], held, np.ones(len(nodes), bool),
            *ties(*products, through, onto, multiplier, scale), np.zeros((len(atoms), 1)), load,
        ),
        tolerance=1e-12,
    )  # fmt: skip
    strains = np.diff(tied.atoms[:, 0]) - 1.0, np.diff(tied.elements[:, 0]) / spacing - 1.0
    return ChainPatch(*(float(np.abs(strain / 0.01 - 1.0).max()) for strain in strains))


def _differences(n: int) -> csr_matrix:
    rows = np.repeat(np.arange(n - 1), 2)
    columns = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1).ravel()
    return csr_matrix((np.tile([-1.0, 1.0], n - 1), (rows, columns)), shape=(n - 1, n))


def _hats(x: Floats, nodes: Floats) -> csr_matrix:
    """Return the values (len(x), nodes) of hat functions on equidistant nodes."""
    return csr_matrix(
        np.maximum(0.0, 1.0 - np.abs(x[:, None] - nodes) / (nodes[1] - nodes[0])) * (x[:, None] >= nodes[0])
    )


@dataclass(frozen=True)
class Overlap:
    """A defect whose atoms overlap elements, and what its patch test said.

    Attributes
    ----------
    problem
        To be brought to rest by `arlequin.tie`.
    atom_mesh, element_mesh
        Sites of the atoms, and the mesh around them (in units of twice the lattice).
    absent
        (n,) vacancies among the sites.
    seam
        Layers to the middle of the overlap.
    patch
        Largest displacement, in spacings, that the ties add to the homogeneous crystal.
    drift
        The same under a shear of 0.001, over 0.001: how fast the patch test is lost away from the far field.
    """

    problem: Arlequin
    atom_mesh: Mesh
    element_mesh: Mesh
    absent: NDArray[np.bool_]
    seam: float
    patch: float
    drift: float

    @property
    def passes(self) -> bool:
        """Say whether the patch test is passed in the far field."""
        return self.patch <= PATCH_TOLERANCE

    @property
    def unknowns(self) -> int:
        """Return the degrees of freedom of atoms, elements and multipliers."""
        p = self.problem
        nodes = int(p.atom_free.sum()) + int(p.element_free.sum()) + int(p.atom_ties.shape[0])
        return nodes * self.atom_mesh.lattice.dimension

    def solve(self) -> Tied:
        """Bring it to rest."""
        return tie(self.problem)

    def displacement(self, tied: Tied, points: Floats) -> Floats:
        """Return displacements (p, d) at points (p, d): of atoms up to the middle of the overlap, then of elements."""
        p, mesh = self.problem, self.atom_mesh
        u = np.where(self.absent[:, None], 0.0, tied.atoms - p.atom_start)
        near = row_distance(mesh.lattice, points, 0.0) <= self.seam + 1e-9
        from_atoms = mesh.interpolation(points) @ u
        from_elements = self.element_mesh.interpolation(points) @ (tied.elements - p.element_start)
        return np.asarray(np.where(near[:, None], from_atoms, from_elements))


def overlap(
    lattice: Lattice,
    interaction: Interaction,
    continuum: Continuum,
    far_field: Floats,
    *,
    core: int = 6,
    width: int | None = None,
    outer: float | None = None,
    vacancies: Ints | None = None,
    weights: Weights = "linear",
    multiplier: Multiplier = "H1",
    mediator: Mediator = "fine",
    dead_load: bool = True,
) -> Overlap:
    """Lay atoms over a mesh that is twice as coarse, tie them, and run the patch test.

    Parameters
    ----------
    lattice, interaction, continuum, far_field, core, width, outer, vacancies
        As in `methods.pose`; `core` and `width` are even.
    weights, multiplier, mediator
        Of the ties. Layers are hexagons, whose corners no weight passes linearly on a mesh: only the fine mediator
        keeps the atoms affine there when the far field is strained further (`Overlap.drift`).
    dead_load
        Whether the ghost force of the perfect crystal is taken off.

    Raises
    ------
    StudyError
        When core and width are odd, so that elements straddle the edges of the overlap.
    """
    wide = core if width is None else width
    if core % 2 or wide % 2 or min(core, wide) < 2:
        raise StudyError(
            f"core = {core}, width = {wide}: even numbers of layers, at least 2, let elements fit the overlap"
        )
    d, last = lattice.dimension, core + wide
    far = last ** (1.0 + 2.0 / d) + 10.0 if outer is None else outer
    atoms = graded(lattice, last, last)
    coarse = Lattice(2.0 * lattice.basis, lattice.steps)
    mesh = graded(coarse, last / 2 + 1, max(far / 2, last / 2 + 2))
    share = _share_of_atoms(atoms.distance, core, last, weights)
    part = share[atoms.elements].mean(axis=1)  # of each lattice simplex: what both models are weighed with
    continuum_share = 1.0 - _averaged_over(mesh, atoms, part)
    ties_ = _ties_of(atoms, mesh, core, last, mediator, multiplier, float(wide))
    absent = np.zeros(len(atoms.sites), dtype=bool)
    used = np.zeros(len(mesh.sites), dtype=bool)
    used[mesh.elements[continuum_share > 1e-12]] = True
    elements = element_sum(mesh, np.where(continuum_share > 1e-12, continuum_share, 0.0), continuum)
    perfect = Arlequin(
        atom_sum(atoms, share, interaction), elements, atoms.nodes @ far_field.T, mesh.nodes @ far_field.T,
        ~absent, used & ~mesh.boundary, *ties_, np.zeros_like(atoms.nodes), np.zeros_like(mesh.nodes),
    )  # fmt: skip
    if dead_load:
        perfect = perfect.without_ghosts()
    sheared = np.eye(d) + 1e-3 * np.eye(d, k=1)
    patch, drift = patch_error(perfect, np.eye(d)), 1e3 * patch_error(perfect, sheared)
    if vacancies is not None:
        absent = (atoms.sites[:, None] == np.asarray(vacancies)[None]).all(axis=-1).any(axis=1)
    defect = replace(perfect, atoms=atom_sum(atoms, share, interaction, absent=absent), atom_free=~absent)
    return Overlap(defect, atoms, mesh, absent, core + 0.5 * wide, patch, drift)


def _averaged_over(mesh: Mesh, atoms: Mesh, part: Floats) -> Floats:
    """Average values of lattice simplices over the elements that hold them; elements without any: 0."""
    centres = atoms.nodes[atoms.elements].mean(axis=1)
    inside = mesh.holder(centres)
    volume = np.bincount(inside, atoms.volumes, len(mesh.elements))
    return np.asarray(np.bincount(inside, atoms.volumes * part, len(mesh.elements)) / np.maximum(volume, mesh.volumes))


def _ties_of(
    atoms: Mesh, mesh: Mesh, core: float, last: float, mediator: Mediator, multiplier: Multiplier, length: float
) -> tuple[csr_matrix, csr_matrix]:
    """Return the ties over the lattice simplices of the overlap."""
    over = (atoms.distance[atoms.elements] >= core - 1e-9).all(axis=1)
    shared = np.unique(atoms.elements[over])
    n = len(atoms.sites)
    products = mass_and_stiffness(atoms.gradients[over], atoms.volumes[over], atoms.elements[over], n)
    onto = mesh.interpolation(atoms.nodes)
    if mediator == "fine":
        through = eye_array(n).tocsr()[:, shared]
    else:
        through = onto[:, (2.0 * mesh.distance >= core - 1e-9) & (2.0 * mesh.distance <= last + 1e-9)]
    return ties(*products, through, onto, multiplier, length)
