"""A straight dislocation whose atoms end in a continuum: elasticity says how it starts, atoms what its core is.

Nodes start from the anisotropic solution of Stroh in slipped places (`slipped.py`), the boundary is held there, and
elements take the elastic strain at their middles instead of what linear interpolation makes of it: only what atoms add
to elasticity, which falls as 1 / r^2, is left to the mesh.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.coupling.blending import Profile, blending
from uqmsm.physics.coupling.cauchy_born import Continuum, small_strain_moduli
from uqmsm.physics.coupling.equilibrium import Rest
from uqmsm.physics.coupling.interactions import Interaction, crystal_site
from uqmsm.physics.coupling.lattice import Lattice
from uqmsm.physics.coupling.methods import FORCES, SHARP, Method, Problem
from uqmsm.physics.coupling.slipped import Columns, SlippedMesh, seen_by_distance, slipped, without_slip
from uqmsm.physics.stroh import Stroh, stroh

__all__ = ["excess", "in_a_plane", "plane_field", "posed_dislocation", "unslipped"]

Floats = NDArray[np.float64]


def in_a_plane(lattice: Lattice, origin: ArrayLike) -> Columns:
    """Return a lattice in a plane as it is, the Burgers vector its first primitive vector."""
    return Columns(lattice, lattice.hops, np.zeros(2), np.inf, 1, np.asarray(origin, dtype=np.float64))


def plane_field(continuum: Continuum) -> Stroh:
    """Return the elastic solutions of a crystal in a plane at rest in its reference: plane strain, in its own unit."""
    one = np.eye(2)
    C = small_strain_moduli(continuum(one[None]), one)
    place = ((0, 0), (1, 1), (0, 1))
    stiff = np.zeros((6, 6))
    for a, one_ in zip((0, 1, 5), place, strict=True):
        for b, other in zip((0, 1, 5), place, strict=True):
            stiff[a, b] = C[(*one_, *other)]
    stiff[2, 2] = C[0, 0, 0, 0]
    stiff[3, 3] = stiff[4, 4] = C[0, 1, 0, 1]  # the third direction is not coupled, and not asked
    return stroh(stiff)


def posed_dislocation(
    columns: Columns,
    interaction: Interaction,
    continuum: Continuum,
    field: Stroh,
    reach: float,
    *,
    method: Method = "bgfc",
    core: float = 6,
    width: float | None = None,
    outer: float | None = None,
    far_field: Floats | None = None,
    profile: Profile = "least_bending",
    alpha: float = 1.5,
    exact: bool = True,
) -> Problem:
    """State the problem of one dislocation, with the geometry that suits the method (see `methods.pose`).

    Parameters
    ----------
    columns, interaction, continuum
        The crystal at rest.
    field
        Its elastic solutions, x along the Burgers vector.
    reach
        How far atoms look for each other: the range of the interaction and some skin.
    method, core, width, outer, profile, alpha
        As in `methods.pose`.
    far_field
        (D, D) deformation on top; default: none.
    exact
        Whether elements take the elastic strain at their middles.
    """
    step = columns.lattice.reach
    if method == "atomistic":
        last = float(core if outer is None else outer)
        mesh = slipped(columns, last + 2 * step, last + 2 * step)
        blend, fixed = (mesh.distance > last + step + 1e-9).astype(np.float64), mesh.distance > last + 1e-9
    else:
        wide = 0.0 if method in SHARP else core if width is None else width
        fine = core + wide + (2 if method in FORCES else 1) * step
        far = (core + wide) ** 2 + 10.0 if outer is None else outer
        mesh = slipped(columns, fine, max(far, fine + 2), alpha=alpha)
        blend = blending(mesh, core, wide, "sharp" if method in SHARP else profile)
        fixed = mesh.boundary.copy()
    D = columns.hops.shape[1]
    F = np.eye(D) if far_field is None else np.asarray(far_field, dtype=np.float64)
    burgers = np.array([columns.slip, 0.0, 0.0])
    displaced = field.dislocation(burgers, *mesh.places.T)[:, :D]
    if exact:
        mesh = replace(mesh, predicted=_predicted(mesh, field, burgers, displaced))
    mesh = seen_by_distance(mesh, (mesh.nodes + displaced) @ F.T, reach)
    nobody = np.zeros(len(mesh.sites), dtype=bool)
    return Problem(mesh, interaction, continuum, blend, F, nobody, fixed, displaced=displaced)


def _predicted(mesh: SlippedMesh, field: Stroh, burgers: Floats, displaced: Floats) -> Floats:
    """Return elastic deformation gradients (m, D, D) at the middles of elements minus the interpolated ones."""
    D = displaced.shape[1]
    x, y = mesh.places[mesh.elements].mean(axis=1).T
    square = x**2 + y**2
    # q(X) has the slope (1 - e_x grad g)^-1, g = b theta / (2 pi); e_x grad g has one row, and so has its inverse
    slope = burgers[0] / (2.0 * np.pi) * np.stack([-y, x], axis=1) / square[:, None]
    turned = np.zeros((len(x), 2, 2))
    turned[:, 0, 0], turned[:, 0, 1], turned[:, 1, 1] = 1.0 / (1.0 - slope[:, 0]), slope[:, 1] / (1.0 - slope[:, 0]), 1
    gradient = np.zeros((len(x), D, D))
    gradient[:, :, :2] = field.dislocation_gradient(burgers, x, y)[:, :D] @ turned
    here = (mesh.nodes + displaced)[mesh.elements]
    interpolated = np.einsum("eai,eaJ->eiJ", here, mesh.gradients)
    far = mesh.lattice.layers(np.stack([x, y], axis=1)) > 2.0
    return np.where(far[:, None, None], np.eye(D) + gradient - interpolated, 0.0)


def unslipped(problem: Problem, reach: float) -> Problem:
    """Return the same sites, blended alike, in a crystal without the dislocation."""
    mesh = problem.mesh
    assert isinstance(mesh, SlippedMesh)
    plain = without_slip(mesh)
    still = np.zeros(plain.nodes.shape)
    if plain.nodes.shape[1] == 3:
        interpolated = np.einsum("eai,eaJ->eiJ", plain.nodes[plain.elements], plain.gradients)
        plain = replace(plain, predicted=np.eye(3) - interpolated)
    plain = seen_by_distance(plain, plain.nodes @ problem.far_field.T, reach)
    return replace(problem, mesh=plain, displaced=still)


def excess(rest: Rest, field: Stroh, stress_unit: float = 1.0) -> float:
    """Return the energy of a dislocation within one Burgers vector, per length of line.

    The energy of the problem minus that of the crystal at its far field, minus what elasticity stores from one Burgers
    vector on to the boundary: its density is e(theta) / r^2, and K = b.Lb / (4 pi) is the integral of e over the angle.

    Parameters
    ----------
    rest
        A dislocation at rest.
    field
        Its elastic solutions.
    stress_unit
        Of the elastic solutions, in energies of the interaction per volume: 1 / 160.2 for GPa and eV / A^3.

    Raises
    ------
    StudyError
        For methods without energy.
    """
    coupled, problem = rest.coupled, rest.coupled.problem
    mesh, F = problem.mesh, problem.far_field[None]
    assert isinstance(mesh, SlippedMesh)
    site = crystal_site(problem.crystal or problem.interaction, mesh.hops, F).energy[0]
    density = problem.continuum(F).energy[0]
    whole = coupled.atoms.weights.sum() * site + coupled.elements.weights.sum() * density
    elastic = stress_unit * _stored(mesh, field) if stress_unit else 0.0
    return (coupled.energy(rest.positions) - float(whole)) / mesh.columns.depth - elastic


def _stored(mesh: SlippedMesh, field: Stroh) -> float:
    """Return the elastic energy per length between one Burgers vector and the boundary of a mesh."""
    b = mesh.columns.slip
    sides = np.concatenate([mesh.elements[:, [0, 1]], mesh.elements[:, [1, 2]], mesh.elements[:, [2, 0]]])
    ends, count = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
    ends = mesh.places[ends[count == 1]]
    points, weights = np.polynomial.legendre.leggauss(6)
    share = 0.5 * (points + 1.0)[:, None, None]
    at = (1.0 - share) * ends[:, 0] + share * ends[:, 1]
    along = ends[:, 1] - ends[:, 0]
    r = np.hypot(*np.moveaxis(at, -1, 0))
    turn = np.abs(at[..., 0] * along[:, 1] - at[..., 1] * along[:, 0]) / r**2  # d theta over the share of a side
    x, y = at[..., 0] / r, at[..., 1] / r
    burgers = np.array([b, 0.0, 0.0])
    stress, gradient = field.dislocation_stress(burgers, x, y), field.dislocation_gradient(burgers, x, y)
    density = 0.5 * (stress * gradient).sum(axis=(-2, -1))
    return float((0.5 * weights[:, None] * density * turn * np.log(r / b)).sum())
