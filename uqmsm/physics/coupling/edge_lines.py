"""Edge dislocations of bcc and fcc alloys whose atoms end in the continuum of the alloy at rest.

x runs along the Burgers vector, y along the normal of the glide plane, z along the line. One column of atoms stands
over each point of the projected lattice, so that the line is as long as the crystal's period along it, and the far
field is a plane problem (`slipped.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import eye_array
from scipy.sparse.linalg import splu

from uqmsm.errors import NotConverged
from uqmsm.physics.coupling.alloys import TabulatedAtoms, average_atom_of, random_kinds
from uqmsm.physics.coupling.dislocations import excess, posed_dislocation, unslipped
from uqmsm.physics.coupling.equilibrium import Rest
from uqmsm.physics.coupling.homogenised import homogenised
from uqmsm.physics.coupling.lattice import Lattice, cubic
from uqmsm.physics.coupling.matching import GPA_A3_PER_EV
from uqmsm.physics.coupling.methods import Coupled, Method, Problem, couple
from uqmsm.physics.coupling.slipped import Columns, SlippedMesh
from uqmsm.physics.coupling.tabulated_crystal import TabulatedCrystal
from uqmsm.physics.coupling.vacancies import sites_outwards, voigt_to_moduli
from uqmsm.physics.embedded_tables import EmbeddedFunctions
from uqmsm.physics.stroh import Stroh, stroh
from uqmsm.physics.tensors import rotate_stiffness

__all__ = ["CoupledEdge", "Line", "columns_of", "coupled_edge", "posed_edge"]

Floats = NDArray[np.float64]

_AXES = {
    "fcc": (np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 2.0]]), np.sqrt(0.5)),
    "bcc": (np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]), np.sqrt(0.75)),
}
"""Axes x, y, z in cubic edges and the Burgers vector in lattice parameters: a/2 <110> {111} and a/2 <111> {110}."""

FORCE_TOLERANCE_eV_per_A = 1e-4
SKIN_A = 0.6
"""By as much two atoms may come closer than at the start before a new neighbour is missed."""


@dataclass(frozen=True)
class Line:
    """An edge dislocation of an alloy and the same atoms without it.

    Attributes
    ----------
    hurt, whole
        The two problems.
    field
        Elastic solutions in the axes of the line (GPa).
    stiffness_GPa
        (6, 6) in those axes.
    method
        How atoms and continuum are joined.
    """

    hurt: Problem
    whole: Problem
    field: Stroh
    stiffness_GPa: Floats
    method: Method

    @property
    def columns(self) -> Columns:
        """Return the crystal."""
        mesh = self.hurt.mesh
        assert isinstance(mesh, SlippedMesh)
        return mesh.columns


@dataclass(frozen=True)
class CoupledEdge:
    """An edge dislocation at rest.

    Attributes
    ----------
    core_energy
        eV/A within one Burgers vector: what the line costs beyond K ln R.
    half_width, centre
        A: half of the way on which slip grows from a quarter to three quarters, and its middle.
    ghost_force
        eV/A: what the blending adds to forces in the crystal of average atoms (removed by corrected methods).
    unknowns
        Degrees of freedom.
    """

    core_energy: float
    half_width: float
    centre: float
    ghost_force: float
    unknowns: int


def columns_of(lattice: Literal["bcc", "fcc"], a_A: float, cutoff_A: float) -> tuple[Columns, Lattice]:
    """Return a crystal as columns along its edge dislocations, and as a lattice in space in the same axes."""
    axes, burgers = _AXES[lattice]
    turn = axes / np.linalg.norm(axes, axis=1)[:, None]
    straight = cubic(lattice, a_A, cutoff_A)
    space = Lattice(straight.basis @ turn.T, straight.steps)
    near = np.stack(np.meshgrid(*(np.arange(-4, 5),) * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ space.basis
    x, y, z = np.round(near, 9).T
    tiny = 1e-6 * a_A

    def first(which: NDArray[np.bool_], *orders: Floats) -> Floats:
        found = np.flatnonzero(which)
        return np.asarray(near[found[np.lexsort([np.round(order[found], 6) for order in reversed(orders)])[0]]])

    along = first((np.abs(y) < tiny) & (x > tiny), x, np.abs(z))
    across = first(y > tiny, y, np.abs(x), np.abs(z))
    period = float(first((np.abs(x) < tiny) & (np.abs(y) < tiny) & (z > tiny), z)[2])
    basis = np.array([[along[0], 0.0], across[:2]])
    steps = np.rint(space.hops[:, :2] @ np.linalg.inv(basis)).astype(np.int64)
    flat = Lattice(basis, steps)
    count = round(burgers * a_A / along[0])
    origin = np.array([0.25 * burgers * a_A, 0.5 * across[1]])
    heights = np.array([along[2], across[2]])
    return Columns(flat, space.hops, heights, period, count, origin), space


def posed_edge(
    tables: EmbeddedFunctions,
    composition: ArrayLike,
    lattice: Literal["bcc", "fcc"],
    lattice_parameter_A: float,
    stiffness_GPa: Floats,
    rng: np.random.Generator,
    *,
    core_A: float = 12.0,
    width_A: float = 12.0,
    outer_A: float = 200.0,
    method: Method = "bgfc",
) -> Line:
    """State the problem of an edge dislocation, and that of the same atoms without it.

    Parameters
    ----------
    tables, composition
        Potential of n elements and their mole fractions (n,).
    lattice, lattice_parameter_A, stiffness_GPa
        The alloy at rest: lattice, cubic edge, (6, 6) along the cubic axes.
    rng
        Stream of the elements, column by column outwards, so that a larger core keeps the atoms of a smaller one.
    core_A, width_A, outer_A
        Radius of pure atoms, over which length they fade, and radius of the boundary.
    method
        As in `methods.pose`.
    """
    columns, space = columns_of(lattice, lattice_parameter_A, 1.03 * tables.cutoff)
    turned = rotate_stiffness(stiffness_GPa, _AXES[lattice][0] / np.linalg.norm(_AXES[lattice][0], axis=1)[:, None])
    average = average_atom_of(tables, composition)
    crystal = TabulatedCrystal(average, space)
    layer = float(np.linalg.norm(columns.lattice.basis, axis=1).min())
    field = stroh(turned)
    posed = posed_dislocation(
        columns, TabulatedAtoms(tables), homogenised(crystal, voigt_to_moduli(turned)), field,
        tables.cutoff + SKIN_A, method=method, core=core_A / layer, width=width_A / layer, outer=outer_A / layer,
        profile="quintic", alpha=1.3,
    )  # fmt: skip
    kinds = np.empty(len(posed.mesh.sites), dtype=np.int64)
    kinds[sites_outwards(posed.mesh)] = random_kinds(composition, len(kinds), rng)
    hurt = replace(posed, kinds=kinds, crystal=average, crystal_continuum=crystal)
    return Line(hurt, unslipped(hurt, tables.cutoff + SKIN_A), field, turned, method)


def coupled_edge(line: Line) -> CoupledEdge:
    """Bring an edge dislocation to rest and measure it.

    Raises
    ------
    NotConverged
        When the atoms do not come to rest.
    """
    before = _settled(couple(line.whole, line.method), line.whole.start)
    # the misfit of the elements is known by now
    rest = _settled(couple(line.hurt, line.method), line.hurt.start + before.positions - line.whole.start)
    cost = excess(rest, line.field, 1.0 / GPA_A3_PER_EV) - excess(before, line.field, 0.0)
    half, centre = _spread(line, rest.positions - before.positions)
    ghost = float(np.abs(couple(line.hurt, "bgfc").dead[line.hurt.free]).max())
    return CoupledEdge(cost, half, centre, ghost, line.hurt.unknowns)


def _settled(coupled: Coupled, start: Floats) -> Rest:
    """Return a minimum of the energy near a start: Newton's method, the stiffness shifted where the energy bends down.

    Rows of an alloy's core may be about to jump at the start: curvature is negative there, and the force of a step may
    grow although its energy falls.
    """
    y = start.copy()
    free = np.flatnonzero(np.repeat(coupled.problem.free, y.shape[1]))
    energy, shift = coupled.energy(y), 0.0
    for step in range(80):
        gradient, whole = coupled.derivatives(y)
        g, stiffness = gradient.ravel()[free], whole[free][:, free]
        worst = float(np.abs(g).max())
        if worst <= FORCE_TOLERANCE_eV_per_A:
            return Rest(coupled, y, worst, step)
        size = float(stiffness.diagonal().mean())
        for _ in range(12):
            move = splu((stiffness + shift * eye_array(len(free))).tocsc(), permc_spec="MMD_AT_PLUS_A").solve(-g)
            move *= min(1.0, 0.4 / float(np.abs(move).max()))
            trial = y.copy()
            trial.ravel()[free] += move
            found, slope = coupled.energy(trial), float(g @ move)
            if slope < 0.0 and found < energy + 1e-4 * slope + 1e-10 * abs(energy):
                break
            shift = max(4.0 * shift, 3e-3 * size)
        y, energy, shift = trial, found, 0.25 * shift if shift > 1e-4 * size else 0.0
    raise NotConverged(f"forces of {worst:.1e} eV/A are left after 80 steps; take a larger core")


def _spread(line: Line, moved: Floats) -> tuple[float, float]:
    """Return half of the way between a quarter and three quarters of the slip, and its middle (A)."""
    mesh, b = line.hurt.mesh, line.columns.slip
    assert isinstance(mesh, SlippedMesh)
    rows = []
    for row in (0, -1):
        here = np.flatnonzero((mesh.sites[:, 1] == row) & (mesh.distance <= mesh.fine))
        order = here[np.argsort(mesh.places[here, 0])]
        rows.append((mesh.places[order, 0], moved[order, 0]))
    x = np.linspace(max(at[0] for at, _ in rows), min(at[-1] for at, _ in rows), 1000)
    slip = np.interp(x, *rows[0]) - np.interp(x, *rows[1])
    ends = np.interp([-0.75 * b, -0.25 * b], -np.minimum.accumulate(slip), x)
    return 0.5 * float(ends[1] - ends[0]), float(ends.mean())
