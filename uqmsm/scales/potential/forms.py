"""Which form of potential is right: one that is learnt, and rivals as they are, weighed by what they foretell.

Every form foretells data of alloys that it has not seen; the weights are those of the mixture that foretells them best
(`uqmsm.posterior.stacking`). A rival's numbers are certain, its inadequacy is not: it has widths of its own, with the
prior of the learnt form, so that both are judged by one rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.fingerprint import code_digest, digest
from uqmsm.physics.potential.engines import Rival
from uqmsm.posterior import Posterior, Sampling
from uqmsm.posterior.holdout import hold_out
from uqmsm.posterior.stacking import stacking_weights
from uqmsm.scales.potential.alloy_targets import kin_of
from uqmsm.scales.potential.effective_fcc import EffectiveFccPosterior
from uqmsm.scales.potential.joint_law import JointDraw, JointLearnt, JointPosterior
from uqmsm.scales.potential.law import Learnt, Map, PotentialDraw, ZhouPosterior
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.relaxed_ratio import ratio_from
from uqmsm.scales.potential.rivals import RivalModel, Seen, seen_of
from uqmsm.streams import Streams

__all__ = ["FormsDraw", "FormsLearnt", "FormsPosterior"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FormsDraw:
    """One draw of every form; which form it is, is chosen by its own source."""

    law: FormsLearnt
    place: int

    def of(self, uniform: float, functional: int | None = None) -> tuple[int, PotentialDraw]:
        """Return the form that a uniform number chooses (0: the learnt one) and its draw.

        A rival's draw has the parameters of the learnt form beside its own inadequacy. Those who read them ask where to
        begin a relaxation, and how half an atomic per cent moves a theory: not what the material is.

        Parameters
        ----------
        uniform
            Between 0 and 1.
        functional
            Number of the functional, where the learnt form's draws depend on it. A rival's numbers do not.
        """
        law, i = self.law, self.place
        ends = np.cumsum(law.weights)
        form = min(int(np.searchsorted(ends / ends[-1], uniform, side="right")), len(ends) - 1)
        learnt = law.at(i, functional)
        if form == 0:
            return 0, learnt
        return form, replace(
            learnt,
            discrepancy_mean=law.rival_mean[form - 1, i],
            discrepancy_sd=law.rival_sd[form - 1, i],
            widths=None if law.rival_widths is None else law.rival_widths[form - 1, i],
        )


@dataclass(frozen=True)
class FormsLearnt:
    """The law after learning.

    Parameters
    ----------
    learnt
        Draws of the form with parameters.
    weights
        Of the learnt form and each rival, shape (forms,).
    rival_mean, rival_sd
        Inadequacy of each rival, shape (rivals, draws, 5).
    rivals
        The rivals.
    fingerprint
        Digest of all.
    shortfalls
        What had not converged when sampling stopped, and forms whose held-out scores are not to be trusted.
    rival_widths
        Widths of each rival's inadequacy, shape (rivals, draws, 4): its law in alloys of other composition.
    """

    learnt: Learnt | JointLearnt
    weights: Floats
    rival_mean: Floats
    rival_sd: Floats
    rivals: tuple[Rival, ...]
    fingerprint: str
    shortfalls: tuple[str, ...] = ()
    rival_widths: Floats | None = None

    def draw(self, rng: Generator) -> FormsDraw:
        """Return one place in the lists."""
        count = self.learnt.values.shape[1 if isinstance(self.learnt, JointLearnt) else 0]
        return FormsDraw(self, int(rng.random() * count))

    @property
    def given(self) -> tuple[str, ...]:
        """Return what the draws of the learnt form depend on."""
        return self.learnt.given if isinstance(self.learnt, JointLearnt) else ()

    def at(self, place: int, functional: int | None) -> PotentialDraw:
        """Return one draw of the learnt form."""
        own = self.learnt
        if isinstance(own, JointLearnt):
            if functional is None:
                raise TypeError("the learnt form waits for a functional")
            return JointDraw(own, place).of(functional)
        widths = None if own.widths is None else own.widths[place]
        mean, sd = own.discrepancy_mean[place], own.discrepancy_sd[place]
        return PotentialDraw(own.values[place], mean, sd, widths, own.learnt_at)


@dataclass(frozen=True)
class FormsPosterior(ZhouPosterior):
    """A posterior of the Zhou potential beside rivals of other form, weighed by what they foretell of alloys.

    Parameters
    ----------
    elements, composition, lattice, relaxed_draws, relaxed_cells, shipped, sampling, prior, inadequacy, held_out
        Of the form that is learnt, as in `ZhouPosterior`; the inadequacy is ``learnt``, for all forms alike.
    relaxation
        Of it too.
    family
        What is learnt: ``zhou`` from elements and alloy, ``joint`` from these and from first principles, given each
        functional of an ensemble, ``effective_fcc`` from fcc alloys.
    rivals
        The other forms.
    rival_cells, configurations
        In how large and how many random cells each alloy is computed with each rival.
    pseudo_count
        Data that every form is credited with before any is seen: with few data stacking alone trusts one form too soon.
    functionals, draws_each, functional, formation_width, least_effective, each
        Of the family ``joint``, as in `JointPosterior`.

    Notes
    -----
    With the family ``joint`` four sources of doubt stand apart in a ledger: the functional (of the stage of scale dft),
    the parameters given it, the form, and the inadequacy of whichever form is drawn (at service temperature). The
    weights of the forms are those by which alloys are foretold whatever the functional: of the posterior that believes
    none in particular.

    At compositions that have no data every form has its whole inadequacy, with the widths that its own data teach, and
    the weights stay those of the alloys with data: which form is right is taken to be a matter of its elements.
    """

    family: Literal["zhou", "joint", "effective_fcc"] = "zhou"
    rivals: tuple[Rival, ...] = ()
    rival_cells: tuple[int, int, int] = (4, 4, 4)
    configurations: int = 3
    pseudo_count: float = 0.5
    functionals: int = 32
    draws_each: int = 250
    functional: str = "dft.functional"
    formation_width: tuple[float, float] = (0.02, 1.0)
    least_effective: float = 100.0
    each: Sampling | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be weighed."""
        super().__post_init__()
        if self.inadequacy != "learnt":
            raise StudyError(
                f"inadequacy = {self.inadequacy!r}: forms are weighed by what each foretells, its inadequacy included, "
                "so all of them learn theirs; write  inadequacy: learnt"
            )
        names = [rival.name for rival in self.rivals]
        if not names or len(set(names)) != len(names):
            raise StudyError(f"rivals {names}: at least one other form is needed, each with a name of its own")
        if self.configurations < 2 or min(self.rival_cells) < 2 or self.pseudo_count < 0:
            raise StudyError(
                f"configurations = {self.configurations}, rival_cells = {list(self.rival_cells)}, pseudo_count = "
                f"{self.pseudo_count:g}: at least 2 cells (for a standard error) of 2 x 2 x 2 and a count that is not "
                "negative are needed"
            )
        if len(self.elements) < 2 or not self.scored:
            raise StudyError(
                f"there are no data of the alloy {'-'.join(self.elements)} by which forms could be weighed; choose one "
                "with rows in data/reference.csv, or one form alone"
            )

    @cached_property
    def inner(self) -> ZhouPosterior:
        """Return the law of the form that is learnt."""
        kinds = {"zhou": ZhouPosterior, "joint": JointPosterior, "effective_fcc": EffectiveFccPosterior}
        kind = kinds[self.family]
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})

    @property
    def _learnt_name(self) -> str:
        return "zhou" if self.family == "joint" else self.family

    @property
    def given(self) -> tuple[str, ...]:
        """Return what the draws depend on."""
        return tuple(getattr(self.inner, "given", ()))

    @property
    def model(self) -> CalibrationModel:
        """Return prior and likelihood of the form that is learnt."""
        return self.inner.model

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """Return the rows of the model's data on which forms are weighed: those of alloys."""
        return tuple(i for i, datum in enumerate(self.model.data) if datum.material not in self.elements)

    @property
    def fingerprint(self) -> str:
        """Return which law it is: that of the learnt form, the rivals and how they are weighed."""
        own = [self.rivals, self.rival_cells, self.configurations, self.pseudo_count]
        return digest(self.inner.fingerprint, own, code_digest("uqmsm.scales.potential.forms"))

    def cost(self) -> float:
        """Return the seconds of one core that learning takes, roughly."""
        atoms = float(np.prod(self.rival_cells)) * (2 if self.lattice == "bcc" else 4)
        return self.inner.cost() + 0.03 * atoms * self.configurations * len(self.rivals) * len(self._compositions)

    def gathered(
        self, mapping: Map, seed: int, tell: Callable[[str], None]
    ) -> tuple[Posterior, Mapping[str, xr.Dataset]]:
        """Return the posterior of the learnt form, shipped or computed, and beside it what the forms are worth.

        Raises
        ------
        StudyError
            When an engine is not installed or refuses its potential.
        NotConverged
            When sampling or weighing could not begin.
        """
        found, beside = self.inner.gathered(mapping, seed, tell)
        posterior = replace(found, fingerprint=self.fingerprint)
        return posterior, {**beside, "model_forms": self._weighed(posterior, mapping, seed, tell)}

    def law_in(self, posterior: Posterior, stored: Path) -> FormsLearnt:
        """Return the law that draws from what was kept."""
        with xr.open_dataset(stored, group="model_forms", engine="h5netcdf") as opened:
            group = opened.load()
        learnt = self.inner.law_in(posterior, stored)
        weights, means, sds, free = (
            group[name].values for name in ("weight", "rival_mean", "rival_sd", "rival_widths")
        )
        loose = [str(label) for label, k in zip(group["datum"].values, group["k_hat"].values, strict=True) if k >= 0.7]
        late = (*learnt.shortfalls, *((f"held-out scores of {', '.join(loose)} rest on few draws",) if loose else ()))
        fingerprint = digest(learnt.fingerprint, weights, means, sds, free)
        return FormsLearnt(learnt, weights, means, sds, self.rivals, fingerprint, late, free)

    @cached_property
    def _compositions(self) -> dict[str, NDArray[np.float64]]:
        """Return name -> fractions of the alloy and of its kin with data, the alloy first."""
        own = "".join(sorted(self.elements)) if np.ptp(self.composition) < 1e-9 else "the alloy"
        every = kin_of(self.elements, self.composition) | {own: np.array(self.composition)}
        return {name: every[name] for name in dict.fromkeys([own, *(self.model.data[i].material for i in self.scored)])}

    def _with_ratio(self, posterior: Posterior) -> CalibrationModel:
        return replace(self.model, ratio=ratio_from(posterior.facts["ratio"]))

    def _weighed(self, posterior: Posterior, mapping: Map, seed: int, tell: Callable[[str], None]) -> xr.Dataset:
        """Score every form on every datum, weigh, and draw the rivals' inadequacies."""
        model = self._with_ratio(posterior)
        points = posterior.points.reshape(-1, len(posterior.names))
        miss, variance = model.misses(points, model.predict(points))
        data = [model.data[i] for i in self.scored]
        labels = [datum.label for datum in data]
        held = hold_out(miss[:, self.scored], variance[:, self.scored], labels)
        scores, means, sds, free = [[one.score for one in held]], [], [], []
        seen = self._seen(mapping, seed, tell)
        for k, rival in enumerate(self.rivals):
            widths = slice(model.free_count, model.free_count + 4)  # those of the alloy's quantities
            judged = RivalModel(seen[k], tuple(data), model.prior_mean[widths], model.prior_sd[widths])
            rng = Streams(seed).generator("forms.widths", k)
            drawn = judged.widths(rng)
            scores.append(list(judged.scores(drawn)))
            count = self.draws_each if self.family == "joint" else len(points)
            chosen = judged.posterior(drawn, count, rng)
            mean, sd = judged.discrepancy(chosen)
            means.append(mean)
            sds.append(sd)
            free.append(chosen)
            tell(f"form {rival.name}: log predictive density {sum(scores[-1]):.2f}, learnt form {sum(scores[0]):.2f}")
        table = np.array(scores).T
        weights = stacking_weights(table, self.pseudo_count)
        told = zip([self._learnt_name, *(rival.name for rival in self.rivals)], weights, strict=True)
        tell("weights of forms: " + ", ".join(f"{name} {weight:.2f}" for name, weight in told))
        k_hat = np.array([one.k_hat for one in held])
        return self._group(labels, table, weights, k_hat, (np.array(means), np.array(sds), np.array(free)))

    def _seen(self, mapping: Map, seed: int, tell: Callable[[str], None]) -> list[dict[str, Seen]]:
        """Compute every alloy with every rival."""
        streams, tasks, owners = Streams(seed), [], []
        start = self.model.start
        for k, rival in enumerate(self.rivals):
            for place, (name, fractions) in enumerate(self._compositions.items()):
                for i in range(self.configurations):
                    rng = streams.generator("forms.cells", (k * 64 + place) * 64 + i)
                    tasks.append(
                        (rival, self.elements, fractions, self.lattice, self.rival_cells, start, place == 0, rng)
                    )
                    owners.append((k, name))
        tell(f"forms: {len(tasks)} random cells of {len(self._compositions)} alloys with {len(self.rivals)} rivals")
        answers = list(mapping(seen_of, tasks))
        found: list[dict[str, Seen]] = []
        for k, rival in enumerate(self.rivals):
            found.append({})
            for name in self._compositions:
                rows = [a for a, owner in zip(answers, owners, strict=True) if owner == (k, name) and a is not None]
                if len(rows) < max(2, self.configurations // 2):
                    raise MemberFailed(
                        f"the form {rival.name} holds {len(rows)} of {self.configurations} random cells of {name}; it "
                        "cannot be weighed: leave it out of the rivals"
                    )
                found[k][name] = Seen.of(rows, self._compositions[name])
        return found

    def _group(
        self,
        labels: Sequence[str],
        scores: Floats,
        weights: Floats,
        k_hat: Floats,
        inadequacy: tuple[Floats, Floats, Floats],
    ) -> xr.Dataset:
        def words(text: str) -> dict[str, str]:
            return {"units": "1", "long_name": text, "sources": ""}

        of = ("rival", "draw", "quantity")
        forms = [self._learnt_name, *(rival.name for rival in self.rivals)]
        return xr.Dataset(
            {
                "score": (("datum", "form"), scores, words("log predictive density of a datum held out")),
                "weight": (("form",), weights, words("weight of the form, by stacking")),
                "k_hat": (("datum",), k_hat, words("tail shape of the learnt form's weights, trusted < 0.7")),
                "rival_mean": (of, inadequacy[0], words("mean of the rival's inadequacy, log(true / predicted)")),
                "rival_sd": (of, inadequacy[1], words("standard deviation of the rival's inadequacy")),
                "rival_widths": (
                    ("rival", "draw", "cold_quantity"),
                    inadequacy[2],
                    words("the same where no datum ties it down"),
                ),
            },
            {
                "datum": (("datum",), np.array(labels), words("datum")),
                "form": (("form",), np.array(forms), words("form of the potential")),
            },
        )
