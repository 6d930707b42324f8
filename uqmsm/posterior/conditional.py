"""One posterior for every answer to an open question: which functional is right, and what the data say then.

The joint law is ``p(theta, phi | data) = p(phi) p(theta | y(phi), data)``: phi keeps its own law (the data of the
experiment do not choose among functionals), and each phi has its own conditional posterior of theta. One reference
chain, sampled where every phi is likely, is reweighted to each of them; where the weights cannot be trusted
(Pareto k-hat of 0.7 or more, or too few effective draws) that phi gets a chain of its own. Both are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.posterior.judging import Sampling, smoothed_weights
from uqmsm.posterior.sampling import Chains, Density, Whitening, sample

__all__ = ["LARGEST_K_HAT", "Conditional", "ConditionalDensity", "Conditionals", "conditionals"]

Floats = NDArray[np.float64]

LARGEST_K_HAT = 0.7
"""Beyond it importance weights are not to be trusted (Vehtari et al. 2024)."""


class ConditionalDensity(Protocol):
    """A family of densities of the same parameters, one for each answer to the open question."""

    def __len__(self) -> int:
        """Return the number of answers."""
        ...

    def given(self, number: int) -> Density:
        """Return the density given one answer; picklable, because chains may run on other processes."""
        ...

    def log_ratios(self, points: Floats) -> Floats:
        """Return log(density given each answer / reference density), up to a constant per answer.

        Shape (answers, points); -inf where the density given the answer is zero.
        """
        ...


@dataclass(frozen=True)
class Conditional:
    """The conditional posterior given one answer.

    Parameters
    ----------
    points
        Equally likely draws, shape (draws, d).
    k_hat
        Shape of the tail of the reference chain's weights.
    ess
        Effective number of independent draws in `points`: that of the chain (of the reference, times the efficiency of
        its weights, or the own one), and no more than were kept: ``1 / (1 / chain + 1 / draws)``. A standard error can
        be no smaller than ``sd / sqrt(ess)``.
    own
        Whether it has a chain of its own.
    evaluations
        Of the density, for that chain.
    shortfalls
        What has not converged in that chain.
    """

    points: Floats
    k_hat: float
    ess: float
    own: bool
    evaluations: int = 0
    shortfalls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conditionals:
    """All of them.

    Parameters
    ----------
    each
        One per answer.
    """

    each: tuple[Conditional, ...]

    @property
    def points(self) -> Floats:
        """Return the draws, shape (answers, draws, d)."""
        return np.stack([one.points for one in self.each])

    @property
    def reweighted(self) -> int:
        """Return how many answers are served by the reference chain."""
        return sum(not one.own for one in self.each)

    @property
    def ess(self) -> Floats:
        """Return the effective number of draws given each answer, shape (answers,)."""
        return np.array([one.ess for one in self.each])

    @property
    def k_hat(self) -> Floats:
        """Return the tail shapes, shape (answers,)."""
        return np.array([one.k_hat for one in self.each])

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """Return what has not converged, in words."""
        return tuple(f"given {k}: {words}" for k, one in enumerate(self.each) for words in one.shortfalls)


def conditionals(
    family: ConditionalDensity,
    reference: Chains,
    settings: Sampling,
    rngs: Sequence[Generator],
    *,
    draws: int,
    least_ess: float = 100.0,
    mapping: Callable[..., Iterable[Any]] = map,
    tell: Callable[[str], None] = lambda _: None,
) -> Conditionals:
    """Return the conditional posterior given every answer.

    Parameters
    ----------
    family
        The densities.
    reference
        A chain of a density under which every answer's posterior is likely (its ratio is what `log_ratios` gives).
    settings
        How own chains are sampled.
    rngs
        One generator per answer.
    draws
        Draws kept given each answer.
    least_ess
        Effective draws below which reweighting is not enough.
    mapping, tell
        As in `uqmsm.posterior.sampling.sample`.
    """
    points = reference.points.reshape(-1, reference.points.shape[-1])
    ratios = family.log_ratios(points)
    # neighbours in a chain are alike: of its draws so many count as independent (bulk ESS of the slowest name)
    independent = min(1.0, float(np.nanmin(reference.diagnostics.ess_bulk)) / len(points))
    found = []
    for number, rng in enumerate(rngs[: len(family)]):
        weights, k_hat = smoothed_weights(ratios[number])
        ess = independent / float(np.sum(weights**2)) if weights.any() else 0.0
        if k_hat < LARGEST_K_HAT and ess >= least_ess:
            rows = _systematic(weights, draws, rng)
            found.append(Conditional(points[rows], k_hat, 1.0 / (1.0 / ess + 1.0 / draws), own=False))
        else:
            tell(f"posterior given {number}: k-hat {k_hat:.2f}, {ess:.0f} effective draws: a chain of its own")
            found.append(_own(family.given(number), points, weights, k_hat, settings, rng, draws, mapping))
    return Conditionals(tuple(found))


def _systematic(weights: Floats, draws: int, rng: Generator) -> NDArray[np.int64]:
    """Return rows drawn in proportion to their weights from one uniform, in random order.

    Every row comes as often as its share asks for, up to one: no multinomial noise on top of the chain's own.
    """
    places = (rng.random() + np.arange(draws)) / draws
    rows = np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)
    return np.asarray(rng.permutation(rows), dtype=np.int64)


def _own(
    density: Density,
    points: Floats,
    weights: Floats,
    k_hat: float,
    settings: Sampling,
    rng: Generator,
    draws: int,
    mapping: Callable[..., Iterable[Any]],
) -> Conditional:
    chains = sample(density, _whitening(points, weights), settings, rng.spawn(settings.ensembles), mapping)
    step, walker = chains.choose(draws, rng)
    kept = np.concatenate([chains.points[e, step[e], walker[e]] for e in range(len(step))])
    ess = 1.0 / (1.0 / float(np.nanmin(chains.diagnostics.ess_bulk)) + 1.0 / len(kept))
    rows = rng.permutation(np.resize(np.arange(len(kept)), draws))
    return Conditional(kept[rows], k_hat, ess, True, chains.evaluations, chains.shortfalls)


def _whitening(points: Floats, weights: Floats) -> Whitening:
    """Return coordinates from the reference chain, moved to where its weights lie, as far as they are to be believed.

    The covariance is the reference's: that of few heavy draws would be too narrow to start from.
    """
    factor = np.asarray(np.linalg.cholesky(np.cov(points.T).reshape(points.shape[1], -1)), dtype=np.float64)
    heavy = np.sqrt(weights)  # tempered: the weights themselves may be one draw
    centre = np.average(points, axis=0, weights=heavy) if heavy.any() else points.mean(axis=0)
    return Whitening(centre, factor)
