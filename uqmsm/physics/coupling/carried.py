"""What a point of a component carries, as the far field of the atoms there: deformation gradients in crystal axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.tensors import COMPONENTS

__all__ = ["far_field_of_strain", "far_field_of_stress"]

Floats = NDArray[np.float64]

LARGEST_STRAIN = 0.05
"""Principal strain beyond which no component is linear, and no strain small."""


def far_field_of_strain(strain: ArrayLike, rotation: Floats | None = None) -> Floats:
    """Return F (3, 3) = 1 + e in crystal axes: a grain that strains as its surroundings do.

    Parameters
    ----------
    strain
        (6,) in the axes of the component, 11 22 33 23 13 12, shears doubled.
    rotation
        (3, 3) crystal to component; none: the crystal's axes are those of the component.

    Raises
    ------
    StudyError
        For a strain that is no small one.
    """
    carried = np.asarray(strain, dtype=np.float64)
    e = _symmetric(carried * np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5]))
    most = float(np.abs(np.linalg.eigvalsh(e)).max())
    if not most <= LARGEST_STRAIN:
        raise StudyError(
            f"the point carries a strain of {most:.3g}, and the component's law is linear: at most {LARGEST_STRAIN:g} "
            "is taken as a far field; load the component less"
        )
    turn = np.eye(3) if rotation is None else rotation
    return np.asarray(np.eye(3) + turn.T @ e @ turn)


def far_field_of_stress(stress_GPa: ArrayLike, stiffness_GPa: Floats, rotation: Floats | None = None) -> Floats:
    """Return F (3, 3) in crystal axes: a grain that bears the stress of its surroundings.

    Parameters
    ----------
    stress_GPa
        (6,) in the axes of the component, 11 22 33 23 13 12.
    stiffness_GPa
        (6, 6) of the crystal in its own axes.
    rotation
        (3, 3) crystal to component; none: the crystal's axes are those of the component.

    Raises
    ------
    StudyError
        For a strain that is no small one.
    """
    turn = np.eye(3) if rotation is None else rotation
    stress = turn.T @ _symmetric(np.asarray(stress_GPa, dtype=np.float64)) @ turn
    own = np.array([stress[i, j] for i, j in COMPONENTS])
    return far_field_of_strain(np.linalg.solve(stiffness_GPa, own))


def _symmetric(six: Floats) -> Floats:
    whole = np.empty((3, 3))
    for value, (i, j) in zip(six, COMPONENTS, strict=True):
        whole[i, j] = whole[j, i] = value
    return whole
