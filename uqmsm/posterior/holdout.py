"""Would the model have foretold what it has not seen: leave out one quantity, predict it, compare.

Leaving out is done by weights on the draws that are there, ``1 / likelihood of what is left out``, smoothed; their
tail shape k-hat tells when that cannot be trusted (0.7 or more), and then the posterior without that quantity is
computed anew, by chains that are judged in their turn: A. Vehtari, A. Gelman and J. Gabry, Stat. Comput. 27, 1413
(2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.posterior.conditional import LARGEST_K_HAT
from uqmsm.posterior.judging import smoothed_weights

__all__ = ["LARGEST_R_HAT", "HeldOut", "hold_out", "places", "summary"]

Floats = NDArray[np.float64]
Refit = Callable[[str], tuple[Floats, Floats, float]]

LARGEST_R_HAT = 1.05
"""Of chains anew: places in a predictive law are asked to a few per cent, which looser chains give."""


@dataclass(frozen=True)
class HeldOut:
    """One quantity, predicted by a posterior that has not seen it.

    Parameters
    ----------
    group
        The quantity.
    data
        Rows of its data.
    k_hat
        Tail shape of the weights.
    refitted
        Whether the posterior without it was computed anew.
    trusted
        Whether the numbers are to be believed: k-hat below 0.7, or computed anew with an R-hat below 1.05.
    score
        Logarithm of its joint predictive density (larger is better), in the units of the misses.
    places
        Where in its predictive law each datum lies, between 0 and 1, shape (data,).
    r_hat
        The largest of the chains anew; NaN where there are none.
    """

    group: str
    data: tuple[int, ...]
    k_hat: float
    refitted: bool
    trusted: bool
    score: float
    places: Floats
    r_hat: float = np.nan

    def covered(self, level: float = 0.9) -> NDArray[np.bool_]:
        """Tell which data lie in the central predictive interval of this level."""
        return np.asarray(np.abs(self.places - 0.5) <= 0.5 * level)


def hold_out(
    miss: Floats, variance: Floats, groups: Sequence[str], refit: Refit | None = None, most_k_hat: float = LARGEST_K_HAT
) -> tuple[HeldOut, ...]:
    """Return every quantity, held out in turn; the model's data are independent normals given a draw.

    Parameters
    ----------
    miss, variance
        Datum minus prediction and its variance (inadequacy and noise), shape (draws, data).
    groups
        The quantity of each datum.
    refit
        ``refit(group) -> (miss, variance, R-hat)`` at draws of the posterior without that group, equally likely; NaN
        where draws are exact. Without it what the weights cannot carry is returned as not trusted.
    most_k_hat
        From here on weights are not trusted.

    Raises
    ------
    StudyError
        When shapes do not fit.
    """
    if miss.shape != variance.shape or miss.shape[-1] != len(groups):
        raise StudyError(
            f"held-out data: misses {miss.shape}, variances {variance.shape} and {len(groups)} quantities do not fit; "
            "give one row per draw and one quantity per datum"
        )
    found = []
    for group in dict.fromkeys(groups):
        own = [k for k, name in enumerate(groups) if name == group]
        likelihood = _log_normal(miss[:, own], variance[:, own]).sum(axis=1)
        weights, k_hat = smoothed_weights(-likelihood)
        anew = refit is not None and not k_hat < most_k_hat
        used, r_hat = (miss, variance), np.nan
        if refit is not None and anew:
            away, around, r_hat = refit(group)
            used = away, around
            weights = np.full(len(used[0]), 1.0 / len(used[0]))
        apart = _log_normal(used[0][:, own], used[1][:, own]).sum(axis=1)
        top = apart.max()
        score = float(top + np.log((weights * np.exp(apart - top)).sum()))
        seen = places(used[0][:, own], used[1][:, own], weights)
        trusted = not r_hat >= LARGEST_R_HAT if anew else k_hat < most_k_hat
        found.append(HeldOut(group, tuple(own), k_hat, anew, trusted, score, seen, r_hat))
    return tuple(found)


def places(miss: Floats, variance: Floats, weights: Floats | None = None) -> Floats:
    """Return where in its predictive law every datum lies, between 0 and 1, shape (data,).

    The predictive law is a mixture of normals, so this is exact given the draws: no replicate is drawn.

    Parameters
    ----------
    miss, variance
        Datum minus prediction and its variance, shape (draws, data).
    weights
        Of the draws, summing to 1; equal if None.
    """
    from scipy.special import ndtr

    below = ndtr(miss / np.sqrt(variance))
    return np.asarray(below.mean(axis=0) if weights is None else weights @ below)


def summary(found: Sequence[HeldOut], level: float = 0.9) -> str:
    """Return in one line how many data were foretold, and how many quantities needed a posterior of their own.

    Data whose place is not to be trusted are named, not counted.
    """
    trusted = [one for one in found if one.trusted]
    inside = sum(int(one.covered(level).sum()) for one in trusted)
    count = sum(len(one.data) for one in trusted)
    refitted = [one.group for one in found if one.refitted]
    late = [f"{one.group} (R-hat {one.r_hat:.2f} of chains anew)" for one in found if one.refitted and not one.trusted]
    doubtful = [one.group for one in found if not one.trusted and not one.refitted]
    if not trusted and doubtful:
        return (
            f"weights on these draws can leave out none of {', '.join(doubtful)} (k-hat >= {LARGEST_K_HAT}); "
            "held_out: anew  in the law samples without each"
        )
    words = f"{inside} of {count} data lie in the {level:.0%} interval of a posterior that has not seen their quantity"
    words += f"; computed anew without {', '.join(refitted)}" if refitted else ""
    words += f"; not converged without {', '.join(late)}" if late else ""
    return words + (f"; not to be trusted (k-hat >= {LARGEST_K_HAT}): {', '.join(doubtful)}" if doubtful else "")


def _log_normal(miss: Floats, variance: Floats) -> Floats:
    return np.asarray(-0.5 * (miss**2 / variance + np.log(2.0 * np.pi * variance)))
