"""Averages of correlated series: where equilibrium begins, how much is independent, how far a mean can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError

__all__ = [
    "Average",
    "Diffusion",
    "average",
    "diffusion",
    "equilibrated_from",
    "inefficiency",
    "jackknifed",
    "squared_displacements",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """A mean with its standard error.

    Attributes
    ----------
    mean, error
        Of the series after equilibration.
    start
        First sample that counts.
    inefficiency
        Samples per independent one.
    """

    mean: float
    error: float
    start: int
    inefficiency: float


def inefficiency(series: ArrayLike) -> float:
    """Return the statistical inefficiency g = 1 + 2 sum of autocorrelations: samples per independent one, at least 1.

    The sum ends with the first pair of lags (2k, 2k + 1) whose sum is not positive (Geyer, Stat. Sci. 7, 473, 1992), so
    that the noise of long lags does not enter.

    Parameters
    ----------
    series
        (m,) numbers.
    """
    x = np.asarray(series, dtype=np.float64)
    m = len(x)
    x = x - x.mean()
    if m < 4 or not np.abs(x).max() > 1e-14 * (1.0 + np.abs(np.asarray(series)).max()):
        return 1.0
    size = 1 << (2 * m - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)[:m]
    correlation = correlation / correlation[0]
    pairs = correlation[: m // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0.0)
    last = int(negative[0]) if len(negative) else len(pairs)
    return max(float(2.0 * pairs[:last].sum() - 1.0), 1.0)


def equilibrated_from(series: ArrayLike, *, trials: int = 20) -> int:
    """Return where equilibrium begins: the start that leaves the most independent samples.

    Source: J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016). Starts are tried up to half of the series.
    """
    x = np.asarray(series, dtype=np.float64)
    starts = np.unique(np.linspace(0, len(x) // 2, trials).astype(int))
    left = [(len(x) - start) / inefficiency(x[start:]) for start in starts]
    return int(starts[int(np.argmax(left))])


def average(series: ArrayLike, *, start: int | None = None) -> Average:
    """Return the mean of a series with the standard error of what is correlated.

    Parameters
    ----------
    series
        (m,) numbers, m >= 8.
    start
        First sample that counts; found by `equilibrated_from` when left out.

    Raises
    ------
    StudyError
        When there are too few samples.
    """
    x = np.asarray(series, dtype=np.float64)
    if len(x) < 8:
        raise StudyError(f"{len(x)} samples are too few for an average with an error; run longer or sample more often")
    first = equilibrated_from(x) if start is None else start
    kept = x[first:]
    g = inefficiency(kept)
    return Average(float(kept.mean()), float(kept.std(ddof=1) * np.sqrt(g / len(kept))), first, g)


def jackknifed(quantity: Callable[..., Floats], *series: Floats, blocks: int = 10) -> tuple[Floats, Floats]:
    """Return a function of averages with its standard error by leaving out one block of time after the other.

    Parameters
    ----------
    quantity
        Of the same arrays with fewer samples; may return an array.
    series
        Arrays of m samples along their first axis.
    blocks
        Must be long beside the correlation time.

    Returns
    -------
    value, standard error
        Of the shape of the quantity.
    """
    m = len(series[0])
    edges = np.linspace(0, m, blocks + 1).astype(int)
    whole = np.asarray(quantity(*series), dtype=np.float64)
    keep = [np.r_[0:a, b:m] for a, b in pairwise(edges.tolist())]
    left = np.array([quantity(*(one[rows] for one in series)) for rows in keep])
    spread = (blocks - 1) / blocks * ((left - left.mean(axis=0)) ** 2).sum(axis=0)
    return whole, np.sqrt(spread)


@dataclass(frozen=True)
class Diffusion:
    """Einstein's slope of the mean square displacement.

    Attributes
    ----------
    coefficient, error
        A^2/ps; from blocks of the atoms.
    defined
        Whether displacements keep growing: the slope of the second half stands above zero by four standard errors, and
        the logarithmic slope is near one. In a crystal without vacancies it is not.
    exponent
        Logarithmic slope of the second half, 1 for diffusion, 0 for vibration.
    """

    coefficient: float
    error: float
    defined: bool
    exponent: float


def squared_displacements(paths: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return up to twelve lags (k,), in frames, and squared displacements (k, n) over them, mean over all starts.

    Parameters
    ----------
    paths
        (frames, n, 3) unwrapped, at even times; the drift of the centre is taken out.
    """
    free = paths - paths.mean(axis=1, keepdims=True)
    lags = np.unique(np.geomspace(1, max(len(free) // 2, 1), 12).astype(np.int64))
    return lags, np.array([((free[lag:] - free[:-lag]) ** 2).sum(axis=2).mean(axis=0) for lag in lags.tolist()])


def diffusion(paths: Floats, interval_ps: float, *, groups: int = 10) -> Diffusion:
    """Return the diffusion coefficient from unwrapped paths, where there is one.

    Parameters
    ----------
    paths
        (frames, n, 3) in A, at even times; the drift of the centre is taken out.
    interval_ps
        Between frames.
    groups
        Groups of atoms whose scatter gives the error.
    """
    lags, squares = squared_displacements(paths)
    late = lags >= max(lags[-1] // 4, 1)
    times = lags[late] * interval_ps
    parts = np.array_split(np.arange(squares.shape[1]), groups)
    slopes = np.array([np.polyfit(times, squares[late][:, part].mean(axis=1), 1)[0] / 6.0 for part in parts])
    mean = squares[late].mean(axis=1)
    exponent = float(np.polyfit(np.log(times), np.log(np.maximum(mean, 1e-300)), 1)[0])
    value, error = float(slopes.mean()), float(slopes.std(ddof=1) / np.sqrt(groups))
    return Diffusion(value, error, bool(value > 4.0 * error and exponent > 0.7), exponent)
