"""How likely is failure, as one search found it, how far off may that be, and what speaks against it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Found", "interval", "reliability_index"]

Floats = NDArray[np.float64]
_REACH = 1.6448536269514722


@dataclass(frozen=True)
class Found:
    """A probability of failure with its error.

    Parameters
    ----------
    method
        ``form``, ``importance``, ``subset`` or ``kriging``.
    probability, se
        The estimate and its standard error; for ``form`` the error is what the second order changes. A probability of 0
        was never seen; `hi` then says below what it is.
    lo, hi
        Limits of a 90 % interval.
    evaluations, failed
        Points asked for, and how many of them gave no margin.
    warnings
        What should be doubted, in words, each with what to do.
    misled
        Whether one of them says that the number is wrong, not that it may be.
    design
        Standard normal numbers of the likeliest failure found, shape (placed,), None where no failure was seen.
    rolled
        The draws of the other sources at that point, shape (rolled,).
    """

    method: str
    probability: float
    se: float
    lo: float
    hi: float
    evaluations: int
    failed: int
    warnings: tuple[str, ...] = ()
    design: Floats | None = None
    rolled: NDArray[np.int64] | None = None
    misled: bool = False

    @property
    def beta(self) -> float:
        """Reliability index, -Phi^-1 of the probability."""
        return reliability_index(self.probability)

    @property
    def variation(self) -> float:
        """Standard error over probability."""
        return self.se / self.probability if self.probability > 0.0 else np.inf

    @property
    def importance(self) -> Floats | None:
        """Squared direction cosines of the likeliest failure, shape (placed,): they add up to 1."""
        if self.design is None or not np.linalg.norm(self.design) > 0.0:
            return None
        return np.asarray(self.design**2 / np.sum(self.design**2))


def reliability_index(probability: float) -> float:
    """Return beta = -Phi^-1(p), infinite for 0."""
    return float(-ndtri(probability))


def interval(probability: float, variation: float) -> tuple[float, float]:
    """Return a 90 % interval from the coefficient of variation, made on the logarithm: it never leaves 0 .. 1."""
    if not (probability > 0.0 and np.isfinite(variation)):
        return 0.0, 1.0
    spread = _REACH * float(np.sqrt(np.log1p(variation**2)))
    return probability * float(np.exp(-spread)), min(probability * float(np.exp(spread)), 1.0)


def first_order(beta: float) -> float:
    """Return Phi(-beta)."""
    return float(ndtr(-beta))
