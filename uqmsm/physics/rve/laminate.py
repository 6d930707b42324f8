"""The exact stiffness of a stack of layers, however many and however anisotropic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["laminate_GPa"]

Array = NDArray[np.float64]

# Components of stress that are continuous across a layer face, by the axis of its normal; the others are those of the
# strain.
_ACROSS = {0: [0, 4, 5], 1: [1, 3, 5], 2: [2, 3, 4]}


def laminate_GPa(stiffness_GPa: Array, fractions: Array, normal_axis: int) -> Array:
    """Return the effective stiffness of a laminate.

    In every layer the stress across the faces and the strain along them are those of the whole. Solving each layer
    for the other half in terms of these, averaging, and solving back gives the stiffness (G. W. Milton, The Theory of
    Composites, 2002, chapter 9).

    Parameters
    ----------
    stiffness_GPa
        ``(layers, 6, 6)`` Voigt stiffness of the layers in sample axes.
    fractions
        ``(layers,)`` shares of the thickness, summing to one.
    normal_axis
        0, 1 or 2: the axis across the layers.

    Returns
    -------
    ndarray
        ``(6, 6)`` Voigt, GPa.

    Raises
    ------
    StudyError
        When `normal_axis` is not an axis or the fractions do not sum to one.
    """
    if normal_axis not in _ACROSS:
        raise StudyError(f"laminate: normal_axis is {normal_axis}; it must be 0, 1 or 2")
    if abs(float(np.sum(fractions)) - 1.0) > 1e-12:
        raise StudyError(f"laminate: the fractions sum to {np.sum(fractions)}; they must sum to 1")
    across = _ACROSS[normal_axis]
    along = [i for i in range(6) if i not in across]
    order = np.ix_(across + along, across + along)
    sorted_stiffness = np.stack([np.asarray(one, dtype=np.float64)[order] for one in stiffness_GPa])
    nn, nt, tt = sorted_stiffness[:, :3, :3], sorted_stiffness[:, :3, 3:], sorted_stiffness[:, 3:, 3:]
    soft = np.linalg.inv(nn)
    coupling = soft @ nt
    rest = tt - np.swapaxes(nt, -1, -2) @ coupling
    mean_nn = np.linalg.inv(np.einsum("g,gij->ij", fractions, soft))
    mean_coupling = np.einsum("g,gij->ij", fractions, coupling)
    mean_nt = mean_nn @ mean_coupling
    mean_tt = np.einsum("g,gij->ij", fractions, rest) + mean_coupling.T @ mean_nt
    effective = np.empty((6, 6))
    effective[order] = np.block([[mean_nn, mean_nt], [mean_nt.T, mean_tt]])
    return effective
