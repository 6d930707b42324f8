"""The law of a potential whose posterior depends on the functional: learnt once, kept, then drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.fingerprint import digest
from uqmsm.posterior import Conditionals, Posterior, Sampling, conditionals
from uqmsm.scales.potential.alloy_targets import young_and_slopes
from uqmsm.scales.potential.first_principles import FirstPrinciples
from uqmsm.scales.potential.joint import Functionals, JointModel
from uqmsm.scales.potential.law import SECONDS_AN_ELEMENT, Map, PotentialDraw, ZhouPosterior
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.relaxed_ratio import ratio_from
from uqmsm.streams import Streams

__all__ = ["JointDraw", "JointLearnt", "JointPosterior"]

Floats = NDArray[np.float64]

_GROUP = "given_functional"
_SECONDS_A_CELL = 7e-6
"""Of one core of 2024, an evaluation of a cell on its sites, for `cost`."""


@dataclass(frozen=True)
class JointDraw:
    """One place in every functional's list of draws: which draw it is, is known when the functional is."""

    law: JointLearnt
    place: int

    def of(self, functional: int) -> PotentialDraw:
        """Return the draw given a functional.

        Raises
        ------
        MemberFailed
            When the posterior does not know this functional.
        """
        if functional not in self.law.functionals:
            raise MemberFailed(
                f"functional {functional} is none of the {len(self.law.functionals)} for which the potential was "
                "calibrated; give the stage of the functional and the potential the same set and number of functionals"
            )
        law, row, i = self.law, self.law.functionals.index(functional), self.place
        widths = None if law.widths is None else law.widths[row, i]
        return PotentialDraw(
            law.values[row, i], law.discrepancy_mean[row, i], law.discrepancy_sd[row, i], widths, law.learnt_at
        )


@dataclass(frozen=True)
class JointLearnt:
    """The law after learning.

    Parameters
    ----------
    functionals
        Number of each functional in its ensemble.
    values, discrepancy_mean, discrepancy_sd
        As in `PotentialDraw`, with leading axes (functionals, draws).
    given
        Label of the source of the functional.
    fingerprint
        Digest of the draws.
    shortfalls
        What had not converged when sampling stopped; empty when all had.
    widths, learnt_at
        As in `PotentialDraw`, the widths with leading axes (functionals, draws).
    """

    functionals: tuple[int, ...]
    values: Floats
    discrepancy_mean: Floats
    discrepancy_sd: Floats
    given: tuple[str, ...]
    fingerprint: str
    shortfalls: tuple[str, ...] = ()
    widths: Floats | None = None
    learnt_at: tuple[float, ...] = ()

    def draw(self, rng: Generator) -> JointDraw:
        """Return one place in the lists."""
        return JointDraw(self, int(rng.random() * self.values.shape[1]))


@dataclass(frozen=True)
class JointPosterior(ZhouPosterior):
    """The posterior of the Zhou potential for every functional of an ensemble.

    Parameters
    ----------
    elements, composition, lattice, relaxed_draws, relaxed_cells, shipped, sampling, prior, inadequacy, held_out
        As in `ZhouPosterior`.
    relaxation
        As there too.
    functionals
        How many functionals of the ensemble are used, the first ones; the stage of the functional says the same number.
    draws_each
        Draws kept given each functional.
    functional
        Label of the source of the functional, ``stage.field``.
    formation_width
        Prior of the inadequacy of formation energies: median (eV per atom) and sd of its logarithm.
    least_effective
        Effective draws below which a functional gets a chain of its own though its weights can be trusted.
    each
        How long and how well a chain of its own is sampled; as `sampling` where left out. It has to serve `draws_each`
        draws, which is less than is asked of the reference chain.

    Notes
    -----
    The draws given each functional lie in the order of the alloy's Young's modulus, so that one place means about the
    same material whatever the functional. Places are drawn evenly, so each is still an exact draw; but rows of a ledger
    that differ in the functional alone then differ by little else, and its share is known with a smaller error.
    """

    functionals: int = 32
    draws_each: int = 250
    functional: str = "dft.functional"
    formation_width: tuple[float, float] = (0.02, 1.0)
    least_effective: float = 100.0
    each: Sampling | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be learnt."""
        super().__post_init__()
        if self.functionals < 2 or self.draws_each < 50:
            raise StudyError(
                f"functionals = {self.functionals}, draws_each = {self.draws_each}: at least 2 functionals with 50 "
                "draws each are needed, or nothing can be told apart; write 32 and 250"
            )

    @property
    def given(self) -> tuple[str, ...]:
        """Return what the draws depend on."""
        return (self.functional,)

    @cached_property
    def said(self) -> FirstPrinciples:
        """Return what the functionals say of cells of these elements."""
        from uqmsm.scales.potential.first_principles import first_principles

        return first_principles(self.elements, self.lattice, self.functionals)

    @cached_property
    def model(self) -> JointModel:
        """Return prior and likelihood, the ratio to relaxed cells still a guess, no functional believed yet."""
        plain = super().model
        return JointModel(
            **{field.name: getattr(plain, field.name) for field in fields(CalibrationModel)},
            said=self.said, formation_width=self.formation_width,
        )  # fmt: skip

    @property
    def fingerprint(self) -> str:
        """Return which posterior it is: that of the measured data, and what the functionals say."""
        return digest(super().fingerprint, asdict(self.said))

    def gathered(
        self, mapping: Map, seed: int, tell: Callable[[str], None]
    ) -> tuple[Posterior, Mapping[str, xr.Dataset]]:
        """Return the posterior that believes no functional, shipped or computed, and the draws given each."""
        if self.shipped:
            path = self.shipped_file()
            return Posterior.load(path), {_GROUP: _read(path)}
        return self.computed(mapping, seed, tell)

    def law_in(self, posterior: Posterior, stored: Path) -> JointLearnt:
        """Return the law that draws from what was kept."""
        return self._law(posterior, _read(stored))

    def computed(
        self, mapping: Map, seed: int, tell: Callable[[str], None]
    ) -> tuple[Posterior, Mapping[str, xr.Dataset]]:
        """Compute the posterior that believes no functional, and the draws given each; `learn` is this with a file."""
        model, chains = self.sampled(mapping, seed, tell)
        rngs = [Streams(seed).generator("joint_posterior.functional", k) for k in range(self.functionals)]
        found = conditionals(
            Functionals(self._joint(model)), chains, self.each or self.sampling, rngs,
            draws=self.draws_each, mapping=mapping, tell=tell, least_ess=self.least_effective,
        )  # fmt: skip
        tell(
            f"{found.reweighted} of {self.functionals} functionals are served by the reference chain (k-hat up to "
            f"{found.k_hat.max():.2f}), {self.functionals - found.reweighted} by chains of their own"
        )
        return self.kept(model, chains, seed), {_GROUP: self._group(model, found)}

    def sampling_cost(self) -> float:
        """Return the seconds of one core that the draws take.

        Every functional is taken to need a chain of its own, as in MoNbTaW; how many do is known at the end.
        """
        own = self.each or self.sampling
        return super().sampling_cost() + self.chain_cost() * self.functionals * own.lengths / self.sampling.lengths

    def chain_cost(self) -> float:
        """Return the seconds of one core of one chain: cells cost as much as elements and alloy together."""
        cells = 1.0 + _SECONDS_A_CELL * len(self.said.cells) / (SECONDS_AN_ELEMENT * len(self.elements))
        return super().chain_cost() * cells

    def _joint(self, model: object) -> JointModel:
        if not isinstance(model, JointModel):
            raise TypeError(f"{type(model).__name__} is no joint model")
        return model

    def _group(self, model: CalibrationModel, found: Conditionals) -> xr.Dataset:
        def words(units: str, text: str) -> dict[str, str]:
            return {"units": units, "long_name": text, "sources": ""}

        each = ("functional",)
        points = np.stack([own[np.argsort(_stiffness(model, own), kind="stable")] for own in found.points])
        text = "parameters given each functional, in the order of the alloy's Young's modulus"
        return xr.Dataset(
            {
                "points": (("functional", "draw", "parameter"), points, words("1", text)),
                "k_hat": (each, found.k_hat, words("1", "tail shape of the reference chain's weights, trusted < 0.7")),
                "ess": (each, found.ess, words("1", "effective draws given each functional")),
                "own_chain": (
                    each,
                    np.array([int(one.own) for one in found.each]),
                    words("1", "1 where a chain of its own was sampled, 0 where the reference was reweighted"),
                ),
            },
            {
                "functional": (each, list(self.said.functionals), words("1", "number of the functional")),
                "parameter": (("parameter",), list(self.model.names), words("1", "sampled parameter")),
            },
            {
                "shortfalls": "; ".join(found.shortfalls),
                "reweighted": found.reweighted,
                "own_chains": len(found.each) - found.reweighted,
            },
        )

    def _law(self, posterior: Posterior, group: xr.Dataset) -> JointLearnt:
        from uqmsm.physics.potential import zhou_from_free

        model = replace(self.model, ratio=ratio_from(posterior.facts["ratio"]))
        points = group["points"].values
        count, draws, width = points.shape
        flat = points.reshape(-1, width)
        values = zhou_from_free(self.elements, flat[:, : model.free_count], self.lattice)
        mean, sd = model.discrepancy(flat)
        shaped = [x.reshape(count, draws, *x.shape[1:]) for x in (values, mean, sd)]
        widths = model.widths_of(flat).reshape(count, draws, -1)
        late = tuple(filter(None, (*posterior.shortfalls, str(group.attrs["shortfalls"]))))
        functionals = tuple(int(k) for k in group["functional"].values)
        fingerprint = digest(posterior.fingerprint, *shaped)
        known = (shaped[0], shaped[1], shaped[2], self.given, fingerprint, late)
        return JointLearnt(functionals, *known, widths, self.composition)


def _read(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, group=_GROUP, engine="h5netcdf") as group:
        return group.load()


def _stiffness(model: CalibrationModel, points: Floats) -> Floats:
    """Return Young's modulus of a random polycrystal of the average-atom alloy at each point, shape (draws,)."""
    return young_and_slopes(model.predict(points, with_misfits=False).alloy[:, 1:])[0]
