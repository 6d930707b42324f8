"""What do the members that were computed foretell of the others: a Gaussian process with a constant mean?

Matern's correlation of order 5/2 with one length per source, found by maximum likelihood from fixed beginnings
(C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press, 2006, chapters 2 and 5). Small
on purpose: at most some hundreds of members, no noise but a nugget for the condition of the matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

__all__ = ["Process"]

Floats = NDArray[np.float64]
_NUGGET = 1e-8
_BOUNDS = (np.log(0.3), np.log(100.0))


@dataclass(frozen=True)
class Process:
    """A process, conditioned.

    Parameters
    ----------
    points, values
        What was computed, shapes (n, sources) and (n,).
    lengths
        Correlation lengths, shape (sources,).
    factor
        Lower Cholesky factor of the correlation matrix.
    mean, scale
        Constant mean and standard deviation.
    """

    points: Floats
    values: Floats
    lengths: Floats
    factor: Floats
    mean: float
    scale: float

    @classmethod
    def learnt(cls, points: Floats, values: Floats, near: Process | None = None) -> Process:
        """Return the process of maximum likelihood; `near` is one of fewer members, whose lengths are a beginning."""
        count = points.shape[1]
        begins = [np.full(count, np.log(begin)) for begin in (2.0, 10.0)] if near is None else [np.log(near.lengths)]

        def objective(logs: Floats) -> float:
            return _likelihood(points, values, np.exp(logs))[0]

        tried = [
            minimize(objective, begin, method="L-BFGS-B", bounds=[_BOUNDS] * count, options={"maxiter": 15})
            for begin in begins
        ]
        best = min(tried, key=lambda one: float(one.fun))
        lengths = np.exp(np.asarray(best.x))
        _, factor, mean, scale = _likelihood(points, values, lengths)
        return cls(points, values, lengths, factor, mean, scale)

    def at(self, points: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation at points, shape (points,) each."""
        across = _matern(points, self.points, self.lengths)
        weights = cho_solve((self.factor, True), self.values - self.mean)
        inner = solve_triangular(self.factor, across.T, lower=True)
        ones = solve_triangular(self.factor, np.ones(len(self.values)), lower=True)
        lacking = 1.0 - inner.T @ ones
        variance = np.maximum(1.0 - np.sum(inner**2, axis=0) + lacking**2 / float(ones @ ones), 0.0)
        return self.mean + across @ weights, self.scale * np.sqrt(variance)

    def drawn(self, points: Floats, normals: Floats) -> Floats:
        """Return draws of the process at points, from standard normal numbers of shape (points, draws)."""
        across = _matern(points, self.points, self.lengths)
        inner = solve_triangular(self.factor, across.T, lower=True)
        ones = solve_triangular(self.factor, np.ones(len(self.values)), lower=True)
        lacking = 1.0 - inner.T @ ones
        covariance = _matern(points, points, self.lengths) - inner.T @ inner
        covariance += np.outer(lacking, lacking) / float(ones @ ones)
        values, vectors = np.linalg.eigh(covariance)
        mean, _ = self.at(points)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return np.asarray(mean[:, None] + self.scale * (root @ normals))

    @property
    def left_out(self) -> float:
        """Root mean square of the members' standardised errors, each foretold by all others: near 1 if all is well."""
        inverse = cho_solve((self.factor, True), np.eye(len(self.values)))
        errors = inverse @ (self.values - self.mean) / np.sqrt(np.diag(inverse)) / max(self.scale, 1e-300)
        return float(np.sqrt(np.mean(errors**2)))


def _matern(a: Floats, b: Floats, lengths: Floats) -> Floats:
    r = np.sqrt(5.0) * cdist(a / lengths, b / lengths)
    return np.asarray((1.0 + r + r**2 / 3.0) * np.exp(-r))


def _likelihood(points: Floats, values: Floats, lengths: Floats) -> tuple[float, Floats, float, float]:
    """Return the negative logarithm of the concentrated likelihood, the factor, the mean and the scale."""
    correlation = _matern(points, points, lengths) + _NUGGET * np.eye(len(values))
    factor = cholesky(correlation, lower=True)
    ones = cho_solve((factor, True), np.ones(len(values)))
    mean = float(ones @ values / ones.sum())
    rest = values - mean
    square = float(rest @ cho_solve((factor, True), rest)) / len(values)
    scale = float(np.sqrt(max(square, 1e-300)))
    return len(values) * np.log(scale) + float(np.sum(np.log(np.diag(factor)))), factor, mean, scale
