"""Importance weights whose largest are smoothed by a Pareto tail, and the shape of that tail, which judges them all.

Written from the papers and checked against ArviZ's, whose import costs more than reading draws that are shipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["smoothed_weights"]

Floats = NDArray[np.float64]
_FEWEST_RATIOS = 5
_FLAT = 1e-12
# of the estimate of the shape: how wide its prior is in first quartiles, and how many draws it is worth
_WIDTH, _WORTH = 3.0, 10.0


def smoothed_weights(log_ratios: Floats) -> tuple[Floats, float]:
    """Return Pareto-smoothed, normalised importance weights and k-hat, the shape of the ratios' tail.

    Weights are to be trusted where k-hat < 0.7: A. Vehtari, D. Simpson, A. Gelman, Y. Yao and J. Gabry,
    J. Mach. Learn. Res. 25, 72 (2024), algorithm 1.

    Parameters
    ----------
    log_ratios
        log(target / proposal) at draws of the proposal, up to a constant, shape (draws,); -inf where the target is 0.

    Returns
    -------
    weights, k_hat
        Shape (draws,), summing to 1; k-hat is infinite where fewer than five ratios are positive.
    """
    there = np.flatnonzero(np.isfinite(log_ratios))
    weights = np.zeros(len(log_ratios))
    if len(there) < _FEWEST_RATIOS:
        return weights, np.inf
    ratios = log_ratios[there] - log_ratios[there].max()
    if np.ptp(ratios) < _FLAT:  # the proposal is the target: no tail to smooth
        weights[there] = 1.0 / len(there)
        return weights, -np.inf
    logs, k_hat = _smoothed(ratios)
    weights[there] = np.exp(logs - logsumexp(logs))
    return weights, k_hat


def _smoothed(logs: Floats) -> tuple[Floats, float]:
    """Return logarithms of ratios, largest 0, their tail replaced by quantiles of the Pareto law fitted to it; k-hat.

    The tail are the largest fifth, but at most 3 sqrt(draws).
    """
    count = len(logs)
    longest = int(np.ceil(min(0.2 * count, 3.0 * np.sqrt(count))))
    order = np.argsort(logs, kind="stable")
    floor = max(logs[order[-longest - 1]], np.log(np.finfo(np.float64).tiny))
    tail = order[logs[order] > floor]
    if len(tail) < _FEWEST_RATIOS:
        return logs, np.inf
    shape, scale = _fitted(np.exp(logs[tail]) - np.exp(floor))
    smoothed = logs.copy()
    if np.isfinite(shape):
        level = np.log1p(-(np.arange(len(tail)) + 0.5) / len(tail))
        above = -scale * level if shape == 0 else scale * np.expm1(-shape * level) / shape
        smoothed[tail] = np.minimum(np.log(np.exp(floor) + above), 0.0)  # no ratio above the largest that was seen
    return smoothed, float(shape)


def _fitted(excess: Floats) -> tuple[float, float]:
    """Return shape and scale of the generalised Pareto law of sorted excesses, > 0.

    The mean of the profile likelihood over a grid of b = -shape / scale (J. Zhang and M. A. Stephens, Technometrics 51,
    316, 2009), and the shape drawn towards 1/2 as by ten draws more (Vehtari et al., appendix).
    """
    count = len(excess)
    nodes = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    b = 1.0 / excess[-1] + (1.0 - np.sqrt(nodes / (np.arange(nodes) + 0.5))) / (_WIDTH * quartile)
    shapes = np.log1p(-b[:, None] * excess).mean(axis=1)
    profile = count * (np.log(-b / shapes) - shapes - 1.0)
    weights = np.exp(profile - logsumexp(profile))
    weights = np.where(weights >= 10.0 * np.finfo(np.float64).eps, weights, 0.0)
    centre = float(weights @ b / weights.sum())
    shape = float(np.log1p(-centre * excess).mean())
    return (count * shape + 0.5 * _WORTH) / (count + _WORTH), -shape / centre
