"""How likely is failure, and how well do we know that?

Where members are missing the probability is that of the members that are there. Beside it stand its worst cases: every
missing member counted as one that did not show the event, and as one that did. No assumption is needed for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, owens_t

from uqmsm.errors import StudyError
from uqmsm.questions.missing import Worst
from uqmsm.questions.propagate import spread
from uqmsm.questions.rectangles import Estimate, jackknife, replicates

__all__ = ["FEWEST_DRAWS", "FEWEST_INNER", "Band", "below", "probability", "probability_band"]

Floats = NDArray[np.float64]
FEWEST_INNER = 50
"""Members per epistemic draw that a band of a probability needs."""
FEWEST_DRAWS = 8
"""Epistemic draws that a band of a probability needs."""
FEWEST_ROWS = 8
"""Rows that the error of a probability without a band needs."""


def below(values: Floats, limit: float) -> Floats:
    """Return the event "the answer is below the limit" as 0 or 1, NaN where the member failed; any shape."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(values), np.nan, (values < limit).astype(np.float64))


@dataclass(frozen=True)
class Band:
    """The probability of an event, and the band that what we do not know puts around it.

    Parameters
    ----------
    mean
        Probability of the event over all uncertainty.
    quantiles
        Level -> quantile over what is not known of the probability over chance, inner noise removed.
    raw
        Frequency of the event in every draw, shape (draws,), inner noise included; NaN in draws that were dropped.
    net
        The same drawn towards the mean so that its variance is the net one (M. Ghosh, J. Am. Stat. Assoc. 87, 533,
        1992).
    variance
        Variance of the probability over what is not known, inner noise removed; may come out negative.
    removed
        The inner noise that was removed, E[p(1-p)/n].
    resolved
        Whether the variance exceeds zero beyond its error. If not, the band is no wider than the inner noise can tell:
        more inner members would resolve it.
    draws, draws_planned, succeeded, members
        Draws used of those planned, members of those planned.
    worst
        Least and largest mean, whatever the missing members show.
    band
        Level -> least and largest quantile, likewise, over all draws planned.
    """

    mean: Estimate
    quantiles: dict[float, Estimate]
    raw: Floats
    net: Floats
    variance: Estimate
    removed: float
    resolved: bool
    draws: int
    draws_planned: int
    succeeded: int
    members: int
    worst: Worst
    band: Mapping[float, Worst]

    def dataset(self, sources: Sequence[str] = ()) -> xr.Dataset:
        """Return the band over the dimension `quantile` and the probabilities over the dimension `draw`.

        The worst cases are `probability_least`, `probability_most`, `band_least`, `band_most`, each with its outer
        sampling limit.
        """
        text = {
            "probability": "probability over all uncertainty",
            "variance": "epistemic variance of the probability, inner noise removed",
            "band": "epistemic quantile of the probability, inner noise removed",
        }
        found: dict[str, tuple[tuple[str, ...], object, dict[str, str]]] = {}

        def say(name: str, dims: tuple[str, ...], value: object, long_name: str) -> None:
            found[name] = (dims, value, {"units": "1", "long_name": long_name, "sources": ", ".join(sources)})

        for attribute in ("value", "se", "lo", "hi"):
            ending = "" if attribute == "value" else f"_{attribute}"
            say("probability" + ending, (), getattr(self.mean, attribute), text["probability"])
            say("variance" + ending, (), getattr(self.variance, attribute), text["variance"])
            band = [getattr(each, attribute) for each in self.quantiles.values()]
            say("band" + ending, ("quantile",), band, text["band"])
        say("raw", ("draw",), self.raw, "frequency per epistemic draw, inner noise included")
        say("net", ("draw",), self.net, "probability per epistemic draw, drawn towards the mean")
        say("removed", (), self.removed, "variance of the inner noise that was removed")
        say("resolved", (), int(self.resolved), "whether the band exceeds the inner noise")
        for name, long_name, value in _worst_columns(self.worst):
            say(name, (), value, long_name)
        columns = zip(*(_worst_columns(each, "band") for each in self.band.values()), strict=True)
        for column in columns:
            say(column[0][0], ("quantile",), [value for _, _, value in column], column[0][1])
        counts = {"draws": f"{self.draws} of {self.draws_planned}", "members": f"{self.succeeded} of {self.members}"}
        return xr.Dataset(found, {"quantile": list(self.quantiles)}, counts)


def probability(
    events: Floats, row_of_member: NDArray[np.int64], sources: Sequence[str] = (), level: float = 0.9
) -> xr.Dataset:
    """Return the probability of an event over all uncertainty, its error from independent rows; it has no band.

    Beside it `probability_least` and `probability_most`, with every missing member counted as no event, or as one.

    Parameters
    ----------
    events
        0 or 1 per member, shape (members,), see `below`; NaN where the member failed.
    row_of_member
        Row of each member, shape (members,): the unit of independence.
    sources
        Labels for the attribute of that name.
    level
        Nominal coverage of the interval; one-sided where the event was never or always seen.

    Raises
    ------
    StudyError
        With fewer than 8 rows that have an answer.
    """
    there = np.isfinite(events)
    rows = len(np.unique(row_of_member[there]))
    if rows < FEWEST_ROWS:
        raise StudyError(f"{rows} rows with an answer; the error of a probability needs {FEWEST_ROWS}: extend the run")
    mean = _over_rows(events, row_of_member, level)
    worst = Worst(*(_over_rows(np.where(there, events, counted), row_of_member, level) for counted in (0.0, 1.0)))
    about = {"units": "1", "sources": ", ".join(sources)}
    found = {}
    for attribute in ("value", "se", "lo", "hi"):
        ending = "" if attribute == "value" else f"_{attribute}"
        text = {"long_name": "probability over all uncertainty"}
        found["probability" + ending] = ((), getattr(mean, attribute), about | text)
    for name, long_name, value in _worst_columns(worst):
        found[name] = ((), value, about | {"long_name": long_name})
    return xr.Dataset(found)


def _over_rows(events: Floats, row_of_member: NDArray[np.int64], level: float) -> Estimate:
    """Return the mean of events with its error from rows, limits within 0 and 1."""
    mean = spread(events, row_of_member, level=level).mean
    if mean.value in {0.0, 1.0}:
        rows = len(np.unique(row_of_member[np.isfinite(events)]))
        return _mean(np.array([mean.value]), rows, level)
    return Estimate(mean.value, mean.se, max(mean.lo, 0.0), min(mean.hi, 1.0), mean.dof)


def _worst_columns(found: Worst, name: str = "probability") -> list[tuple[str, str, float]]:
    """Return name, meaning and value of worst cases and of their outer limits."""
    what = "probability" if name == "probability" else "epistemic quantile of the probability"
    least, most = f"{what} if no missing member shows the event", f"{what} if every missing member does"
    return [
        (f"{name}_least", least, found.least.value),
        (f"{name}_least_lo", f"lower limit of the {least}", found.least.lo),
        (f"{name}_most", most, found.most.value),
        (f"{name}_most_hi", f"upper limit of the {most}", found.most.hi),
    ]


def probability_band(events: Floats, *, levels: Sequence[float] = (0.05, 0.5, 0.95), level: float = 0.9) -> Band:
    """Return the probability of an event with its epistemic band, from a nested table.

    The frequency of a draw is its probability plus binomial noise. The noise is removed by moments, both sides
    unbiased: Var p = Var p_hat - E[p_hat(1 - p_hat)/(n - 1)]. The band is that of the probit-normal law with this mean
    and variance, see `_quantile`. Errors come from leaving out one draw at a time.

    Parameters
    ----------
    events
        0 or 1 per member, shape (draws, inner) as `Nested.arrange` gives it (see `below`); NaN where the member failed.
        A draw of which less than half succeeded is dropped, and counted.
    levels, level
        Quantiles of the band; nominal coverage of the intervals of all estimates.

    Raises
    ------
    StudyError
        With fewer than 50 inner members or 8 draws (the message names the design that can), or entries not 0, 1 or NaN.
    """
    events = np.asarray(events, dtype=np.float64)
    _refuse(events)
    there = np.isfinite(events)
    count = there.sum(axis=1)
    used = 2 * count >= events.shape[1]
    if used.sum() < FEWEST_DRAWS:
        raise StudyError(
            f"{used.sum()} draws with at least half their members; a band needs {FEWEST_DRAWS}: run more draws"
        )
    raw = np.where(used, np.nansum(events, axis=1) / np.maximum(count, 1), np.nan)
    p, n = raw[used], count[used]
    mean, total, noise = _moments(p, n)
    net = total - noise
    estimate, quantiles = _mean(mean, len(p), level), _quantiles(mean, net, levels, level)
    none, every = ((estimate, quantiles) if there.all() else _counted(events, k, levels, level) for k in (0.0, 1.0))
    shrink = np.sqrt(max(net[0], 0.0) / total[0]) if total[0] > 0.0 else 0.0
    variance = jackknife(net, level)
    return Band(
        estimate,
        quantiles,
        raw,
        np.clip(mean[0] + shrink * (raw - mean[0]), 0.0, 1.0),
        variance,
        float(noise[0]),
        bool(variance.lo > 0.0),
        int(used.sum()),
        len(events),
        int(count[used].sum()),
        events.size,
        Worst(none[0], every[0]),
        {q: _widest(each, none[1][q], every[1][q]) for q, each in quantiles.items()},
    )


def _widest(*each: Estimate) -> Worst:
    """Return the least and the largest: a wider law may have a lower quantile though no probability is lower."""
    least, most = min(each, key=lambda one: one.value), max(each, key=lambda one: one.value)
    return Worst(
        replace(least, lo=float(np.fmin.reduce([one.lo for one in each]))),
        replace(most, hi=float(np.fmax.reduce([one.hi for one in each]))),
    )


def _quantiles(mean: Floats, net: Floats, levels: Sequence[float], level: float) -> dict[float, Estimate]:
    return {float(q): _probit_jackknife(_quantile(mean, net, q), level) for q in levels}


def _counted(
    events: Floats, as_: float, levels: Sequence[float], level: float
) -> tuple[Estimate, dict[float, Estimate]]:
    """Return mean and quantiles of the band over all draws, every missing member counted as 0 or as 1."""
    p = np.where(np.isnan(events), as_, events).mean(axis=1)
    mean, total, noise = _moments(p, np.full(len(p), events.shape[1]))
    return _mean(mean, len(p), level), _quantiles(mean, total - noise, levels, level)


def _refuse(events: Floats) -> None:
    """Refuse a table that cannot answer, and name the design that can."""
    if events.ndim != 2 or events.shape[1] < FEWEST_INNER:
        raise StudyError(
            f"a table of shape {events.shape} cannot give the band of a probability: it takes at least {FEWEST_INNER}"
            f" members of chance for every epistemic draw; run Nested(sources, draws, inner={FEWEST_INNER})"
        )
    wrong = np.isfinite(events) & (events != 0.0) & (events != 1.0)
    if wrong.any() or np.isinf(events).any():
        raise StudyError("events are 0, 1 or NaN; make them with below(values, limit)")


def _moments(p: Floats, n: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Return replicates of the mean frequency, of its variance over draws and of the inner noise in that variance."""
    rows = len(p)
    size = np.concatenate([[rows], np.full(rows, rows - 1)]).astype(np.float64)
    mean = replicates(p)
    total = (replicates((p - p.mean()) ** 2) - (mean - p.mean()) ** 2) * size / (size - 1.0)
    return mean, total, replicates(p * (1.0 - p) / (n - 1.0))


def _mean(mean: Floats, draws: int, level: float) -> Estimate:
    """Return the probability; where the event was never (or always) seen, a one-sided limit in place of an error.

    A draw shows the event at least once with a probability no less than its own, so the limit for "no draw out of so
    many shows it", 1 - alpha^(1/draws), bounds the mean.
    """
    if 0.0 < mean[0] < 1.0:
        each = jackknife(mean, level)
        return Estimate(each.value, each.se, max(each.lo, 0.0), min(each.hi, 1.0), each.dof)
    reach = 1.0 - (1.0 - level) ** (1.0 / draws)
    low, high = (0.0, reach) if mean[0] == 0.0 else (1.0 - reach, 1.0)
    return Estimate(float(mean[0]), np.nan, low, high, np.nan)


def _quantile(mean: Floats, variance: Floats, q: float) -> Floats:
    """Return the quantile of the probit-normal law with this mean and variance; the mean where there is no variance.

    p = Phi((h + sqrt(rho) z)/sqrt(1 - rho)), z standard normal, h = Phi^-1(mean): exact where the margin to failure is
    Gaussian and additive in what is known and what is not, rho being the epistemic share of the margin (O. Vasicek,
    Risk 15, 160, 2002). E p^2 = Phi(h) - 2 T(h, sqrt((1-rho)/(1+rho))) with Owen's T, solved for rho by bisection.
    """
    inside = (mean > 0.0) & (mean < 1.0)
    h = ndtri(np.where(inside, mean, 0.5))
    low, high = np.zeros_like(mean), np.ones_like(mean)
    for _ in range(50):
        rho = 0.5 * (low + high)
        excess = ndtr(h) - 2.0 * owens_t(h, np.sqrt((1.0 - rho) / (1.0 + rho))) - mean**2
        less = excess < variance
        low, high = np.where(less, rho, low), np.where(less, high, rho)
    quantile = ndtr((h + np.sqrt(low) * ndtri(q)) / np.sqrt(1.0 - low))
    return np.asarray(np.where(inside & (variance > 0.0), quantile, mean))


def _probit_jackknife(theta: Floats, level: float) -> Estimate:
    """Return the estimate of a probability, its interval made on the probit scale so that it stays within 0 and 1."""
    if np.ptp(theta) == 0.0:  # never or always seen: leaving out a draw says nothing
        return Estimate(float(theta[0]), np.nan, np.nan, np.nan, np.nan)
    each = jackknife(ndtri(np.clip(theta, 1e-300, 1.0 - 1e-16)), level)
    return Estimate(float(theta[0]), jackknife(theta, level).se, float(ndtr(each.lo)), float(ndtr(each.hi)), each.dof)
