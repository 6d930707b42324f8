"""One quantity learnt from an ensemble of calls: polynomial chaos for the trend, a Gaussian process for what remains.

    y(x) = sum_k b_k P_k(x) + r(x),   r ~ s^2 [ (1 - g) C(x, x') + g (x is x') ]

P_k are Hermite polynomials up to a total degree, C is Matern's correlation with nu = 5/2 and one length per coordinate,
g is the share of what is rolled anew in every call. b and s are integrated out with their reference prior, so that the
law of a further call is Student's t *exactly*, given lengths and g: R. Schobi, B. Sudret and J. Wiart, Int. J.
Uncertain. Quantif. 5, 171 (2015); M. J. Bayarri et al., Technometrics 49, 138 (2007). With g = 1 it is polynomial
regression and its text-book law; polynomials are met exactly, with no error. Far from the calls the trend's own
uncertainty grows as its polynomials do, and that of r returns to s.

Degree and remainder are chosen by leave-one-out prediction, in closed form. Its misses also widen the law, never narrow
it, where it proves too narrow for the calls that it was learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from uqmsm.errors import StudyError
from uqmsm.surrogate.coordinates import basis, exponents, terms

__all__ = ["Emulator", "Prediction", "emulate", "fitted", "matern"]

Floats = NDArray[np.float64]

_EXACT = 1e-10
"""Leave-one-out misses this small beside the scatter of the quantity are rounding: the error is zero."""
_MOST_OWN_LENGTHS = 6  # more coordinates share one length: so many cannot be learnt from so few calls
_LEAST_NUGGET = 1e-8


@dataclass(frozen=True)
class Prediction:
    """The law of a further call at each point: Student's t with `dof` degrees, each of shape (points,).

    Parameters
    ----------
    mean, scale
        Centre and scale; a scale of zero says that the quantity is met exactly.
    dof
        Degrees of freedom.
    """

    mean: Floats
    scale: Floats
    dof: float

    @property
    def sd(self) -> Floats:
        """Return the standard deviations."""
        return np.asarray(self.scale * np.sqrt(self.dof / (self.dof - 2.0)))


@dataclass(frozen=True)
class Emulator:
    """What was learnt of one quantity.

    Parameters
    ----------
    degree
        Of the polynomials.
    lengths
        Of the process, shape (d,); None where there is none.
    nugget
        g: the share of the variance that is rolled anew in every call; 1 without a process.
    at, powers
        Coordinates of the training calls, shape (n, d), and exponents of the polynomials, shape (m, d).
    factor, weights
        Lower Cholesky factor of the correlation of the calls (n, n), and its inverse times what the trend leaves, (n,).
    trend, trend_factor
        Coefficients b, shape (m,), and lower Cholesky factor of ``P' A^-1 P``, shape (m, m).
    behind
        The polynomials at the calls, seen through `factor`, shape (n, m).
    variance
        Estimate of s^2, with ``n - m`` degrees of freedom.
    widened
        Factor on the scale, from leave-one-out misses; 1 or more.
    left_out
        Misses of the calls, each predicted by the others, over the scale of that prediction, shape (n,).
    missed
        Root mean square of these misses in the unit of the quantity.
    score
        Mean log density of a call predicted by the others.
    scatter
        Standard deviation of the quantity over the calls.
    """

    degree: int
    lengths: Floats | None
    nugget: float
    at: Floats
    powers: NDArray[np.int64]
    factor: Floats
    weights: Floats
    trend: Floats
    trend_factor: Floats
    behind: Floats
    variance: float
    widened: float
    left_out: Floats
    missed: float
    score: float
    scatter: float

    @property
    def dof(self) -> float:
        """Return the degrees of freedom of the law."""
        return float(len(self.at) - len(self.powers))

    @property
    def exact(self) -> bool:
        """Tell whether the quantity is met without error."""
        return self.variance == 0.0

    def predict(self, at: Floats) -> Prediction:
        """Return the law of a further call at points in the coordinates of the training, shape (points, d)."""
        at = np.atleast_2d(np.asarray(at, dtype=np.float64))
        found = basis(at, self.powers)
        mean = np.einsum("pm,m->p", found, self.trend)
        share = np.ones(len(at))
        behind = found
        if self.lengths is not None:
            across = (1.0 - self.nugget) * matern(at, self.at, self.lengths)
            mean = mean + np.einsum("pn,n->p", across, self.weights)
            solved = np.stack([solve_triangular(self.factor, row, lower=True) for row in across])
            share = np.maximum(1.0 - np.einsum("pn,pn->p", solved, solved), 0.0)
            behind = found - np.einsum("pn,nm->pm", solved, self.behind)
        lever = np.stack([solve_triangular(self.trend_factor, row, lower=True) for row in behind])
        share = share + np.einsum("pm,pm->p", lever, lever)
        return Prediction(mean, self.widened * np.sqrt(self.variance * share), self.dof)


def matern(at: Floats, other: Floats, lengths: Floats) -> Floats:
    """Return Matern's correlation with nu = 5/2 between points (p, d) and (q, d), shape (p, q)."""
    gap = (at[:, None, :] - other[None, :, :]) / lengths
    far = np.sqrt(5.0 * np.einsum("pqd,pqd->pq", gap, gap))
    return np.asarray((1.0 + far + far * far / 3.0) * np.exp(-far))


def emulate(at: Floats, values: Floats, *, most_degree: int = 3, process: bool = True) -> Emulator:
    """Learn one quantity and choose, by leave-one-out prediction, degree and whether a process follows the trend.

    Parameters
    ----------
    at
        Coordinates of the calls, shape (n, d), each of about unit scatter (`uqmsm.surrogate.coordinates`).
    values
        The quantity, shape (n,).
    most_degree
        Highest degree tried; polynomials may have no more than half as many terms as there are calls.
    process
        Whether a process is tried as well.

    Raises
    ------
    StudyError
        When there are fewer than 8 calls or a number is not finite.
    """
    at, values = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if at.ndim != 2 or values.shape != (len(at),) or len(at) < 8:
        raise StudyError(
            f"{len(at)} points and values of shape {values.shape}: a surrogate needs at least 8 calls, one value each"
        )
    if not (np.isfinite(at).all() and np.isfinite(values).all()):
        raise StudyError(
            f"{int((~np.isfinite(values)).sum())} of {len(values)} values of the training calls are not finite; leave "
            "failed calls out"
        )
    best: Emulator | None = None
    for candidate in _candidates(at, values, most_degree, process):
        if best is None or candidate.score > best.score:
            best = candidate
        if candidate.exact:  # the lowest degree that meets all calls
            return candidate
    if best is None:
        raise StudyError("no surrogate could be fitted")  # degree 0 always can
    return best


def _candidates(at: Floats, values: Floats, most_degree: int, process: bool) -> Iterator[Emulator]:
    """Yield fits: every degree alone, then each of the two lowest with a process (its trend need not do all)."""
    n, d = at.shape
    degrees = [p for p in range(most_degree + 1) if p == 0 or terms(d, p) <= n // 2]
    for degree in degrees:
        yield fitted(at, values, degree, None, 1.0)
    if process:
        for degree in degrees[:2]:
            lengths, nugget = _chosen_lengths(at, values, degree)
            yield fitted(at, values, degree, lengths, nugget)


def fitted(at: Floats, values: Floats, degree: int, lengths: Floats | None, nugget: float) -> Emulator:
    """Fit one candidate, chosen before or to be chosen, and judge it by what each call is to the others.

    Parameters
    ----------
    at, values
        As in `emulate`.
    degree, lengths, nugget
        As in `Emulator`.
    """
    n = len(at)
    powers = exponents(at.shape[1], degree)
    trend_basis = basis(at, powers)
    whole = np.eye(n) if lengths is None else _correlation(at, lengths, nugget)
    factor = cho_factor(whole, lower=True)
    behind = cho_solve(factor, trend_basis)
    normal = cho_factor(trend_basis.T @ behind, lower=True)
    trend = cho_solve(normal, behind.T @ values)
    weights = cho_solve(factor, values - trend_basis @ trend)
    inverse = cho_solve(factor, np.eye(n)) - behind @ cho_solve(normal, behind.T)
    dof = n - len(powers)
    square = float(values @ (inverse @ values))
    made = Emulator(
        degree, lengths, nugget, at, powers, np.tril(factor[0]), weights, trend, np.tril(normal[0]),
        solve_triangular(np.tril(factor[0]), trend_basis, lower=True), square / dof,
        1.0, np.zeros(n), 0.0, np.inf, float(values.std(ddof=1)),
    )  # fmt: skip
    return _judged(made, inverse, values, square)


def _judged(made: Emulator, inverse: Floats, values: Floats, square: float) -> Emulator:
    """Add what leave-one-out says: with ``Q`` the inverse without the trend, the miss of call i is (Q y)_i / Q_ii.

    Its law is Student's with one degree less and the variance that the others estimate (O. Dubrule, Math. Geol. 15, 687
    (1983)).
    """
    own = np.diag(inverse)
    solved = inverse @ values
    misses = solved / own
    missed = float(np.sqrt(np.mean(misses**2)))
    if missed <= _EXACT * max(made.scatter, 1e-4 * float(np.abs(values).max()), 1e-300):
        return replace(made, variance=0.0)
    dof = made.dof - 1.0
    of_others = np.maximum(square - solved * misses, 1e-300) / dof
    scale = np.sqrt(of_others / own)
    apart = misses / scale
    # the mean square of Student's t is dof / (dof - 2)
    widened = max(1.0, float(np.sqrt(np.mean(apart**2) * (dof - 2.0) / dof)))
    from scipy.stats import t

    score = float(np.mean(t.logpdf(apart / widened, dof) - np.log(scale * widened)))
    return replace(made, widened=widened, left_out=apart, missed=missed, score=score)


def _correlation(at: Floats, lengths: Floats, nugget: float) -> Floats:
    return np.asarray((1.0 - nugget) * matern(at, at, lengths) + nugget * np.eye(len(at)))


def _chosen_lengths(at: Floats, values: Floats, degree: int) -> tuple[Floats, float]:
    """Return the lengths and the nugget of largest restricted likelihood, trend and variance integrated out."""
    from scipy.optimize import minimize

    n, d = at.shape
    trend_basis = basis(at, exponents(d, degree))
    scatter = max(float(values.std()), 1e-300)
    shared = d > _MOST_OWN_LENGTHS

    def unfolded(z: Floats) -> tuple[Floats, float]:
        return np.exp(np.full(d, z[0]) if shared else z[:-1]), float(10.0 ** z[-1])

    def cost(z: Floats) -> float:
        try:
            factor = cho_factor(_correlation(at, *unfolded(z)), lower=True)
            behind = cho_solve(factor, trend_basis)
            normal = cho_factor(trend_basis.T @ behind, lower=True)
        except np.linalg.LinAlgError:
            return 1e10
        rest = (values - trend_basis @ cho_solve(normal, behind.T @ values)) / scatter
        square = max(float(rest @ cho_solve(factor, rest)), 1e-300)
        logs = np.log(np.diag(factor[0])).sum() + np.log(np.diag(normal[0])).sum()
        return float(0.5 * (n - trend_basis.shape[1]) * np.log(square) + logs)

    wide = np.sqrt(float(d)) if shared else 1.0
    bounds = [(np.log(0.2 * wide), np.log(30.0 * wide))] * (1 if shared else d)
    starts = [(np.log(wide * one), nugget) for one, nugget in ((1.5, -4.0), (6.0, -1.0))]
    found = [
        minimize(
            cost, np.array([length] * len(bounds) + [nugget]), method="L-BFGS-B",
            bounds=[*bounds, (np.log10(_LEAST_NUGGET), -0.01)], options={"maxiter": 60},
        )
        for length, nugget in starts
    ]  # fmt: skip
    return unfolded(min(found, key=lambda one: float(one.fun)).x)
