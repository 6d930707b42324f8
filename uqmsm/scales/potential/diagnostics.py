"""What experts ask of a potential's posterior: what the data tell apart, what evaporates, what they would foretell.

The questions are those of `uqmsm.posterior` (information, profile, holdout, calibration); here they meet prior,
likelihood and the exact derivatives of the potential.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.potential.sensitivity import ANSWERS, sensitivity
from uqmsm.posterior import Whitening
from uqmsm.posterior.holdout import HeldOut, hold_out
from uqmsm.posterior.information import Spectrum, fisher, spectrum
from uqmsm.posterior.profile import Profile, profile
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.targets import Target

__all__ = [
    "EIGHT",
    "Narrowed",
    "data_slopes",
    "held_out",
    "information",
    "laplace_of",
    "natural_temperature",
    "profiles",
    "simulated",
]

Floats = NDArray[np.float64]

EIGHT = ("ln_re", "ln_Ec", "ln_A", "ln_beta", "ln_alpha_over_beta", "ln_F2", "ln_kappa", "ln_lambda")
"""The parameters of one element on which its crystal at rest depends: all but F3 and the density's unit."""


@dataclass(frozen=True)
class Narrowed:
    """A posterior density in which only some parameters are free and the others stay where they are.

    Parameters
    ----------
    model
        Prior and likelihood.
    names
        The free parameters.
    at
        Values of all parameters of the model; those of the free ones are not used.
    """

    model: CalibrationModel
    names: tuple[str, ...]
    at: tuple[float, ...]

    @cached_property
    def where(self) -> NDArray[np.int64]:
        """Return the places of the free parameters among the model's."""
        known = self.model.names
        strange = [name for name in self.names if name not in known]
        if strange or len(self.at) != len(known):
            raise StudyError(
                f"{', '.join(strange) or len(self.at)}: free parameters are named, and {len(known)} values given, as "
                f"the model has them: {', '.join(known)}"
            )
        return np.array([known.index(name) for name in self.names])

    @property
    def properties(self) -> tuple[str, ...]:
        """Return the names of what is handed on."""
        return self.model.properties

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why a point may have no density."""
        return self.model.reasons

    def whole(self, points: Floats) -> Floats:
        """Return points with all parameters from free ones, shape (n, d)."""
        full = np.tile(np.array(self.at), (len(points), 1))
        full[:, self.where] = points
        return full

    def log_density(self, points: Floats) -> tuple[Floats, NDArray[np.int8]]:
        """Return logarithm of the density, up to a constant, and reasons; shape (n,) each."""
        return self.model.log_density(self.whole(points))

    def derived(self, points: Floats) -> Floats:
        """Return the properties, shape (n, properties)."""
        return self.model.derived(self.whole(points))

    def with_data(self, data: Sequence[Target]) -> Narrowed:
        """Return the same with other data."""
        return replace(self, model=replace(self.model, data=tuple(data)))


def natural_temperature(model: CalibrationModel, start: Floats) -> float:
    """Return ``T0 = 2 C0 / Np`` of the data's own uncertainties, and 1 where the form meets the data better than that.

    Of the measured data; see the notes of `CalibrationModel`.

    Parameters
    ----------
    model
        Data and form; its widths of inadequacy are left out.
    start
        The potential's own parameters from where the best fit is sought, shape (free_count,).
    """
    cold = CalibrationModel(
        model.elements, model.composition, model.lattice, model.data, model.ratio, model.stated, temperature=1.0
    )
    residuals = _residuals(Narrowed(cold, cold.names, tuple(start)), with_prior=False)
    twice = _least(residuals, np.asarray(start, dtype=np.float64), cold.prior_sd)[1]
    return max(1.0, twice / len(cold.names))


def data_slopes(model: CalibrationModel, points: Floats) -> Floats:
    """Return the derivatives of the logarithms of all predictions in all parameters, shape (draws, data, d).

    Raises
    ------
    StudyError
        When the model has data of another kind, whose derivatives are not known.
    """
    if model.misses(points[:1], model.predict(points[:1], with_misfits=False))[0].shape[1] != len(model.data):
        raise StudyError(
            "derivatives are known for measured data of elements and alloy, not for cells of a functional; ask the "
            "model without them"
        )
    free, unit = points[:, : model.free_count], np.eye(len(model.elements))
    out = np.zeros((len(points), len(model.data), len(model.names)))
    for material in dict.fromkeys(datum.material for datum in model.data):
        alone = material in model.elements
        composition = unit[model.elements.index(material)] if alone else np.array(model.composition)
        slopes = sensitivity(model.elements, free, composition, model.lattice).slopes
        for k, datum in enumerate(model.data):
            if datum.material == material:
                out[:, k, : model.free_count] = slopes[:, ANSWERS.index(datum.quantity)]
    return out


def information(model: CalibrationModel, point: Floats) -> Spectrum:
    """Return the Fisher information of the data at one point, in units of the prior.

    Parameters
    ----------
    model
        Prior and likelihood; widths of the inadequacy are parameters, about which variances inform.
    point
        Shape (d,), with a posterior density.

    Raises
    ------
    StudyError
        When there is no crystal at that point.
    """
    points = np.asarray(point, dtype=np.float64)[None]
    _, variance = model.misses(points, model.predict(points, with_misfits=False))
    twice = np.zeros((len(model.data), len(model.names)))
    step = 1e-3  # variance = noise + exp(2 ln s): the derivative 2 exp(2 ln s) follows from one exact difference
    for name in model.widths:
        k = model.names.index(name)
        moved = points.copy()
        moved[0, k] += step
        more = model.misses(moved, model.predict(moved, with_misfits=False))[1]
        twice[:, k] = (2.0 * (more - variance) / np.expm1(2.0 * step))[0]
    found = fisher(data_slopes(model, points)[0], variance[0], twice)
    return spectrum(found, model.names, model.prior_sd)


def _residuals(density: Narrowed, *, with_prior: bool) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return ``point -> (residuals, derivatives)`` for least squares; NaN where there is no crystal."""
    model, where = density.model, density.where
    count = len(model.data) + (len(where) if with_prior else 0)
    mean, sd = model.prior_mean[where], model.prior_sd[where]

    def of(point: Floats) -> tuple[Floats, Floats]:
        full = density.whole(point[None])
        try:
            prediction = model.predict(full, with_misfits=False)
        except ZeroDivisionError:  # so far out that all densities or forces underflow: no crystal
            return np.full(count, np.nan), np.zeros((count, len(where)))
        miss, variance = model.misses(full, prediction)
        root = np.sqrt(variance[0])
        found = np.where(prediction.reason[0] == 0, miss[0] / root, np.nan)
        slopes = -data_slopes(model, full)[0][:, where] / root[:, None]
        if not with_prior:
            return found, slopes
        return np.concatenate([found, (point - mean) / sd]), np.concatenate([slopes, np.diag(1.0 / sd)])

    return of


def _least(
    residuals: Callable[[Floats], tuple[Floats, Floats]], start: Floats, scale: Floats
) -> tuple[Floats, float, Floats]:
    """Return the best point, its sum of squares and the derivatives there."""
    from scipy.optimize import least_squares

    if not np.isfinite(residuals(start)[0]).all():
        raise NotConverged("the best fit cannot begin where there is no crystal; start from the published parameters")
    found = least_squares(
        lambda z: residuals(start + scale * z)[0],
        np.zeros(len(start)),
        lambda z: residuals(start + scale * z)[1] * scale,
        max_nfev=200,
    )
    return start + scale * found.x, 2.0 * float(found.cost), np.asarray(found.jac / scale)


def laplace_of(density: Narrowed, start: Floats) -> Whitening:
    """Return mode and Gauss-Newton curvature of the posterior of the potential's own parameters, widths held.

    Parameters
    ----------
    density
        None of its free parameters may be a width of the inadequacy: it does not act through the residuals.
    start
        Shape (free,), with a posterior density.

    Raises
    ------
    StudyError
        When a width is free.
    NotConverged
        When the start has no density.
    """
    if density.where.max() >= density.model.free_count:
        raise StudyError("the Laplace approximation by least squares holds widths of inadequacy; free the others only")
    scale = density.model.prior_sd[density.where]
    mode, _, slopes = _least(_residuals(density, with_prior=True), start, scale)
    return Whitening(mode, np.linalg.cholesky(np.linalg.inv(slopes.T @ slopes)))


def profiles(
    density: Narrowed, start: Floats, names: Sequence[str], *, with_prior: bool = False, reach: float = 8.0
) -> tuple[Profile, ...]:
    """Return profiles of named parameters; without the prior they tell which parameters evaporate.

    Parameters
    ----------
    density, start
        As in `laplace_of`.
    names
        The parameters held in turn.
    with_prior
        Profile the posterior rather than the likelihood.
    reach
        How far is looked, in prior standard deviations on each side.
    """
    scale = density.model.prior_sd[density.where]
    of = _residuals(density, with_prior=with_prior)
    return tuple(
        profile(of, start, density.names, name, step=0.25 * float(scale[density.names.index(name)]),
                most_steps=int(np.ceil(4.0 * reach)), scale=scale)
        for name in names
    )  # fmt: skip


def held_out(
    model: CalibrationModel,
    points: Floats,
    fit: Callable[[CalibrationModel], Floats] | None = None,
    by: Literal["quantity", "material", "label"] = "quantity",
) -> tuple[HeldOut, ...]:
    """Return how well each quantity is foretold by the others.

    Parameters
    ----------
    model
        Prior, likelihood and all data.
    points
        Posterior draws given all data, shape (draws, d).
    fit
        ``fit(model without the quantity's data) -> its posterior draws (n, d)``, for quantities whose weights cannot
        be trusted.
    by
        What is left out together: a class of quantity in all materials, all of a material, or single data.
    """
    groups = [str(getattr(datum, by)) for datum in model.data]

    def judged(draws: Floats) -> tuple[Floats, Floats]:
        return model.misses(draws, model.predict(draws, with_misfits=False))

    def refit(group: str) -> tuple[Floats, Floats, float]:
        rest = tuple(datum for datum, name in zip(model.data, groups, strict=True) if name != group)
        return *judged(fit(replace(model, data=rest)) if fit is not None else points), np.nan

    return hold_out(*judged(points), groups, refit if fit is not None else None)


def simulated(density: Narrowed, rng: Generator) -> tuple[Floats, Narrowed]:
    """Return a truth drawn from the prior of the free parameters, and the density given data made from it.

    The data have the materials, quantities and uncertainties of the model's; their numbers are the truth's, with new
    inadequacy and new noise.

    Raises
    ------
    NotConverged
        When the prior hardly ever has a crystal.
    """
    mean, sd = density.model.prior_mean[density.where], density.model.prior_sd[density.where]
    for _ in range(1000):
        truth = mean + sd * rng.standard_normal(len(mean))
        if density.log_density(truth[None])[1][0] == 0:
            numbers = density.model.replicate(density.whole(truth[None]), rng)[0]
            pairs = zip(density.model.data, numbers, strict=True)
            return truth, density.with_data([replace(d, measured=float(y), to_zero=1.0) for d, y in pairs])
    raise NotConverged("none of 1000 draws of the prior has a crystal; check the prior")
