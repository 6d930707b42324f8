"""What the tests of finite elements share: supports, tensors, fields of stress as tractions."""

from __future__ import annotations

import numpy as np

from uqmsm.physics.fe.assemble import stiffness_blocks
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import system
from uqmsm.physics.fe.loads import traction_loads
from uqmsm.physics.tensors import COMPONENTS, isotropic_stiffness, voigt_to_mandel


def elastic(young, poisson):
    """Mandel stiffness of an isotropic solid, in the unit of Young's modulus."""
    return voigt_to_mandel(isotropic_stiffness(young / 3 / (1 - 2 * poisson), young / 2 / (1 + poisson)))


def tensor(mandel):
    """Six Mandel numbers as 3 x 3 matrices."""
    full = np.empty((*mandel.shape[:-1], 3, 3))
    for k, (i, j) in enumerate(COMPONENTS):
        full[..., i, j] = full[..., j, i] = mandel[..., k] / (1.0 if i == j else np.sqrt(2.0))
    return full


def mandel(full):
    """3 x 3 matrices as six Mandel numbers."""
    return np.stack([full[..., i, j] * (1.0 if i == j else np.sqrt(2.0)) for i, j in COMPONENTS], axis=-1)


def pull(of, stress):
    """Nodal loads of a field of stress (Mandel, a function of position) on the whole boundary."""

    def traction(x, n):
        return np.einsum("eqij,eqj->eqi", tensor(stress(x))[..., : n.shape[-1], : n.shape[-1]], n)

    return sum(traction_loads(of, facets, traction) for facets in of.mesh.edges.values())


def held_against_rigid_motion(mesh):
    """Dofs, as few as there are rigid motions, held at corners of the bounding box of a mesh drawn over a grid."""
    low = mesh.nodes_mm.min(axis=0)
    a = mesh.nearest(*low)
    if mesh.dimension == 2:
        b = mesh.nearest(mesh.nodes_mm[:, 0].max(), low[1])
        return np.array([2 * a, 2 * a + 1, 2 * b + 1])
    b, c = (mesh.nearest(*np.where(np.arange(3) == axis, mesh.nodes_mm.max(axis=0), low)) for axis in (0, 1))
    return np.array([3 * a, 3 * a + 1, 3 * a + 2, 3 * b + 1, 3 * b + 2, 3 * c + 2])


def solve(mesh, kinematics, tangent, loads, held, tolerance=1e-9, **settings):
    """Displacements of a linear component; loads may be a function of the discretisation."""
    of = discretise(mesh, kinematics, **settings)
    push = loads(of) if callable(loads) else loads
    u, residual = system(of, held, tolerance=tolerance).solve(stiffness_blocks(of, tangent), push)
    return of, u, residual
