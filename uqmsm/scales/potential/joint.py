"""The joint law of functional and potential: for every functional its own posterior of the potential.

``p(theta, phi | data) = p(phi) p(theta | y(phi), experiment)``. What a functional phi says of cells of the alloy joins
what was measured; p(phi) stays what its authors made it, for the measured data here are too few to choose among
functionals. So a ledger can tell the doubt about the functional from the doubt about the potential given it.

One chain is sampled with the functionals' covariance added to the noise, where every functional's posterior is likely,
and reweighted to each of them (see `uqmsm.posterior.conditional`). It is their covariance and not their variances: a
functional errs on many data at once, and a chain that believed its errors independent would look for posteriors where
there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.potential import zhou_from_free
from uqmsm.scales.potential.first_principles import KINDS, FirstPrinciples
from uqmsm.scales.potential.model import CalibrationModel, Prediction

__all__ = ["Functionals", "JointModel"]

Floats = NDArray[np.float64]

_WIDTH_OF = {
    "lattice_excess": "ln_s_lattice_parameter",
    "formation_energy": "ln_s_formation_energy",
    "C11": "ln_s_C11",
    "C12": "ln_s_C12",
    "C44": "ln_s_C44",
}
"""Kind of first-principles datum -> the width of the inadequacy that it shares."""


@dataclass(frozen=True)
class JointModel(CalibrationModel):
    """Prior and likelihood with first-principles data of one functional, or of any.

    Parameters
    ----------
    said
        What the functionals say.
    functional
        Row of `said.values` that is believed; None adds the covariance over all of them to the noise instead.
    formation_width
        Prior of the inadequacy of formation energies: its median (eV per atom) and the sd of its logarithm.

    Notes
    -----
    The inadequacy of the lattice of a cell has the width of the alloy's lattice parameter, that of an element's elastic
    constant the width of that constant: the same classes of quantity.
    """

    said: FirstPrinciples | None = None
    functional: int | None = None
    formation_width: tuple[float, float] = (0.02, 1.0)

    @cached_property
    def _prior(self) -> tuple[tuple[str, ...], Floats, Floats]:
        names, mean, sd = super()._prior
        if self.temperature is not None:
            return names, mean, sd
        median, log_sd = self.formation_width
        return (*names, "ln_s_formation_energy"), np.append(mean, np.log(median)), np.append(sd, log_sd)

    @property
    def widths(self) -> tuple[str, ...]:
        """Return the names of the widths of the inadequacy, that of formation energies last; none if tempered."""
        return (*super().widths, "ln_s_formation_energy") if self.temperature is None else ()

    def missed(self, points: Floats) -> tuple[Floats, Floats]:
        """Return what the potential says of the same, and the variance of its inadequacy, each (draws, data)."""
        said = self._needed
        values = zhou_from_free(self.elements, points[:, : self.free_count], self.lattice)
        if self.temperature is not None:
            return said.predicted(values), np.zeros((len(points), len(said.labels)))
        widths = np.array([self.widths.index(_WIDTH_OF[kind]) for kind in KINDS])
        return said.predicted(values), np.exp(2.0 * np.take(points, self.free_count + widths[said.kind], axis=1))

    @property
    def _needed(self) -> FirstPrinciples:
        if self.said is None:
            raise TypeError("a JointModel needs what the functionals say")
        return self.said

    def misses(self, points: Floats, prediction: Prediction) -> tuple[Floats, Floats]:
        """Return data minus prediction and its variance: the measured data first, then those of the functional.

        Where no functional is believed the variances are those of single data, whose errors are correlated.
        """
        said = self._needed
        miss, variance = super().misses(points, prediction)
        predicted, own = self.missed(points)
        noise = (self.temperature or 1.0) * said.numerical_sd**2
        if self.functional is None:
            data, noise = said.mean, noise + said.spread**2
        else:
            data = said.values[self.functional]
        return np.concatenate([miss, data - predicted], axis=1), np.concatenate([variance, own + noise], axis=1)

    def log_likelihood(self, points: Floats, prediction: Prediction) -> Floats:
        """Return the logarithm of the density of the data given each draw, shape (draws,)."""
        miss, variance = super().misses(points, prediction)
        return _log_normal(miss, variance) + self.log_said(*self.missed(points))

    def log_said(self, predicted: Floats, own: Floats) -> Floats:
        """Return the logarithm of the density of what the functional says, or all of them, shape (draws,).

        Parameters
        ----------
        predicted, own
            As from `missed`.
        """
        said = self._needed
        noise = own + (self.temperature or 1.0) * said.numerical_sd**2
        if self.functional is not None:
            return _log_normal(said.values[self.functional] - predicted, noise)
        return _log_correlated(said.mean - predicted, noise, said.covariance)


@dataclass(frozen=True)
class Functionals:
    """The posteriors given each functional; see `uqmsm.posterior.conditional.ConditionalDensity`.

    Parameters
    ----------
    reference
        The model that believes no functional in particular.
    """

    reference: JointModel

    def __len__(self) -> int:
        """Return the number of functionals."""
        return len(self.reference._needed.functionals)  # noqa: SLF001  # the same room

    def given(self, number: int) -> JointModel:
        """Return the model that believes one functional."""
        return replace(self.reference, functional=number)

    def log_ratios(self, points: Floats) -> Floats:
        """Return log(likelihood given each functional / given any), shape (functionals, points).

        Prior and measured data are the same in both and cancel.
        """
        both = self.reference.missed(points)
        base = self.reference.log_said(*both)
        return np.stack([self.given(number).log_said(*both) - base for number in range(len(self))])


def _log_normal(miss: Floats, variance: Floats) -> Floats:
    return np.asarray(-0.5 * (miss**2 / variance + np.log(2.0 * np.pi * variance)).sum(axis=1))


def _log_correlated(miss: Floats, variance: Floats, covariance: Floats) -> Floats:
    """Return log N(miss; 0, diag(variance) + covariance) of each draw, shape (draws,)."""
    found = np.full(len(miss), np.nan)  # of a crystal without constants: no density anyway
    there = np.isfinite(miss).all(axis=1)
    if not there.any():
        return found
    whole = covariance + variance[there, :, None] * np.eye(miss.shape[1])
    factor = np.linalg.cholesky(whole)  # one matrix at a time: a draw's bytes do not depend on its mates
    z = np.linalg.solve(factor, miss[there][..., None])[..., 0]
    logs = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    found[there] = -0.5 * (z * z).sum(axis=1) - logs - 0.5 * miss.shape[1] * np.log(2.0 * np.pi)
    return found
