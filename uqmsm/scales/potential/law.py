"""The law of a potential's parameters, learnt from data once and then drawn from.

Learning has four steps: a Laplace approximation for coordinates; a pilot run whose draws say at which parameters cells
are relaxed; the ratio relaxed / average atom from these cells; the full sampling with that ratio in the likelihood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import digest
from uqmsm.posterior import Chains, Observed, Posterior, Sampling, Whitening, keep, sample
from uqmsm.posterior.remembering import Remembering
from uqmsm.scales.potential.identity import of_run, of_shipped
from uqmsm.scales.potential.model import ALLOY_QUANTITIES, CalibrationModel, StatedPrior
from uqmsm.scales.potential.relaxed_ratio import fewest_cells, ratio_from
from uqmsm.scales.potential.relaxing import relaxed_ratio
from uqmsm.scales.potential.targets import Target, targets
from uqmsm.streams import Streams

__all__ = ["Learnt", "PotentialDraw", "ZhouPosterior"]

Floats = NDArray[np.float64]
Map = Callable[..., Iterable[Any]]

# of one core of 2024, for `cost`: an evaluation per element, and a relaxation with its elastic constants per atom
SECONDS_AN_ELEMENT = 5e-6
_SECONDS_AN_ATOM = 2e-4
_SECONDS_SHIPPED = 5.0
"""To read draws that are shipped, ask what they would have foretold, and keep them in the run folder."""


@dataclass(frozen=True)
class PotentialDraw:
    """One draw: the table of parameters (n_elements, columns) and what is known of the form's inadequacy.

    `discrepancy_mean` and `discrepancy_sd`, shape (5,), are the normal law of log(true / predicted) for the alloy's
    lattice parameter, C11, C12, C44 and misfit volumes, given this draw and the alloy's data. `widths`, shape (4,), are
    those of an alloy of other composition, which has no data and so no mean; None where the law does not say. `stored`,
    shape (draws, n_elements, columns), are all draws that this one was chosen from; None where it was not.
    """

    values: Floats
    discrepancy_mean: Floats
    discrepancy_sd: Floats
    widths: Floats | None = None
    learnt_at: tuple[float, ...] = ()
    stored: Floats | None = None


@dataclass(frozen=True)
class Learnt:
    """The law after learning: every draw is one of the stored ones, chosen by one uniform.

    Parameters
    ----------
    values, discrepancy_mean, discrepancy_sd
        As in `PotentialDraw`, with a leading axis of draws.
    fingerprint
        Digest of the draws.
    shortfalls
        What had not converged when sampling stopped; empty when all had.
    widths
        As in `PotentialDraw`, with a leading axis of draws.
    learnt_at
        Atomic fractions of the alloy whose data the inadequacy is tied to.
    """

    values: Floats
    discrepancy_mean: Floats
    discrepancy_sd: Floats
    fingerprint: str
    shortfalls: tuple[str, ...] = ()
    widths: Floats | None = None
    learnt_at: tuple[float, ...] = ()

    def draw(self, rng: Generator) -> PotentialDraw:
        """Return one stored draw."""
        i = int(rng.random() * len(self.values))
        widths = None if self.widths is None else self.widths[i]
        mean, sd = self.discrepancy_mean[i], self.discrepancy_sd[i]
        return PotentialDraw(self.values[i], mean, sd, widths, self.learnt_at, self.values)


@dataclass(frozen=True)
class ZhouPosterior:
    """The posterior of the Zhou potential of an alloy, given measured and first-principles data.

    Parameters
    ----------
    elements
        Chemical symbols, in the order of the composition.
    composition
        Atomic fractions; where they are equal, the data of the equimolar alloy are used beside those of its elements.
    lattice
        Crystal of the alloy; the elements are described in it.
    relaxed_draws, relaxed_cells
        At how many draws, and in how large a cell, the ratio of relaxed cells to the average atom is learnt.
    shipped
        Take the draws that come with uqmsm for just this posterior (same fingerprint) instead of computing them.
    sampling
        How long and how well.
    prior
        Priors that this study states; the others are those of ``data/zhou_prior.csv``.
    inadequacy
        What stands for the error of the form: ``learnt``, a law of its own per class of quantity whose widths the data
        teach, or ``tempered``, a likelihood flattened by how badly the best fit does (Frederiksen et al. 2004).
    held_out
        How the posterior is asked to foretell each class of quantity that it has not seen: by ``weights`` on its draws,
        which costs nothing and cannot always be trusted, or ``anew``, by chains that have not seen it, where not.
    relaxation
        How the likelihood gets from the average atom to relaxed cells: by one ``constant`` ratio with its scatter over
        draws, or by a ``surrogate`` of it over the parameters, which takes more cells (`relaxed_draws`).
    """

    serves_every_composition: ClassVar[bool] = True

    elements: tuple[str, ...]
    composition: tuple[float, ...]
    lattice: Literal["bcc", "fcc"] = "bcc"
    relaxed_draws: int = 20
    relaxed_cells: tuple[int, int, int] = (6, 6, 6)
    shipped: bool = False
    sampling: Sampling = Sampling()
    prior: tuple[StatedPrior, ...] = ()
    inadequacy: Literal["learnt", "tempered"] = "learnt"
    held_out: Literal["weights", "anew"] = "weights"
    relaxation: Literal["constant", "surrogate"] = "constant"

    def __post_init__(self) -> None:
        """Refuse what cannot be learnt."""
        if len(self.elements) != len(self.composition) or len(set(self.elements)) != len(self.elements):
            raise StudyError(
                f"{len(self.composition)} fractions for the elements {list(self.elements)}; name every element once, "
                "with one fraction each"
            )
        if min(self.composition, default=0.0) <= 0 or abs(sum(self.composition) - 1) > 1e-6:
            raise StudyError(
                f"composition {list(self.composition)} sums to {sum(self.composition):g}; fractions must be positive "
                "and sum to 1"
            )
        if self.relaxed_draws < 8 or min(self.relaxed_cells) < 3:
            raise StudyError(
                f"relaxed_draws = {self.relaxed_draws}, relaxed_cells = {list(self.relaxed_cells)}: at least 8 draws "
                "(for a standard deviation) of at least 3 x 3 x 3 cells are needed"
            )
        few = fewest_cells(10 * len(self.elements) - 1)
        if self.relaxation == "surrogate" and (self.relaxed_draws < few or self.inadequacy != "learnt"):
            raise StudyError(
                f"relaxation = surrogate with relaxed_draws = {self.relaxed_draws}, inadequacy = {self.inadequacy}: a "
                f"line in so many parameters is learnt from {few} cells or more, beside an inadequacy that is learnt; "
                f"write relaxed_draws: {2 * few}, or relaxation: constant"
            )

    @cached_property
    def model(self) -> CalibrationModel:
        """Return prior and likelihood, the ratio to relaxed cells still a guess."""
        data = targets(self.elements, self.composition, self.lattice)
        model = CalibrationModel(self.elements, self.composition, self.lattice, data, stated=self.prior)
        return self.tempered(model)

    def tempered(self, model: CalibrationModel) -> CalibrationModel:
        """Return the model with Frederiksen's temperature, where that stands for the inadequacy; else as it is."""
        if self.inadequacy == "learnt":
            return model
        from uqmsm.scales.potential.diagnostics import natural_temperature

        return replace(model, temperature=natural_temperature(model, model.start))

    @property
    def fingerprint(self) -> str:
        """Return which posterior it is (not of the seed): see `uqmsm.scales.potential.identity`."""
        settings = settled_as(self)
        # younger than draws that are shipped
        for late, usual in (("prior", ()), ("inadequacy", "learnt"), ("relaxation", "constant")):
            if settings[late] == usual:
                del settings[late]
        identity = of_shipped if self.shipped else of_run
        return identity(settings, self.elements, self.composition, self.lattice)

    def learn(self, mapping: Map, seed: int, stored: Path, tell: Callable[[str], None]) -> Any:
        """Return the law learnt; see `uqmsm.uncertainty.LearnableLaw`.

        Chains that were broken off go on where they stood, if prior, likelihood, data, code and seed are the same.

        Raises
        ------
        StudyError
            When the shipped draws are wanted and belong to another posterior.
        NotConverged
            When sampling could not begin. Sampling that ended too early is told by `Learnt.shortfalls`.
        """
        posterior = self._found(seed, stored)
        if posterior is None:
            kept = Remembering(mapping, stored.with_suffix(".blocks"), digest(self.fingerprint, seed), tell)
            posterior, beside = self.gathered(kept, seed, tell)
            posterior.save(stored, {**beside, "held_out": self._foretold(posterior, kept, seed, tell)})
            kept.forget()
        return self.law_in(posterior, stored)

    def _foretold(self, posterior: Posterior, mapping: Map, seed: int, tell: Callable[[str], None]) -> xr.Dataset:
        """Return how the posterior foretells what it has not seen; see `uqmsm.scales.potential.foretelling`."""
        from uqmsm.scales.potential.foretelling import foretold

        model = self.tempered(replace(self.model, ratio=ratio_from(posterior.facts["ratio"])))

        def rngs(group: str) -> list[Generator]:
            return [Streams(seed).generator(f"held_out.{group}", i) for i in range(self.sampling.ensembles)]

        points = posterior.points.reshape(-1, len(posterior.names))
        anew = (laplace, self.sampling, rngs) if self.held_out == "anew" else None
        return foretold(model, points, anew, mapping, tell)

    def gathered(
        self, mapping: Map, seed: int, tell: Callable[[str], None]
    ) -> tuple[Posterior, Mapping[str, xr.Dataset]]:
        """Return the posterior, shipped or computed, and the groups that are kept beside its own."""
        return (Posterior.load(self.shipped_file()) if self.shipped else self.posterior(mapping, seed, tell)), {}

    def law_in(self, posterior: Posterior, stored: Path) -> Any:
        """Return the law that draws from a kept posterior; the groups beside it are in the file."""
        return self.law_of(posterior)

    def cost(self) -> float:
        """Return the seconds of one core that learning takes, as measured: nearly all are evaluations of the density.

        Where quantities are held out anew, every class of them is taken to need chains of its own, as in MoNbTaW.
        """
        seconds = _SECONDS_SHIPPED if self.shipped else self.sampling_cost()
        if self.held_out == "weights":
            return seconds
        from uqmsm.scales.potential.foretelling import groups_of, loose

        shorter = loose(self.sampling).lengths / self.sampling.lengths
        return seconds + len(set(groups_of(self.model))) * shorter * self.chain_cost()

    def sampling_cost(self) -> float:
        """Return the seconds of one core that the draws take: a chain, and cells that are relaxed."""
        atoms = float(np.prod(self.relaxed_cells)) * (2 if self.lattice == "bcc" else 4)
        cells = self.relaxed_draws * atoms if len(self.elements) > 1 else 0.0
        return self.chain_cost() + _SECONDS_AN_ATOM * cells

    def chain_cost(self) -> float:
        """Return the seconds of one core that the chains of one posterior take.

        How many blocks are needed is known at the end; half of the most is what MoNbTaW took.
        """
        walkers = self.sampling.ensembles * self.sampling.walkers_per_parameter * len(self.model.names)
        evaluations = walkers * self.sampling.block * max(1.0, 0.5 * self.sampling.most_blocks)
        return SECONDS_AN_ELEMENT * len(self.elements) * evaluations

    def law_of(self, posterior: Posterior) -> Learnt:
        """Return the law that draws from a kept posterior."""
        from uqmsm.physics.potential import zhou_from_free

        points = posterior.points.reshape(-1, len(posterior.names))
        model = replace(self.model, ratio=ratio_from(posterior.facts["ratio"]))
        values = zhou_from_free(self.elements, points[:, : model.free_count], self.lattice)
        mean, sd = model.discrepancy(points)
        widths, fingerprint = model.widths_of(points), digest(posterior.fingerprint, values, mean, sd)
        return Learnt(values, mean, sd, fingerprint, posterior.shortfalls, widths, self.composition)

    def posterior(self, mapping: Map, seed: int, tell: Callable[[str], None] = lambda _: None) -> Posterior:
        """Compute the posterior; `learn` is this with a file around it."""
        return self.kept(*self.sampled(mapping, seed, tell), seed)

    def sampled(self, mapping: Map, seed: int, tell: Callable[[str], None]) -> tuple[CalibrationModel, Chains]:
        """Return the density, its ratio to relaxed cells learnt, and chains of it."""
        streams = Streams(seed)
        model = self.tempered(replace(self.model, ratio=relaxed_ratio(self, laplace, mapping, streams, tell)))
        if model.temperature is not None:
            tell(f"tempered likelihood: T0 = {model.temperature:.3g} of {len(model.data)} measured data")
        rngs = [streams.generator("zhou_posterior.ensemble", i) for i in range(self.sampling.ensembles)]
        return model, sample(model, laplace(model), self.sampling, rngs, mapping, tell)

    def kept(self, model: CalibrationModel, chains: Chains, seed: int) -> Posterior:
        """Return draws of the chains beside all that explains them."""
        facts = {
            "seed": seed,
            "settings": asdict(self),
            "ratio": asdict(model.ratio),
            "ratio_of": list(ALLOY_QUANTITIES),
            "temperature": model.temperature,
            "units": dict(zip(model.properties, ["angstrom", *["GPa"] * 3, *["angstrom^3"] * 8], strict=False))
            | {name: "eV" for name in model.names if name.endswith(".F3")},
        }
        return keep(
            chains,
            self.sampling.draws,
            Streams(seed).generator("zhou_posterior.keep", 0),
            names=model.names,
            property_names=model.properties,
            prior=(model.prior_mean, model.prior_sd),
            observed=[_observed(datum) for datum in model.data],
            replicate=model.replicate,
            fingerprint=self.fingerprint,
            facts=facts,
        )

    def _found(self, seed: int, stored: Path) -> Posterior | None:
        """Return the posterior of an earlier run of the same study, if the file holds it."""
        if not stored.is_file():
            return None
        posterior = Posterior.load(stored)
        same = posterior.fingerprint == self.fingerprint and (self.shipped or posterior.facts["seed"] == seed)
        return posterior if same else None

    def shipped_file(self) -> Path:
        """Return the file that comes with uqmsm and holds just this posterior.

        Raises
        ------
        StudyError
            When there is none.
        """
        kept = sorted(tables.folder().glob("posterior_*.nc"))
        for path in kept:
            if Posterior.fingerprint_in(path) == self.fingerprint:
                return path
        raise StudyError(
            f"no shipped posterior ({', '.join(path.name for path in kept) or 'there is none'}) belongs to these "
            f"elements, data and settings in this version of the mathematics (fingerprint {self.fingerprint[:12]}); "
            "write  shipped: false  to compute it"
        )


def settled_as(law: ZhouPosterior) -> dict[str, Any]:
    """Return the settings on which the draws depend: not where they come from, nor how they are asked to foretell."""
    settings = asdict(law)
    for name in ("shipped", "held_out"):
        del settings[name]
    return settings


def _observed(datum: Target) -> Observed:
    where = "at 0 K" if datum.temperature_K == 0 else f"at {datum.temperature_K:g} K"
    note = (
        f"{datum.kind}, {datum.measured:g} {datum.unit} {where}, brought to 0 K by {datum.to_zero:.5f}: {datum.source}"
    )
    return Observed(datum.label, datum.value, datum.unit, datum.log_sd, datum.verified, note)


def laplace(model: CalibrationModel) -> Whitening:
    """Return coordinates in which the posterior is about standard normal: its mode and curvature by Gauss-Newton.

    The optimiser starts from the published parameters; sampling forgets where it started. The widths of the inadequacy
    stay at their prior medians here.
    """
    from scipy.optimize import least_squares

    k = model.free_count
    mean, sd = model.prior_mean, model.prior_sd

    def residuals(z: Floats) -> Floats:
        points = np.concatenate([mean[:k] + sd[:k] * z, mean[k:]])[None]
        miss, variance = model.misses(points, model.predict(points, with_misfits=False))
        every = np.concatenate([(miss / np.sqrt(variance))[0], z])
        return np.where(np.isfinite(every), every, 1e3)

    start = (model.start - mean[:k]) / sd[:k]
    found = least_squares(residuals, start, max_nfev=200)
    factor = np.diag(sd)
    factor[:k, :k] = sd[:k, None] * np.linalg.cholesky(np.linalg.inv(found.jac.T @ found.jac))
    return Whitening(np.concatenate([mean[:k] + sd[:k] * found.x, mean[k:]]), factor)
