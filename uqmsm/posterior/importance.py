"""Posterior draws without a chain where the posterior is nearly normal: weighted draws of its Laplace approximation.

The proposal is Student's t about the mode, whose tails are heavier than a posterior's that is nearly normal. The tail
shape k-hat of the weights says whether that went well; where it did not, a chain has to be run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import NotConverged
from uqmsm.posterior.conditional import LARGEST_K_HAT
from uqmsm.posterior.judging import smoothed_weights
from uqmsm.posterior.sampling import Density, Whitening

__all__ = ["Weighted", "weigh"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """Independent draws with weights.

    Parameters
    ----------
    points, weights
        Shapes (n, d) and (n,), weights summing to 1 (Pareto-smoothed).
    k_hat
        Tail shape of the raw weights.
    evaluations
        Of the density.
    """

    points: Floats
    weights: Floats
    k_hat: float
    evaluations: int

    @property
    def ess(self) -> float:
        """Return the effective number of independent draws, ``1 / sum w^2``."""
        return float(1.0 / (self.weights**2).sum()) if self.weights.any() else 0.0

    @property
    def trusted(self) -> bool:
        """Tell whether the weights are to be believed (k-hat below 0.7)."""
        return self.k_hat < LARGEST_K_HAT

    def draws(self, count: int, rng: Generator) -> Floats:
        """Return equally likely draws in random order, shape (count, d), every point as often as its weight asks for.

        Raises
        ------
        NotConverged
            When the weights are not to be trusted.
        """
        if not self.trusted:
            raise NotConverged(
                f"weighted draws of the Laplace approximation have k-hat {self.k_hat:.2f}, and from {LARGEST_K_HAT} on "
                "they are not to be trusted; run a chain"
            )
        places = (rng.random() + np.arange(count)) / count
        rows = np.minimum(np.searchsorted(np.cumsum(self.weights), places), len(self.weights) - 1)
        return np.asarray(self.points[rng.permutation(rows)])


def weigh(
    density: Density, whitening: Whitening, evaluations: int, rng: Generator, *, rounds: int = 2, dof: float = 5.0
) -> Weighted:
    """Return weighted draws of a density; every round but the last only moves the proposal to where the weights lie.

    Parameters
    ----------
    density
        What is wanted.
    whitening
        Mode and curvature, as a Laplace approximation gives them.
    evaluations
        How many draws are proposed in each round.
    rng
        Of the draws.
    rounds
        At least 1. Each takes mean and covariance from the one before, with a tenth of the Laplace approximation's
        covariance mixed in, because that of few heavy draws would be too narrow.
    dof
        Degrees of freedom of the proposal, a multivariate Student's t.
    """
    first, found = whitening.factor @ whitening.factor.T, _round(density, whitening, evaluations, rng, dof)
    for _ in range(rounds - 1):
        if found.ess <= len(density.names):  # no covariance can be taken from them
            break
        centre = np.einsum("n,nj->j", found.weights, found.points)
        apart = found.points - centre
        moved = 0.9 * np.einsum("n,ni,nj->ij", found.weights, apart, apart) + 0.1 * first
        found = _round(density, Whitening(centre, np.linalg.cholesky(moved)), evaluations, rng, dof)
    return replace(found, evaluations=rounds * evaluations)


def _round(density: Density, whitening: Whitening, evaluations: int, rng: Generator, dof: float) -> Weighted:
    d = len(density.names)
    normal = rng.standard_normal((evaluations, d))
    z = normal / np.sqrt(rng.chisquare(dof, evaluations) / dof)[:, None]
    points = whitening.points(z)
    proposal = -0.5 * (dof + d) * np.log1p((z**2).sum(axis=1) / dof)
    values, _ = density.log_density(points)
    weights, k_hat = smoothed_weights(np.where(np.isnan(values), -np.inf, values) - proposal)
    return Weighted(points, weights, k_hat, evaluations)
