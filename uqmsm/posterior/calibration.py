"""Is the sampler itself right: draw a truth from the prior, make data of it, sample, and see where the truth lies.

Over many such repeats the rank of the truth among independent posterior draws is uniform, and intervals cover as often
as they say; any fault of prior, likelihood, sampler or their match bends the histogram: S. Talts, M. Betancourt,
D. Simpson, A. Vehtari and A. Gelman, arXiv:1804.06788 (2018). A truth that is not drawn from the prior owes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.posterior.judging import Sampling
from uqmsm.posterior.sampling import Density, Whitening, _start, advance

__all__ = ["Calibration", "Problem", "calibrate", "short_chain", "uniformity"]

Floats = NDArray[np.float64]
Problem = Callable[[Generator], tuple[Floats, Floats]]
_EXPECTED = 5.0  # the chi-squared law of a histogram needs about so many per bin


@dataclass(frozen=True)
class Calibration:
    """Ranks and intervals of many repeats.

    Parameters
    ----------
    names
        Parameters.
    ranks
        How many of the draws lie below the truth, shape (repeats, d), between 0 and `draws`.
    draws
        Number of posterior draws in each repeat.
    inside
        Whether the central interval holds the truth, shape (repeats, d).
    level
        Of that interval.
    """

    names: tuple[str, ...]
    ranks: NDArray[np.int64]
    draws: int
    inside: NDArray[np.bool_]
    level: float

    @property
    def coverage(self) -> Floats:
        """Return the share of repeats whose interval holds the truth, shape (d,)."""
        return np.asarray(self.inside.mean(axis=0))

    def histogram(self, bins: int = 10) -> NDArray[np.int64]:
        """Return how many ranks lie in each bin, shape (d, bins)."""
        _bins_fit(self.draws, bins)
        which = self.ranks * bins // (self.draws + 1)
        return np.stack([np.bincount(column, minlength=bins) for column in which.T])

    def p_values(self, bins: int = 10) -> Floats:
        """Return the chance of a histogram at least as uneven if all is right, one per parameter."""
        return np.array([uniformity(column, self.draws, bins) for column in self.ranks.T])

    def faulty(self, false_alarm: float = 1e-3, bins: int = 10) -> tuple[str, ...]:
        """Return the parameters whose histograms are uneven.

        Parameters
        ----------
        false_alarm
            Chance that a right sampler is called faulty in any parameter (shared out by Bonferroni's rule).
        bins
            Of the histogram.
        """
        limit = false_alarm / len(self.names)
        return tuple(name for name, p in zip(self.names, self.p_values(bins), strict=True) if p < limit)


def uniformity(ranks: NDArray[np.int64], draws: int, bins: int = 10) -> float:
    """Return the p-value of Pearson's chi-squared test that ranks are uniform on 0..draws.

    Parameters
    ----------
    ranks
        Shape (repeats,).
    draws, bins
        ``draws + 1`` has to be a multiple of `bins`, or the bins are not equally likely.

    Raises
    ------
    StudyError
        When it is not, or when there are too few repeats for the test.
    """
    from scipy.stats import chi2

    _bins_fit(draws, bins)
    expected = len(ranks) / bins
    if expected < _EXPECTED:
        raise StudyError(
            f"{len(ranks)} repeats in {bins} bins: {_EXPECTED:g} per bin are needed for a chi-squared test; repeat "
            "more often or take fewer bins"
        )
    counts = np.bincount(ranks * bins // (draws + 1), minlength=bins)
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), bins - 1))


def _bins_fit(draws: int, bins: int) -> None:
    if (draws + 1) % bins:
        raise StudyError(f"ranks 0..{draws} do not fill {bins} equal bins; keep {bins * (draws // bins + 1) - 1} draws")


def calibrate(
    problem: Problem, rngs: Iterable[Generator], names: tuple[str, ...], *, draws: int = 19, level: float = 0.9
) -> Calibration:
    """Repeat a simulated study and collect where its truths lie.

    Parameters
    ----------
    problem
        ``problem(rng) -> (truth (d,), posterior (n, d))``: a truth of the prior and equally likely posterior draws
        given data made from it, in any order of chains and steps.
    rngs
        One generator per repeat.
    names
        Parameters, d of them.
    draws
        Posterior draws that the rank is taken among, spread evenly over those given.
    level
        Of the central interval, from all draws.

    Raises
    ------
    StudyError
        When a repeat has fewer posterior draws than wanted.
    """
    ranks, inside = [], []
    for rng in rngs:
        truth, posterior = problem(rng)
        if len(posterior) < draws:
            raise StudyError(f"a repeat gave {len(posterior)} posterior draws, {draws} are ranked; sample longer")
        pick = posterior[rng.permutation(len(posterior))[:draws]]
        ranks.append((pick < truth).sum(axis=0))
        low, high = np.quantile(posterior, (0.5 - 0.5 * level, 0.5 + 0.5 * level), axis=0)
        inside.append((low <= truth) & (truth <= high))
    return Calibration(names, np.array(ranks), draws, np.array(inside), level)


def short_chain(density: Density, whitening: Whitening, settings: Sampling, rng: Generator) -> Floats:
    """Return draws of one ensemble and one block, the first third left out: the sampler at work, not judged.

    Parameters
    ----------
    density, whitening
        As in `uqmsm.posterior.sampling.sample`, whose start and moves these are.
    settings
        Walkers, block and thinning.
    rng
        Of this ensemble.

    Returns
    -------
    NDArray
        Shape (draws, d).

    Raises
    ------
    NotConverged
        When no starting points can be found.
    """
    block = advance(_start(density, whitening, replace(settings, most_blocks=1), rng))
    kept = block.points[len(block.points) // 3 :]
    return np.asarray(kept.reshape(-1, kept.shape[-1]))
