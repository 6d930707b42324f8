"""What can data tell apart: the spectrum of the Fisher information, identified directions in words, overlaps.

In units of the prior's standard deviations an eigenvalue of the information says how many prior precisions the data
add along its direction: above 1 the data speak, below the prior does. A model is sloppy when the eigenvalues spread
over many decades: K. S. Brown and J. P. Sethna, Phys. Rev. E 68, 021904 (2003); for potentials S. L. Frederiksen,
K. W. Jacobsen, K. S. Brown and J. P. Sethna, Phys. Rev. Lett. 93, 165501 (2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Spectrum", "fisher", "overlap", "spectrum"]

Floats = NDArray[np.float64]

_SPEAKS = 1.0  # prior precisions added by the data
_NAMED = 0.2  # a smaller weight goes without saying


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues and directions of the information, the best identified first.

    Parameters
    ----------
    names
        Parameters, d of them.
    values
        Eigenvalues in prior precisions, shape (d,), descending, none negative.
    directions
        Unit vectors in units of the prior sd, shape (d, d), one per row; the largest weight is positive.
    """

    names: tuple[str, ...]
    values: Floats
    directions: Floats

    @property
    def identified(self) -> int:
        """Return along how many directions the data say more than the prior."""
        return int((self.values > _SPEAKS).sum())

    @property
    def decades(self) -> float:
        """Return log10(largest / smallest) over the directions of which the data say anything at all.

        Eigenvalues below 1e-12 of the largest are rounding and not counted.
        """
        there = self.values[self.values > 1e-12 * self.values[0]]
        return float(np.log10(there[0] / there[-1])) if len(there) else 0.0

    @property
    def silent(self) -> int:
        """Return along how many directions the data say nothing at all (see `decades`)."""
        return int((self.values <= 1e-12 * self.values[0]).sum()) if self.values[0] > 0 else len(self.values)

    @property
    def effective(self) -> float:
        """Return the effective number of parameters that the data determine, ``sum lambda / (1 + lambda)``."""
        return float((self.values / (1.0 + self.values)).sum())

    def words(self, most: int = 3) -> list[str]:
        """Return the identified directions in words, e.g. ``0.9 W.ln_F2 - 0.4 W.ln_A: sd 0.03 of the prior's``.

        Parameters
        ----------
        most
            Largest number of parameters named in one direction.
        """
        found = []
        for value, direction in zip(self.values[: self.identified], self.directions, strict=False):
            order = [k for k in np.argsort(-np.abs(direction), kind="stable")[:most] if abs(direction[k]) > _NAMED]
            parts = [f"{'-' if direction[k] < 0 else '+'} {abs(direction[k]):.2f} {self.names[k]}" for k in order]
            found.append(f"{' '.join(parts).removeprefix('+ ')}: sd {(1 + value) ** -0.5:.2g} of the prior's")
        return found


def fisher(slopes: Floats, variance: Floats, variance_slopes: Floats | None = None) -> Floats:
    """Return the Fisher information of independent normal data.

    Parameters
    ----------
    slopes
        Derivatives of the means, shape (data, d).
    variance
        Variances, shape (data,), positive.
    variance_slopes
        Derivatives of the variances, shape (data, d); None where they do not depend on the parameters.

    Returns
    -------
    NDArray
        Shape (d, d): ``sum m_i m_j / v + v_i v_j / (2 v^2)``, exact for normal laws (S. M. Kay, Fundamentals of
        Statistical Signal Processing: Estimation Theory, 1993, Eq. 3.31).

    Raises
    ------
    StudyError
        When a number is not finite or a variance not positive.
    """
    if not (np.isfinite(slopes).all() and np.isfinite(variance).all() and (variance > 0).all()):
        raise StudyError(
            f"information of {len(variance)} data: slopes and variances must be finite and variances positive, but "
            f"{int((~np.isfinite(slopes)).any(axis=-1).sum())} rows of slopes are not finite and the least variance is "
            f"{np.min(variance):g}; ask at a point where the model has an answer"
        )
    found = np.einsum("di,dj,d->ij", slopes, slopes, 1.0 / variance)
    if variance_slopes is not None:
        found = found + 0.5 * np.einsum("di,dj,d->ij", variance_slopes, variance_slopes, variance**-2.0)
    return np.asarray(found)


def spectrum(information: Floats, names: Sequence[str], prior_sd: Floats) -> Spectrum:
    """Return eigenvalues and directions of an information in units of the prior.

    Parameters
    ----------
    information
        Shape (d, d), symmetric.
    names
        Parameters.
    prior_sd
        Shape (d,).
    """
    values, vectors = np.linalg.eigh(information * np.outer(prior_sd, prior_sd))
    directions = vectors.T[::-1]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return Spectrum(tuple(names), np.maximum(values[::-1], 0.0), directions * np.sign(largest))


def overlap(draws: Floats, prior_mean: float, prior_sd: float) -> float:
    """Return the overlap of a posterior with its normal prior, ``integral min(prior, posterior)``, between 0 and 1.

    1: nothing was learnt; over 0.35 has been called weakly identified (E. S. Garrett and S. L. Zeger, Biometrics 56,
    1055 (2000)). The posterior's density is a kernel estimate, whose width costs about 0.01 for 2000 draws.

    Parameters
    ----------
    draws
        Of one parameter's posterior, any shape.
    prior_mean, prior_sd
        The normal prior.
    """
    from scipy.stats import gaussian_kde

    flat = (np.ravel(draws) - prior_mean) / prior_sd
    if np.ptp(flat) == 0.0:
        return 0.0
    kernel = gaussian_kde(flat)
    reach = 4.0 * float(flat.std())
    at = np.linspace(flat.min() - reach, flat.max() + reach, 1201)
    prior = np.exp(-0.5 * at**2) / np.sqrt(2.0 * np.pi)
    return float(min(1.0, np.trapezoid(np.minimum(prior, kernel(at)), at)))
