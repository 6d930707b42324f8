"""Hill and Mandel across an interface: the power of mean stress on mean strain is that of all forces inside.

For a coupled problem held at x = F X on its boundary, P = (1/V) sum_boundary reaction (x) X is the mean stress, by the
virtual power of a change of F; inside it is the virial of atoms plus the stress of elements, each by its weight, minus
the dead load's. Both agree at rest, whatever the blending: atoms that pass into elements lose no power on the way
(R. Hill, J. Mech. Phys. Solids 11, 357, 1963; with discrete forces, C. Liu and C. Reina, arXiv 1510.02310).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.equilibrium import Rest

__all__ = ["MeanStress", "mean_stress"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MeanStress:
    """Mean first Piola-Kirchhoff stress (d, d) of a coupled problem, energy per volume of the mesh.

    Attributes
    ----------
    boundary
        From the reactions of the nodes that are held.
    atoms, elements, dead
        Shares of the virial of atoms, of the stress of elements, and of the dead load.
    """

    boundary: Floats
    atoms: Floats
    elements: Floats
    dead: Floats

    @property
    def inside(self) -> Floats:
        """Return the sum over what lies inside."""
        return np.asarray(self.atoms + self.elements - self.dead)

    @property
    def gap(self) -> float:
        """Return the distance of both, relative to the larger of stress and virial."""
        size = max(float(np.linalg.norm(part)) for part in (self.boundary, self.atoms, self.elements))
        return float(np.linalg.norm(self.boundary - self.inside)) / size


def mean_stress(rest: Rest) -> MeanStress:
    """Measure the mean stress of a coupled problem at rest on its boundary and inside.

    Raises
    ------
    StudyError
        For methods without energy: blended forces do no work that could be summed. Around a dislocation.
    """
    coupled = rest.coupled
    if not coupled.conservative:
        raise StudyError(f"{coupled.method} blends forces, whose power is that of no energy; take bgfc")
    problem, y = coupled.problem, rest.positions
    if problem.displaced is not None:
        raise StudyError("around a dislocation no deformation is the mean of all; ask for the mean stress without it")
    X, volume = problem.mesh.nodes, float(problem.mesh.volumes.sum())
    held = problem.fixed & ~problem.absent
    boundary = coupled.gradient(y)[held].T @ X[held]
    atoms = coupled.atoms
    site = atoms.interaction(atoms.vectors(y), atoms.present, atoms.who, atoms.whom)
    virial = np.einsum("p,pki,pkj->ij", atoms.weights, site.slope * atoms.present[..., None], atoms.vectors(X))
    elements = coupled.elements
    stress = np.einsum("m,mij->ij", elements.weights, elements.continuum(elements.gradients(y)).stress)
    dead = np.broadcast_to(coupled.dead, y.shape).T @ X
    return MeanStress(boundary / volume, virial / volume, stress / volume, dead / volume)
