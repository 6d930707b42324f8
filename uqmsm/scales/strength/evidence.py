"""How wrong the strengthening theory itself is, learnt from alloys and temperatures other than the one predicted.

The law is for r = log(measured / theory) of the solute part of the yield stress. Rows of measurements
are modelled as

    r = c0 + c1 (T - T0) / T1 + f(T) + offset of the alloy + offset of the ingot + noise of the row,

all Gaussian; f is a process with the kernel s^2 exp(-(T - T')^2 / (2 l^2)). Its amplitude s and the
spread of the alloys' offsets have half-normal priors and are integrated out on a grid (no sampling): the
answer is a mixture of Gaussian processes (Rasmussen and Williams, Gaussian Processes for Machine Learning,
2006, ch. 2), of which mean and covariance are returned. One ingot measured at many temperatures shares
one offset, so a long table of one ingot does not feign a long table of alloys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtri

from uqmsm.errors import StudyError

__all__ = ["FormError", "FormPrior", "form_error", "half_normal"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FormPrior:
    """The stated prior of the theory's error; all but temperatures in units of log stress.

    Attributes
    ----------
    level_sd : float
        Spread of c0: 0.5 says that the theory is believed within a factor 1.65 (one sigma) on average.
    trend_sd : float
        Spread of c1, per `trend_span_K`.
    trend_centre_K, trend_span_K : float
        T0 and T1.
    wiggle_scale, alloy_scale : float
        Scales of the half-normal priors of s and of the alloys' spread.
    length_K : float
        Correlation length l of f, fixed.
    ingot_sd : float
        Spread from ingot to ingot of one alloy, fixed: 10 % (laboratories differ by that much).
    row_sd : float
        Spread of single tests, fixed.
    grid : int
        Points per integrated hyper-parameter.
    """

    level_sd: float = 0.5
    trend_sd: float = 0.5
    trend_centre_K: float = 1000.0
    trend_span_K: float = 1000.0
    wiggle_scale: float = 0.2
    alloy_scale: float = 0.2
    length_K: float = 500.0
    ingot_sd: float = 0.10
    row_sd: float = 0.05
    grid: int = 12

    def __post_init__(self) -> None:
        """Refuse improper priors."""
        for name, value in vars(self).items():
            if not value > 0:
                raise StudyError(f"FormPrior: {name} is {value:g}, but must be > 0 (a proper prior); state a spread")


@dataclass(frozen=True)
class FormError:
    """The law of log(measured / theory) on the temperatures asked for; without the scatter from ingot to ingot.

    Attributes
    ----------
    temperature_K, mean, sd : ndarray, shape (temperatures,)
    covariance : ndarray, shape (temperatures, temperatures)
        Of one alloy over temperature: its offset is common to all.
    gain : ndarray, shape (temperatures, rows)
        ``mean = gain @ log_ratio``: how the mean follows the rows while the weights of the hyper-parameters stay.
    alloy_sd, wiggle_sd : float
        Posterior means of the two integrated hyper-parameters.
    log_evidence : float
        Of the rows, hyper-parameters integrated out.
    """

    temperature_K: Floats
    mean: Floats
    sd: Floats
    covariance: Floats
    gain: Floats
    alloy_sd: float
    wiggle_sd: float
    log_evidence: float


def form_error(
    temperatures_K: ArrayLike,
    log_ratio: ArrayLike,
    alloy_ids: Sequence[str],
    ingot_ids: Sequence[str],
    at_K: ArrayLike,
    *,
    prior: FormPrior | None = None,
    sd: ArrayLike = 0.0,
    alloy: str | None = None,
) -> FormError:
    """Learn the error of the theory and predict it for an alloy over temperature.

    Parameters
    ----------
    temperatures_K, log_ratio : array_like, shape (rows,)
        Measurements as from `uqmsm.scales.strength.yields.log_ratios`.
    alloy_ids, ingot_ids : sequence of str, length rows
        Who shares which offset.
    at_K : array_like, shape (temperatures,)
        Where to predict.
    prior : FormPrior, optional
        Stated; the default's numbers are in the class.
    sd : array_like
        Extra noise of single rows in log units (for example of ky), added in quadrature to `prior.row_sd`.
    alloy : str, optional
        Predict for this alloy, using what its own rows say of its offset; by default for an alloy never seen.

    Returns
    -------
    FormError
        Epistemic only: the ingot's own scatter, `prior.ingot_sd`, is chance and is not in it.

    Raises
    ------
    StudyError
        When lengths differ, or the alloy named has no row.
    """
    law = prior or FormPrior()
    T, r = np.asarray(temperatures_K, dtype=np.float64), np.asarray(log_ratio, dtype=np.float64)
    at = np.atleast_1d(np.asarray(at_K, dtype=np.float64))
    extra = np.broadcast_to(np.asarray(sd, dtype=np.float64), T.shape)
    if not (T.shape == r.shape == (len(alloy_ids),) == (len(ingot_ids),)) or not T.size:
        raise StudyError(
            f"form_error: {T.size} temperatures, {r.size} ratios, {len(alloy_ids)} alloys, {len(ingot_ids)} ingots; "
            "give one of each per row, and at least one row"
        )
    if alloy is not None and alloy not in alloy_ids:
        raise StudyError(f"form_error: alloy {alloy!r} has no row among {sorted(set(alloy_ids))}; leave it out")
    names, ingots = np.asarray(alloy_ids), np.asarray(ingot_ids)
    noise = np.diag(law.row_sd**2 + extra**2) + law.ingot_sd**2 * (ingots[:, None] == ingots[None, :])
    same = (names[:, None] == names[None, :]).astype(float)
    cross_same = (names[:, None] == np.full(at.size, alloy or "")[None, :]).astype(float)
    nodes = [(w, a) for w in half_normal(law.wiggle_scale, law.grid) for a in half_normal(law.alloy_scale, law.grid)]
    parts = []
    for wiggle, alloy_sd in nodes:
        K = _kernel(T, T, law, wiggle) + alloy_sd**2 * same + noise
        cross = _kernel(T, at, law, wiggle) + alloy_sd**2 * cross_same
        parts.append(_condition(K, cross, _kernel(at, at, law, wiggle) + alloy_sd**2, r))
    return _mix(at, np.array(nodes), parts, r)


def _condition(K: Floats, cross: Floats, own: Floats, r: Floats) -> tuple[float, Floats, Floats]:
    """Return log evidence, gain and covariance of the process given the rows."""
    factor = cho_factor(K, lower=True)
    gain = cho_solve(factor, cross)
    evidence = -0.5 * r @ cho_solve(factor, r) - np.log(np.diag(factor[0])).sum() - 0.5 * r.size * np.log(2 * np.pi)
    return float(evidence), gain.T, own - cross.T @ gain


def _mix(at: Floats, nodes: Floats, parts: list[tuple[float, Floats, Floats]], r: Floats) -> FormError:
    """Return mean and covariance of the mixture over the nodes, weighted by their evidence."""
    evidence = np.array([p[0] for p in parts])
    weight = np.exp(evidence - evidence.max())
    total = weight.sum()
    weight = weight / total
    gains = np.array([p[1] for p in parts])
    gain = np.einsum("k,kij->ij", weight, gains)
    means = gains @ r
    mean = gain @ r
    spread = means - mean
    covariance = np.einsum("k,kij->ij", weight, np.array([p[2] for p in parts]))
    covariance = covariance + np.einsum("k,ki,kj->ij", weight, spread, spread)
    log_evidence = float(evidence.max() + np.log(total / len(parts)))
    wiggle, alloy_sd = (float(weight @ column) for column in nodes.T)
    return FormError(at, mean, np.sqrt(np.diag(covariance)), covariance, gain, alloy_sd, wiggle, log_evidence)


def _kernel(one: Floats, other: Floats, law: FormPrior, wiggle: float) -> Floats:
    """Return the prior covariance of level, trend and f between two sets of temperatures."""
    x = (one - law.trend_centre_K) / law.trend_span_K
    y = (other - law.trend_centre_K) / law.trend_span_K
    gap = (one[:, None] - other[None, :]) / law.length_K
    line = law.level_sd**2 + law.trend_sd**2 * x[:, None] * y[None, :]
    return np.asarray(line + wiggle**2 * np.exp(-0.5 * gap**2))


def half_normal(scale: float, points: int) -> list[float]:
    """Return midpoints of slices of equal prior probability of a half-normal law."""
    level = (np.arange(points) + 0.5) / points
    return [float(v) for v in scale * ndtri(0.5 + 0.5 * level)]
