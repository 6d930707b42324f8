"""Dead loads of a quantum cluster that follow the strain of the crystal around it.

A dead load g takes the ghost force of a cut-out cluster off at one crystal X. Strained to F X the cut surface answers
otherwise, by 3.5 of its ghost force per unit shear for tungsten on molybdenum. Here the load follows the strain of the
*cell*, which is given from outside: with F = R U, g(F) = R (g + (U - 1) : dg/dU). At every strain that still is a dead
load, so that an energy remains; what is left of the ghost force is of second order. The derivatives are twelve
clusters, once; a load taken anew (`Subtractive.corrected`) is exact, at one cluster for every strain.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.quantum import Subtractive

__all__ = ["load_slopes", "strained"]

Floats = NDArray[np.float64]

_PLACES = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


def load_slopes(energy: Subtractive, reference: Floats, share: Floats | None = None, *, step: float = 1e-3) -> Floats:
    """Return the derivatives (6, n, 3) of the dead load by the stretches U of the crystal, in eV/A.

    Parameters
    ----------
    energy, reference
        The cluster in its crystal, and the positions (n, 3) in A of that crystal at rest.
    share
        (n,) share of the quantum model, where `Subtractive.corrected` was given one: the load spares the core.
    step
        Of the central differences; stretches are xx, yy, zz, yz, xz, xy, shears counted twice (engineering).
    """
    found = []
    for k in range(6):
        ends = []
        for sign in (1.0, -1.0):
            stretch = np.eye(3) + sign * step * _symmetric(np.eye(6)[k])
            ends.append(_deformed(energy, stretch).correction(reference @ stretch.T))
        found.append((ends[1] - ends[0]) / (2.0 * step))  # a dead load is minus the forces it takes off
    slopes = np.array(found)
    return slopes if share is None else slopes * (1.0 - share)[:, None]


def strained(corrected: Subtractive, gradient: Floats, slopes: Floats) -> Subtractive:
    """Return the corrected energy of the crystal strained from outside.

    Parameters
    ----------
    corrected
        From `Subtractive.corrected`.
    gradient
        (3, 3) deformation gradient of the cell, from the reference of `corrected`.
    slopes
        From `load_slopes` at that reference, with the same share.

    Raises
    ------
    StudyError
        For an energy without a dead load, or a gradient that turns the crystal inside out.
    """
    if not corrected.dead.shape or not np.linalg.det(gradient) > 0.0:
        raise StudyError("a load that follows the strain needs a corrected energy and a gradient of positive volume")
    values, axes = np.linalg.eigh(gradient.T @ gradient)
    stretch = (axes * np.sqrt(values)) @ axes.T
    rotation = gradient @ np.linalg.inv(stretch)
    strains = (stretch - np.eye(3))[_PLACES] * [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    load = corrected.dead + np.tensordot(strains, slopes, axes=1)
    return replace(
        _deformed(corrected, gradient), dead=load @ rotation.T, reference=corrected.reference @ gradient.T
    )  # fmt: skip


def _deformed(energy: Subtractive, gradient: Floats) -> Subtractive:
    """Return the energy in the strained cell: crystal, images and the cluster's own cell follow."""
    where = energy.cluster
    moved = replace(where, shifts=where.shifts @ gradient.T, cell=where.cell @ gradient.T)
    return replace(energy, cell=energy.cell @ gradient.T, cluster=moved)


def _symmetric(strains: Floats) -> Floats:
    """Return the (3, 3) matrix of six stretches, shears halved."""
    xx, yy, zz, yz, xz, xy = strains
    return np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
