"""Laws of whole stiffness tensors: correlated, positive definite in every draw, turned with the axes.

The logarithm of a stiffness in Mandel form is any symmetric matrix; its 21 components are normal here (log-Euclidean:
V. Arsigny, P. Fillard, X. Pennec, N. Ayache, SIAM J. Matrix Anal. Appl. 29, 2007, 328-347). Whatever normal numbers
say, the exponential is positive definite; and because the logarithm of a turned tensor is the turned logarithm, the law
does not depend on the axes in which the sample was written. This is what apparent properties of blocks of grains are
drawn from when a component has more places than blocks were computed, one by one or as a random field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from uqmsm.errors import StudyError
from uqmsm.physics.tensors import mandel_to_voigt, require_stable, voigt_to_mandel

__all__ = ["LogNormalStiffness", "log_components", "stiffness_of_log"]

Floats = NDArray[np.float64]

_ROWS, _COLUMNS = np.triu_indices(6)
_WEIGHT = np.where(_ROWS == _COLUMNS, 1.0, np.sqrt(2.0))
FEWEST_BLOCKS = 22
"""Stiffnesses that a covariance of 21 components needs to have full rank."""


def log_components(stiffness_GPa: Floats) -> Floats:
    """Return the 21 components of the logarithm of Voigt stiffnesses.

    Parameters
    ----------
    stiffness_GPa
        ``(..., 6, 6)`` Voigt, GPa, positive definite.

    Returns
    -------
    ndarray
        ``(..., 21)``: the upper triangle of the matrix logarithm of the Mandel form, off the diagonal times sqrt(2), so
        that Euclidean distances of components are Frobenius distances of logarithms.

    Raises
    ------
    Unstable
        When one is not positive definite.
    """
    require_stable(stiffness_GPa, "log_components")
    values, vectors = np.linalg.eigh(voigt_to_mandel(stiffness_GPa))
    logarithm = (vectors * np.log(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return np.asarray(logarithm[..., _ROWS, _COLUMNS] * _WEIGHT)


def stiffness_of_log(components: Floats) -> Floats:
    """Return the Voigt stiffnesses ``(..., 6, 6)``, GPa, of components ``(..., 21)``; undoes `log_components`."""
    components = np.asarray(components, dtype=np.float64)
    logarithm = np.zeros((*components.shape[:-1], 6, 6))
    logarithm[..., _ROWS, _COLUMNS] = components / _WEIGHT
    logarithm[..., _COLUMNS, _ROWS] = components / _WEIGHT
    values, vectors = np.linalg.eigh(logarithm)
    mandel = (vectors * np.exp(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return mandel_to_voigt(0.5 * (mandel + np.swapaxes(mandel, -1, -2)))


@dataclass(frozen=True, eq=False)
class LogNormalStiffness:
    """The law of a stiffness whose logarithm is normal.

    Parameters
    ----------
    mean
        ``(21,)`` components of the mean logarithm, as `log_components` gives them.
    covariance
        ``(21, 21)`` of the components.
    """

    mean: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        """Refuse what is no covariance of 21 components."""
        covariance = np.asarray(self.covariance)
        if np.shape(self.mean) != (21,) or covariance.shape != (21, 21):
            raise StudyError(
                f"LogNormalStiffness: mean {np.shape(self.mean)} and covariance {covariance.shape}; a stiffness has 21 "
                "components: give (21,) and (21, 21)"
            )
        scale = float(np.abs(covariance).max())
        lowest = float(np.linalg.eigvalsh((covariance + covariance.T) / 2.0)[0])
        if np.abs(covariance - covariance.T).max() > 1e-10 * scale or lowest < -1e-10 * scale:
            raise StudyError("LogNormalStiffness: the covariance is not symmetric, or has a negative eigenvalue")

    @classmethod
    def of_blocks(cls, stiffness_GPa: Sequence[Floats] | Floats) -> LogNormalStiffness:
        """Learn the law from the apparent stiffnesses of independent blocks of one size and boundary condition.

        Parameters
        ----------
        stiffness_GPa
            ``(blocks, 6, 6)`` Voigt, GPa; at least 22 blocks.

        Raises
        ------
        StudyError
            With too few blocks.
        Unstable
            When one is not positive definite.
        """
        blocks = np.asarray(stiffness_GPa, dtype=np.float64)
        if blocks.ndim != 3 or len(blocks) < FEWEST_BLOCKS:
            raise StudyError(
                f"LogNormalStiffness: {blocks.shape[0] if blocks.ndim == 3 else 0} blocks; a covariance of 21 "
                f"components needs at least {FEWEST_BLOCKS}"
            )
        components = log_components(blocks)
        return cls(components.mean(axis=0), np.cov(components.T))

    def resized(self, factor: float) -> LogNormalStiffness:
        """Return the law for a volume `factor` times as large: the covariance falls with it, the mean stays.

        Raises
        ------
        StudyError
            When the factor is not positive.
        """
        if not factor > 0.0:
            raise StudyError(f"LogNormalStiffness: a volume {factor} times as large; the factor must be positive")
        return LogNormalStiffness(self.mean, np.asarray(self.covariance) / factor)

    def draw(self, rng: Generator) -> Floats:
        """Return one stiffness ``(6, 6)`` Voigt, GPa, by inversion of 21 uniforms."""
        return self.of_normals(ndtri(rng.random(21)))

    def of_normals(self, normals: Floats) -> Floats:
        """Return the stiffnesses of standard normal numbers, independent over the last axis.

        A random field of stiffness is 21 independent Gaussian fields of unit variance, put in here place by place: at
        every place the law is this one, and the correlation in space is that of the fields.

        Parameters
        ----------
        normals
            ``(..., 21)``.

        Returns
        -------
        ndarray
            ``(..., 6, 6)`` Voigt, GPa, symmetric positive definite.
        """
        values, vectors = np.linalg.eigh(np.asarray(self.covariance))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        # contracted in one fixed order: a matrix product would round by the number of places
        shift = np.zeros(np.shape(normals))
        for k in range(21):
            shift += np.asarray(normals)[..., k : k + 1] * root[:, k]
        return stiffness_of_log(self.mean + shift)
