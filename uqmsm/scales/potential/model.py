"""Prior and likelihood of the potential's free parameters, the inadequacy of its form included.

A datum of quantity class q and material m is ``y = f(theta) exp(delta_qm) exp(noise)`` with the inadequacy
``delta_qm ~ N(0, s_q^2)``: what no parameters of this form can meet. The widths s_q are parameters like the others;
delta itself is integrated out exactly (M. C. Kennedy and A. O'Hagan, J. R. Stat. Soc. B 63, 425 (2001), reduced to one
independent number per datum). An element's lattice parameter and cohesive energy *are* parameters of the form, which
can therefore meet them: they carry no inadequacy, and that of lattices is learnt from the alloy.

For the alloy f is the average atom, times the ratio relaxed / average that was learnt from relaxed cells: its mean
enters the prediction, its scatter the variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential import average_atom, free_from, free_names, published, pure_crystals, zhou_from_free
from uqmsm.physics.potential.free import PER_ELEMENT
from uqmsm.physics.potential.zhou import RE
from uqmsm.scales.potential.relaxed_ratio import LearntRatio, RelaxedRatio
from uqmsm.scales.potential.targets import QUANTITIES, Target

__all__ = [
    "ALLOY_QUANTITIES",
    "DISCREPANCIES",
    "CalibrationModel",
    "Prediction",
    "RelaxedRatio",
    "StatedPrior",
    "prior_of",
]

Floats = NDArray[np.float64]

ALLOY_QUANTITIES = ("lattice_parameter", "C11", "C12", "C44")
"""What is known of the alloy, and corrected from the average atom to relaxed cells."""

DISCREPANCIES = (*ALLOY_QUANTITIES, "misfit")
"""The alloy's quantities to which inadequacy is handed on."""

_WIDTHS = tuple(f"ln_s_{quantity}" for quantity in ALLOY_QUANTITIES)


@dataclass(frozen=True)
class Prediction:
    """What many draws say: elements (draws, n, 5), alloy (draws, 4), misfit (draws, n), volume and reason (draws,)."""

    elements: Floats
    alloy: Floats
    misfit: Floats
    volume: Floats
    reason: NDArray[np.int8]


@dataclass(frozen=True)
class StatedPrior:
    """A prior that a study states in place of that of ``data/zhou_prior.csv``.

    Parameters
    ----------
    parameter
        Its name: ``ln_A`` for every element, ``W.ln_A`` for one, ``ln_s_C11`` for a width of the inadequacy.
    mean, sd
        Of the normal prior, in the unit of the parameter; what is left out stays as in the table.
    """

    parameter: str
    mean: float | None = None
    sd: float | None = None

    def __post_init__(self) -> None:
        """Refuse a statement that says nothing, or no width."""
        if (self.mean is None and self.sd is None) or (self.sd is not None and not self.sd > 0):
            raise StudyError(
                f"prior of {self.parameter}: mean = {self.mean}, sd = {self.sd}; state a mean, a positive sd, or both"
            )


def prior_of(
    elements: tuple[str, ...], lattice: str, stated: tuple[StatedPrior, ...] = ()
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return names, means and standard deviations of the independent normal prior; the widths' logarithms come last.

    The prior of the form's shape says: this metal is one more of the family of published metals. Its numbers, with
    their reasons, are those of ``data/zhou_prior.csv``; they are the same for every element, unless a study states its
    own.

    Raises
    ------
    StudyError
        When a stated prior names no parameter.
    """
    rows = {row["parameter"]: row for row in tables.rows("zhou_prior.csv") if row["lattice"] in (lattice, "any")}
    names = (*free_names(elements), *_WIDTHS)
    missing = set(PER_ELEMENT) - set(rows)
    if missing:
        raise StudyError(f"data/zhou_prior.csv: no prior for {', '.join(sorted(missing))} in {lattice}; add rows")
    mean, sd = (
        np.array([float(rows[name.rpartition(".")[2]][column]) for name in names]) for column in ("centre", "sd")
    )
    for one in stated:
        where = [i for i, name in enumerate(names) if one.parameter in {name, name.rpartition(".")[2]}]
        if not where:
            raise StudyError(f"prior of {one.parameter!r}: there is no such parameter; there are {', '.join(names)}")
        mean[where] = mean[where] if one.mean is None else one.mean
        sd[where] = sd[where] if one.sd is None else one.sd
    return names, mean, sd


@dataclass(frozen=True)
class CalibrationModel:
    """The posterior density of the free parameters and of the widths of the inadequacy.

    Parameters
    ----------
    elements, composition, lattice
        The alloy. The composition decides what the average atom is and whether alloy data apply.
    data
        What has to be met.
    ratio
        From the average atom to relaxed cells.
    stated
        Priors in place of those of the table.
    temperature
        T of a tempered likelihood; None for the law of the inadequacy. See Notes.

    Notes
    -----
    Tempered, the likelihood is taken to the power 1 / T in place of a law of the form's inadequacy. How wrong the form
    is shows in how badly its best fit does: with C0 half the sum of squares there and Np parameters, ``T0 = 2 C0 / Np``
    gives every parameter the share of that misfit as its thermal energy (S. L. Frederiksen, K. W. Jacobsen, K. S. Brown
    and J. P. Sethna, Phys. Rev. Lett. 93, 165501 (2004)). The parameters alone then carry the doubt: there are no
    widths, and `discrepancy` is zero.
    """

    elements: tuple[str, ...]
    composition: tuple[float, ...]
    lattice: str
    data: tuple[Target, ...]
    ratio: RelaxedRatio = RelaxedRatio()
    stated: tuple[StatedPrior, ...] = ()
    temperature: float | None = None

    reasons = (
        "fine",
        "no upper embedding branch of the form exists",
        "an element has no stable crystal",
        "the alloy has no stable crystal",
    )
    """Why a point has no posterior density: the prior is cut off there."""

    @cached_property
    def _prior(self) -> tuple[tuple[str, ...], Floats, Floats]:
        names, mean, sd = prior_of(self.elements, self.lattice, self.stated)
        count = len(names) if self.temperature is None else len(names) - len(_WIDTHS)
        return names[:count], mean[:count], sd[:count]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the sampled parameters."""
        return self._prior[0]

    @property
    def prior_mean(self) -> Floats:
        """Return the means of the normal prior."""
        return self._prior[1]

    @property
    def prior_sd(self) -> Floats:
        """Return the standard deviations of the normal prior."""
        return self._prior[2]

    @property
    def properties(self) -> tuple[str, ...]:
        """Return the names of what is handed on and therefore has to be sampled well."""
        alone = len(self.elements) == 1  # an element has no misfit with itself
        return ALLOY_QUANTITIES if alone else (*ALLOY_QUANTITIES, *(f"misfit_{name}" for name in self.elements))

    @property
    def widths(self) -> tuple[str, ...]:
        """Return the names of the widths of the inadequacy, the last of the parameters; none where it is tempered."""
        return _WIDTHS if self.temperature is None else ()

    @property
    def start(self) -> Floats:
        """Return the potential's own parameters from which a best fit is sought: the published ones."""
        return free_from(published(self.elements), self.lattice)

    @property
    def cutoff_angstrom(self) -> float | None:
        """Return where relaxed cells cut the potential off; None for the published cutoff.

        That one lies on the fifth shell of an fcc crystal; here it is beyond the sixth.
        """
        return None if self.lattice == "bcc" else 2.55 * float(published(self.elements).values[:, RE].max())

    @property
    def free_count(self) -> int:
        """Return the number of parameters that are the potential's own (the widths follow)."""
        return len(self.names) - len(self.widths)

    def predict(self, points: Floats, *, with_misfits: bool = True) -> Prediction:
        """Return everything that data can be compared with.

        Parameters
        ----------
        points
            Shape ``(draws, d)``.
        with_misfits
            Whether the misfit volumes are wanted, which the likelihood does without.
        """
        values = zhou_from_free(self.elements, points[:, : self.free_count], self.lattice)
        pure = pure_crystals(values, self.lattice)
        alloy = average_atom(values, self.composition, self.lattice, with_misfits=with_misfits)
        reason = np.zeros(len(points), dtype=np.int8)
        reason[np.asarray(alloy.status) > 0] = 3
        reason[(pure.status > 0).any(axis=1)] = 2
        reason[np.isnan(values[:, :, 0]).any(axis=1)] = 1
        elements = np.stack([getattr(pure, quantity) for quantity in QUANTITIES], axis=-1)
        mixed = np.stack([getattr(alloy, quantity) for quantity in ALLOY_QUANTITIES], axis=-1)
        atoms = 2 if self.lattice == "bcc" else 4
        volume = np.asarray(alloy.lattice_parameter) ** 3 / atoms
        return Prediction(elements, mixed, alloy.misfit_volumes, volume, reason)

    @cached_property
    def _plan(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats, Floats]:
        """Return for every datum: column of the prediction, class of inadequacy (or -1), log, noise variance, ratio."""
        width = len(self.elements) * len(QUANTITIES)
        columns, means, variances = [], [], []
        for datum in self.data:
            if datum.material in self.elements:
                columns.append(self.elements.index(datum.material) * len(QUANTITIES) + QUANTITIES.index(datum.quantity))
                means.append(0.0)
                variances.append(datum.log_sd**2)
            else:
                i = ALLOY_QUANTITIES.index(datum.quantity)
                columns.append(width + i)
                own = isinstance(self.ratio, LearntRatio)  # which is asked draw by draw
                means.append(0.0 if own else self.ratio.mean[i])
                variances.append(datum.log_sd**2 + (0.0 if own else self.ratio.sd[i] ** 2))
        exact = ("lattice_parameter", "cohesive_energy")  # of elements: parameters of the form themselves
        classes = np.array(
            [
                -1
                if datum.material in self.elements and datum.quantity in exact
                else ALLOY_QUANTITIES.index(datum.quantity)
                for datum in self.data
            ]
        )
        logs = np.log([datum.value for datum in self.data])
        return np.array(columns), classes, logs, np.array(variances), np.array(means)

    def misses(self, points: Floats, prediction: Prediction) -> tuple[Floats, Floats]:
        """Return log(datum / prediction) and its variance, inadequacy included, each of shape (draws, data)."""
        columns, classes, logs, noise, means = self._plan
        flat = np.concatenate([prediction.elements.reshape(len(points), -1), prediction.alloy], axis=1)
        flat = np.take(flat, columns, axis=1)  # rows stay contiguous, so that sums over data ignore the batch
        with np.errstate(invalid="ignore"):  # unstable crystals have negative constants; they are cut off by `reason`
            miss = logs - np.log(flat) - means
        if self.temperature is not None:
            return miss, np.tile(self.temperature * noise, (len(points), 1))
        own = np.exp(2.0 * np.take(points, self.free_count + np.maximum(classes, 0), axis=1))
        variance = np.where(classes >= 0, own, 0.0) + noise
        if isinstance(self.ratio, LearntRatio):
            mean, doubt = self.ratio.at(points[:, : self.free_count], prediction.alloy)
            mixed = np.flatnonzero(columns >= prediction.elements[0].size)
            quantity = columns[mixed] - prediction.elements[0].size
            miss[:, mixed] -= mean[:, quantity]
            variance[:, mixed] += doubt[:, quantity]
        return miss, variance

    def log_likelihood(self, points: Floats, prediction: Prediction) -> Floats:
        """Return the logarithm of the density of the data given each draw, shape (draws,)."""
        miss, variance = self.misses(points, prediction)
        return np.asarray(-0.5 * (miss**2 / variance + np.log(2.0 * np.pi * variance)).sum(axis=1))

    def log_density(self, points: Floats) -> tuple[Floats, NDArray[np.int8]]:
        """Return the logarithm of prior times likelihood, -inf where the prior is cut off, and the reason.

        Parameters
        ----------
        points
            Shape ``(draws, d)``.

        Returns
        -------
        values, reasons
            Shape ``(draws,)``; the reason is an index into `reasons`.
        """
        prediction = self.predict(points, with_misfits=False)
        likelihood = self.log_likelihood(points, prediction)
        z = (points - self.prior_mean) / self.prior_sd
        normalisation = np.log(2.0 * np.pi * self.prior_sd**2).sum()
        values = likelihood - 0.5 * ((z * z).sum(axis=1) + normalisation)
        return np.where(prediction.reason == 0, values, -np.inf), prediction.reason

    def derived(self, points: Floats) -> Floats:
        """Return the `properties` of the average-atom alloy, shape ``(draws, properties)``."""
        prediction = self.predict(points)
        return np.concatenate([prediction.alloy, prediction.misfit], axis=1)[:, : len(self.properties)]

    def discrepancy(self, points: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the inadequacy of the alloy's `DISCREPANCIES` for every draw.

        Where the alloy has a datum this is the exact conditional normal law of delta given parameters, widths and
        datum; without one it is the prior N(0, s_q^2). The misfit volumes have no data: if every element's volume is
        off by an independent relative 3 s_lattice, their norm ``sqrt(sum c DV^2)`` is off by
        ``3 s_lattice V sqrt(sum c^2 DV^2) / sum c DV^2``, which is taken as the width of one common factor.

        Returns
        -------
        mean, sd
            Shape ``(draws, 5)``, of the logarithm of true / predicted; zeros where the likelihood is tempered.
        """
        if self.temperature is not None:
            return np.zeros((len(points), 5)), np.zeros((len(points), 5))
        prediction = self.predict(points)
        miss, variance = self.misses(points, prediction)
        own = np.exp(2.0 * points[:, self.free_count : self.free_count + len(_WIDTHS)])
        mean, sd = np.zeros((len(points), 5)), np.zeros((len(points), 5))
        sd[:, :4] = np.sqrt(own)
        for i, datum in enumerate(self.data):
            if datum.material not in self.elements:
                k = ALLOY_QUANTITIES.index(datum.quantity)
                prior = own[:, k]
                mean[:, k] = prior / variance[:, i] * miss[:, i]
                sd[:, k] = np.sqrt(prior * (1.0 - prior / variance[:, i]))
        c = np.array(self.composition)
        square = (c * prediction.misfit**2).sum(axis=1)
        norm = np.sqrt((c**2 * prediction.misfit**2).sum(axis=1))
        lever = np.divide(norm, square, out=np.zeros_like(norm), where=square > 0)  # one element has no misfit
        sd[:, 4] = 3.0 * np.sqrt(own[:, 0]) * prediction.volume * lever
        return mean, sd

    def widths_of(self, points: Floats) -> Floats:
        """Return the widths s_q of `ALLOY_QUANTITIES`, shape (draws, 4): the law of an alloy that has no datum here."""
        if not self.widths:
            return np.zeros((len(points), len(_WIDTHS)))
        return np.exp(points[:, self.free_count : self.free_count + len(_WIDTHS)])

    def replicate(self, points: Floats, rng: np.random.Generator) -> Floats:
        """Return posterior-predictive data, shape (draws, data): new inadequacy and new noise, in the data's units."""
        miss, variance = self.misses(points, self.predict(points))
        miss, variance = miss[:, : len(self.data)], variance[:, : len(self.data)]
        return np.exp(self._plan[2] - miss + np.sqrt(variance) * rng.standard_normal(miss.shape))
