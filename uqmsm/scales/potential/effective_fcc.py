"""The potential of effective fcc elements, learnt from alloys: Co, Cr, Fe and Mn have no fcc data of their own.

The prior is nickel, scaled (`uqmsm.physics.potential.effective_fcc`). What identifies the elements are all equimolar
alloys of them that are in the tables: the alloy itself, and its kin through their average atom. Where of an alloy only
the Young's modulus of a polycrystal is known, it is compared with Hill's average, whose inadequacy follows from that of
the three constants to first order.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import code_digest, digest
from uqmsm.physics.potential import average_atom, free_from, zhou_from_free
from uqmsm.physics.potential.effective_fcc import effective_fcc, effective_rows, spread, whole_cutoff
from uqmsm.physics.potential.free import PER_ELEMENT
from uqmsm.scales.potential.alloy_targets import kin_of, targets_of_kin, young_and_slopes
from uqmsm.scales.potential.identity import of_data
from uqmsm.scales.potential.law import ZhouPosterior, settled_as
from uqmsm.scales.potential.model import ALLOY_QUANTITIES, CalibrationModel, Prediction
from uqmsm.scales.potential.targets import Target

__all__ = ["EffectiveFccModel", "EffectiveFccPosterior"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _WithKin(Prediction):
    """A prediction with that of the alloy's kin, shape (draws, alloys, 4)."""

    kin: Floats


@dataclass(frozen=True)
class EffectiveFccModel(CalibrationModel):
    """Prior scaled from nickel; likelihood of nickel, the alloy and its kin.

    The ratio relaxed / average atom is learnt for the alloy. Its kin have smaller misfits and so a ratio between none
    and the alloy's: they get the alloy's, with as much again as its standard deviation.
    """

    @cached_property
    def _prior(self) -> tuple[tuple[str, ...], Floats, Floats]:
        names, mean, sd = super()._prior
        rows = {row["parameter"]: float(row["sd"]) for row in tables.rows("zhou_prior.csv") if row["lattice"] == "fcc"}
        own = np.delete(spread(self.elements, rows).reshape(-1), len(PER_ELEMENT) - 1)
        return names, np.concatenate([self.start, mean[len(own) :]]), np.concatenate([own, sd[len(own) :]])

    @property
    def start(self) -> Floats:
        """Return the numbers scaled from nickel."""
        return free_from(effective_fcc(self.elements), "fcc")

    @property
    def cutoff_angstrom(self) -> float | None:
        """Return a cutoff beyond the sixth shell."""
        return whole_cutoff(effective_fcc(self.elements).values)

    @cached_property
    def _kin(self) -> tuple[tuple[str, ...], Floats, tuple[Target, ...]]:
        """Return names, compositions and data of the kin."""
        compositions = kin_of(self.elements, self.composition)
        data = tuple(datum for datum in self.data if datum.material in compositions)
        names = tuple(dict.fromkeys(datum.material for datum in data))
        fractions = np.array([compositions[name] for name in names]).reshape(len(names), len(self.elements))
        return names, fractions, data

    @cached_property
    def _direct(self) -> CalibrationModel:
        """Return the model of nickel and the alloy alone."""
        kin = set(self._kin[0])
        data = tuple(datum for datum in self.data if datum.material not in kin)
        return CalibrationModel(self.elements, self.composition, self.lattice, data, self.ratio)

    def predict(self, points: Floats, *, with_misfits: bool = True) -> Prediction:
        """Return what data can be compared with, that of the kin included; see `CalibrationModel.predict`."""
        plain = super().predict(points, with_misfits=with_misfits)
        fractions = self._kin[1]
        values = zhou_from_free(self.elements, points[:, : self.free_count], self.lattice)
        found = average_atom(values[:, None], fractions, self.lattice, with_misfits=False)
        kin = np.stack([getattr(found, quantity) for quantity in ALLOY_QUANTITIES], axis=-1)
        unstable = (np.asarray(found.status) > 0).any(axis=1) & (plain.reason == 0)
        reason = np.where(unstable, 3, plain.reason).astype(np.int8)
        return _WithKin(plain.elements, plain.alloy, plain.misfit, plain.volume, reason, kin)

    def misses(self, points: Floats, prediction: Prediction) -> tuple[Floats, Floats]:
        """Return log(datum / prediction) and its variance: nickel and alloy first, then the kin."""
        if not isinstance(prediction, _WithKin):
            raise TypeError("a prediction of another model")
        miss, variance = self._direct.misses(points, prediction)
        names, _, data = self._kin
        own = np.exp(2.0 * points[:, self.free_count : self.free_count + 4])
        mean, doubt = np.array(self.ratio.mean), np.square(self.ratio.mean) + np.square(self.ratio.sd)
        more = np.empty((2, len(points), len(data)))
        with np.errstate(invalid="ignore"):
            for i, datum in enumerate(data):
                found = prediction.kin[:, names.index(datum.material)]
                if datum.quantity == "young_modulus":
                    value, slopes = young_and_slopes(found[:, 1:])
                    weights = np.concatenate([np.zeros((len(points), 1)), slopes], axis=1)
                else:
                    k = ALLOY_QUANTITIES.index(datum.quantity)
                    value, weights = found[:, k], np.eye(4)[[k] * len(points)]
                more[0, :, i] = np.log(datum.value) - np.log(value) - (weights * mean).sum(axis=1)
                more[1, :, i] = datum.log_sd**2 + (weights**2 * (own + doubt)).sum(axis=1)
        return np.concatenate([miss, more[0]], axis=1), np.concatenate([variance, more[1]], axis=1)

    def discrepancy(self, points: Floats) -> tuple[Floats, Floats]:
        """Return mean and sd of the alloy's inadequacy; that of its kin is another alloy's."""
        return self._direct.discrepancy(points)

    def replicate(self, points: Floats, rng: np.random.Generator) -> Floats:
        """Return posterior-predictive data, shape (draws, data), in the data's units."""
        miss, variance = self.misses(points, self.predict(points))
        logs = np.log([datum.value for datum in self.data])
        return np.exp(logs - miss + np.sqrt(variance) * rng.standard_normal(miss.shape))


@dataclass(frozen=True)
class EffectiveFccPosterior(ZhouPosterior):
    """The posterior of the Zhou potential of effective fcc elements, given data of nickel and of alloys.

    Parameters
    ----------
    elements, composition, relaxed_draws, relaxed_cells, sampling
        As in `ZhouPosterior`; the elements are among Co, Cr, Fe, Mn and Ni, the first of them not Mn.
    lattice
        fcc.
    shipped
        Take the draws that come with uqmsm for just this posterior (``data/posterior_cantor.nc``).
    held_out
        As in `ZhouPosterior`.
    relaxation
        As it is: constant, for the alloy's kin share its ratio.
    prior, inadequacy
        As they are: nickel, scaled, and learnt.
    """

    family: ClassVar[str] = "effective_fcc"
    lattice: Literal["bcc", "fcc"] = "fcc"
    relaxed_cells: tuple[int, int, int] = (4, 4, 4)

    def __post_init__(self) -> None:
        """Refuse what is no effective fcc element or cannot be learnt."""
        super().__post_init__()
        effective_rows(self.elements)
        if self.lattice != "fcc":
            raise StudyError(f"lattice = {self.lattice}: effective fcc elements are those of fcc; write  lattice: fcc")
        if self.prior or self.inadequacy != "learnt":
            raise StudyError(
                "prior, inadequacy: the prior of effective fcc elements is nickel, scaled, and their inadequacy is "
                "learnt; remove both"
            )
        if self.relaxation != "constant":
            raise StudyError(
                "relaxation: the alloy's kin share one ratio of relaxed cells; write constant, or remove it"
            )
        if self.elements[0] == "Mn":
            raise StudyError("elements begin with Mn, whose published numbers set no unit of density; name it later")

    @cached_property
    def model(self) -> CalibrationModel:
        """Return prior and likelihood, the ratio to relaxed cells still a guess."""
        return EffectiveFccModel(self.elements, self.composition, self.lattice, self._data)

    @cached_property
    def _data(self) -> tuple[Target, ...]:
        return targets_of_kin(self.elements, self.composition)

    def chain_cost(self) -> float:
        """Return the seconds of one core of one chain, as measured: three times that without kin."""
        return 3.0 * super().chain_cost()

    @property
    def fingerprint(self) -> str:
        """Return which posterior it is (not of the seed): see `uqmsm.scales.potential.identity`."""
        settings = settled_as(self)
        del settings["relaxation"]
        known = of_data(settings, [asdict(datum) for datum in self._data], effective_rows(self.elements), self.lattice)
        return known if self.shipped else digest(known, code_digest("uqmsm.scales.potential.effective_fcc"))
