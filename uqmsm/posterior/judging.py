"""Has a posterior been sampled well? R-hat over independent ensembles, effective sizes, autocorrelation times."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Diagnostics", "Sampling", "autocorrelation_times", "diagnose", "smoothed_weights"]

Floats = NDArray[np.float64]
_FEWEST_RATIOS = 5
_FLAT = 1e-12


@dataclass(frozen=True)
class Sampling:
    """How long and how well to sample.

    Parameters
    ----------
    ensembles
        Independent ensembles, at least 4.
    walkers_per_parameter
        Walkers of one ensemble per dimension, at least 2.
    block
        Steps between two looks at convergence.
    most_blocks
        Give up (not converged) after so many.
    thin
        Keep every so many steps.
    largest_rhat, least_ess, lengths
        The conditions: R-hat below, bulk and tail ESS at least, length in autocorrelation times at least.
    overdispersion
        Standard deviation of the starts in whitened coordinates.
    draws
        Draws to keep in the end.
    """

    ensembles: int = 4
    walkers_per_parameter: int = 2
    block: int = 4000
    most_blocks: int = 15
    thin: int = 50
    largest_rhat: float = 1.01
    least_ess: float = 400.0
    lengths: float = 50.0
    overdispersion: float = 1.5
    draws: int = 2000

    def __post_init__(self) -> None:
        """Refuse what could not show convergence."""
        blocks = self.block % self.thin == 0 and self.block >= 10 * self.thin and self.most_blocks >= 1
        if self.ensembles < 4 or self.walkers_per_parameter < 2 or not blocks:
            raise StudyError(
                f"sampling with {self.ensembles} ensembles, {self.walkers_per_parameter} walkers per parameter and "
                f"{self.most_blocks} blocks of {self.block} steps thinned by {self.thin}: at least 4 ensembles, 2 "
                "walkers per parameter and one block of a multiple of (and at least ten times) the thinning are needed"
            )


@dataclass(frozen=True)
class Diagnostics:
    """How well each parameter and property was sampled; arrays of shape (names,).

    Parameters
    ----------
    names
        Parameters first, then properties.
    tau
        Integrated autocorrelation time in steps, the largest over the ensembles.
    rhat
        Rank-normalised split R-hat over the independent ensembles.
    ess_bulk, ess_tail
        Effective sample sizes of centre and of 5 % and 95 % quantiles, over all walkers.
    length
        Steps kept of each ensemble.
    """

    names: tuple[str, ...]
    tau: Floats
    rhat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    length: int

    def shortfalls(self, settings: Sampling, properties: Iterable[str]) -> list[str]:
        """Return in words what has not converged; R-hat and length are asked of all, ESS of the properties."""
        handed_on = np.isin(self.names, list(properties))
        conditions = (
            (~(self.rhat < settings.largest_rhat), "R-hat", self.rhat, f"< {settings.largest_rhat:g}"),
            (~(self.length >= settings.lengths * self.tau), "tau", self.tau, f"<= length / {settings.lengths:g}"),
            (
                handed_on & ~(self.ess_bulk >= settings.least_ess),
                "bulk ESS",
                self.ess_bulk,
                f">= {settings.least_ess:g}",
            ),
            (
                handed_on & ~(self.ess_tail >= settings.least_ess),
                "tail ESS",
                self.ess_tail,
                f">= {settings.least_ess:g}",
            ),
        )
        words = []  # a number that is not finite meets no condition
        for bad, what, values, wanted in conditions:
            if bad.any():
                worst = int(
                    np.nanargmax(np.where(bad & np.isfinite(values), values if "ESS" not in what else -values, -np.inf))
                )
                words.append(
                    f"{what} of {self.names[worst]} is {values[worst]:.4g} (wanted {wanted}; {bad.sum()} such)"
                )
        return words


def autocorrelation_times(chains: Floats, thin: int) -> Floats:
    """Return the integrated autocorrelation time in steps of every name, the largest over the ensembles.

    Parameters
    ----------
    chains
        Shape (ensembles, kept steps, walkers, names), every `thin`-th step.
    thin
        See above. A time below it cannot be seen and is returned as `thin`.
    """
    from emcee.autocorr import integrated_time

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a name that never moves has no autocorrelation: NaN
        found = [integrated_time(chain, tol=0, quiet=True) for chain in chains]
    return np.asarray(np.maximum(np.max(found, axis=0), 1.0) * thin)


def diagnose(names: tuple[str, ...], chains: Floats, thin: int) -> Diagnostics:
    """Judge the chains of a posterior.

    Parameters
    ----------
    names
        Of the parameters.
    chains
        Kept steps, shape (ensembles, kept steps, walkers, names).
    thin
        Steps from one kept step to the next.

    Notes
    -----
    R-hat compares the *ensembles*, the only chains that are independent: each is one chain of all its walkers, in the
    order of time, so that splitting it compares early with late. Effective sizes take the walkers as chains, which
    share one law but not their noise; the autocorrelation time of the slowest ensemble is kept beside them.
    A. Vehtari et al., Bayesian Anal. 16, 667 (2021).
    """
    ensembles, steps, walkers, count = chains.shape
    by_ensemble = chains.reshape(ensembles, steps * walkers, count)
    by_walker = chains.transpose(0, 2, 1, 3).reshape(ensembles * walkers, steps, count)
    rhat, bulk, tail = (np.empty(count) for _ in range(3))
    for k in range(count):
        rhat[k] = _arviz("rhat", by_ensemble[..., k], method="rank")
        bulk[k] = _arviz("ess", by_walker[..., k], method="bulk")
        tail[k] = _arviz("ess", by_walker[..., k], method="tail", prob=(0.05, 0.95))
    return Diagnostics(names, autocorrelation_times(chains, thin), rhat, bulk, tail, steps * thin)


def _arviz(name: str, chains: Floats, **options: str | tuple[float, float]) -> float:
    """Ask arviz, which announces its successor when imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import arviz

        warnings.simplefilter("ignore", RuntimeWarning)  # chains that never move: not a number, which no test passes
        return float(np.asarray(getattr(arviz, name)(np.ascontiguousarray(chains), **options)))


def smoothed_weights(log_ratios: Floats) -> tuple[Floats, float]:
    """Return Pareto-smoothed, normalised importance weights and k-hat, the shape of the ratios' tail.

    Weights are to be trusted where k-hat < 0.7: A. Vehtari, D. Simpson, A. Gelman, Y. Yao and J. Gabry,
    J. Mach. Learn. Res. 25, 72 (2024).

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
    logs, k_hat = _psis(ratios)
    weights[there] = np.exp(logs - logs.max())
    return weights / weights.sum(), float(k_hat)


def _psis(ratios: Floats) -> tuple[Floats, float]:
    """Ask arviz, whose function moved to another package, with another sign, at version 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import arviz

        if hasattr(arviz, "psislw"):
            logs, k_hat = arviz.psislw(ratios.copy())
        else:
            logs, k_hat = import_module("arviz_stats.base").array_stats.psislw(-ratios)
    return np.asarray(logs), float(k_hat)
