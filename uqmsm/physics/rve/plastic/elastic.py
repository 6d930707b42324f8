"""A block before it flows: its stiffness, and whether a mean strain leaves it elastic."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.rve.localize import localize
from uqmsm.physics.rve.plastic.laws import Crystals
from uqmsm.physics.tensors import mandel_to_voigt

__all__ = ["ElasticBlock", "elastic_block"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


@dataclass(frozen=True)
class ElasticBlock:
    """What a block answers before it flows; Mandel.

    Attributes
    ----------
    stiffness_MPa : ndarray, shape (6, 6)
    resolved_MPa : ndarray, shape (systems of all voxels, 6)
        Resolved shear stress on every slip system of every voxel, per mean strain.
    hill_mandel_gap : float
        Largest of the six unit fields.
    voxels : int
    """

    stiffness_MPa: Array
    resolved_MPa: Array = field(repr=False)
    hill_mandel_gap: float
    voxels: int

    def first_slip(self, strain: Array, step_s: float, law: Crystals) -> Array:
        """Return the mean slip of a step, (n,), that the elastic stresses of mean strains, (n, 6), would make.

        It is the slip of the step to first order and, because slip lowers the stress that drives it, from above.
        """
        rate, exponent = law.law[0] * step_s, law.law[1]
        slip = np.zeros(len(strain))
        length = np.sqrt((strain * strain).sum(axis=1))
        steepest = float(np.sqrt((self.resolved_MPa**2).sum(axis=1).max()))
        systems = len(self.resolved_MPa) / self.voxels
        for k in np.flatnonzero(length > 0.0):
            most = rate * systems * (steepest * length[k] / law.resistance_MPa) ** exponent
            if most > 1e-6 * length[k]:  # else too little to be looked at
                share = np.abs(self.resolved_MPa @ strain[k]) / law.resistance_MPa
                most = rate * float(np.sum(share**exponent)) / self.voxels
            slip[k] = most
        return slip

    def holds(self, strain: Array, step_s: float, law: Crystals, tolerance: float) -> NDArray[np.bool_]:
        """Tell whether mean strains (n, 6) at the end of a step leave a virgin block elastic.

        Parameters
        ----------
        strain : ndarray, shape (n, 6)
        step_s : float
        law : Crystals
            Of the grains, with the resistances before any slip.
        tolerance : float
            Mean slip relative to the strain, below which it is left out.
        """
        return np.asarray(self.first_slip(strain, step_s, law) <= tolerance * np.sqrt((strain**2).sum(axis=1)))


def elastic_block(grain_ids: GrainIds, law: Crystals, *, tolerance: float = 1e-6) -> ElasticBlock:
    """Solve the six unit strains of a block of crystals; its resistances do not matter.

    Parameters
    ----------
    grain_ids : ndarray of int32, shape (nx, ny, nz)
    law : Crystals
    tolerance : float
        Relative residual of the solver.

    Raises
    ------
    MemberFailed
        When the solver does not converge.
    """
    unit = localize(mandel_to_voigt(law.stiffness_MPa * 1e-3), grain_ids, tolerance=tolerance)
    rows = []
    for grain in range(len(law.stiffness_MPa)):
        strains = unit.unit_strains[:, :, grain_ids == grain]  # (unit, 6, voxels)
        rows.append(np.einsum("si,uiv->vsu", law.schmid[grain] @ law.stiffness_MPa[grain], strains).reshape(-1, 6))
    stiffness = unit.stiffness * 1e3
    return ElasticBlock(stiffness, np.concatenate(rows), unit.hill_mandel_gap, grain_ids.size)
