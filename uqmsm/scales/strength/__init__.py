"""How far a dislocation is held by the solutes of this member, and how wrong the theory itself may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.strength.crystal import at_training_composition, member
from uqmsm.scales.strength.form import GRID_K, FormDraw, LearntForm, MeasuredElsewhere
from uqmsm.scales.strength.recipe import TRAINABLE, Recipe, published_crystal
from uqmsm.scales.upstream import field_of, location
from uqmsm.stochastic import Given, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, Uncertain, settled

__all__ = ["LAWS", "EdgeStrength", "FormDraw", "LearntForm", "MeasuredElsewhere"]

LAWS = {"measured_elsewhere": MeasuredElsewhere}
"""Laws that a study may write in this scale's fields, beside the general ones."""


@dataclass(frozen=True)
class EdgeStrength:
    """Solute strengthening of random alloys: Maresca-Curtin (bcc edge) or Varvenne-Curtin (fcc).

    Parameters
    ----------
    theory
        ``bcc_edge_maresca_2020`` or ``fcc_varvenne_2016``.
    strain_rate
        Of the service load.
    line_tension
        alpha in alpha mu b^2; the theory's own value when left out.
    modulus_rule
        Which shear modulus of a cubic crystal the theory uses.
    interpolation
        Between low and high temperature.
    strength_form
        Error of the strengthening theory. log(measured / theory) over temperature: ``measured_elsewhere`` learns it
        from measured alloys, given the member's own potential and softening; a number or a general law states it.
    lot
        Scatter from ingot to ingot. In log stress: published yield stresses of one alloy scatter by about 10 %.
    """

    theory: Literal["bcc_edge_maresca_2020", "fcc_varvenne_2016"] = "bcc_edge_maresca_2020"
    strain_rate: Annotated[float, Unit("1/s")] = 1e-3
    line_tension: float | None = None
    modulus_rule: Literal["cubic_edge", "voigt", "hill", "fcc_curtin"] = "cubic_edge"
    interpolation: Literal["two_branch", "smooth"] = "smooth"
    strength_form: Annotated[Uncertain, Unit("1")] = Epistemic(MeasuredElsewhere())  # type: ignore[arg-type]  # learnt before it draws
    lot: Annotated[Uncertain, Unit("1")] = 0.0

    def __post_init__(self) -> None:
        """Tell the law of the theory's error which theory it judges; refuse one that is for another crystal."""
        if not self.strain_rate > 0:
            raise StudyError(f"strain_rate = {self.strain_rate:g} per second must be positive; give the load's")
        if self.line_tension is not None and not self.line_tension > 0:
            raise StudyError(
                f"line_tension = {self.line_tension:g} must be positive; leave it out for the theory's own"
            )
        form: Any = self.strength_form
        law = getattr(form, "law", None)
        if isinstance(law, MeasuredElsewhere) and law.recipe != self.recipe:
            object.__setattr__(self, "strength_form", replace(form, law=law.bound(self.recipe)))
        if isinstance(law, LearntForm) and law.elsewhere.recipe != self.recipe:
            # a refinement of the theory's choices: the same rows judge another recipe
            again = law.elsewhere.bound(self.recipe).learnt()
            object.__setattr__(self, "strength_form", replace(form, law=again))

    @property
    def recipe(self) -> Recipe:
        """Return the open choices of the theory."""
        return Recipe(self.theory, self.strain_rate, self.line_tension, self.modulus_rule, self.interpolation)

    @property
    def elsewhere(self) -> MeasuredElsewhere | None:
        """Return what the theory's error is learnt from, if it is learnt."""
        law = getattr(self.strength_form, "law", None)
        if isinstance(law, LearntForm):
            return law.elsewhere
        return law if isinstance(law, MeasuredElsewhere) else None

    @property
    def inputs(self) -> Ports:
        """What the member is at service temperature, and what it would be elsewhere."""
        return (
            Port("elements", "1", ("element",)),
            Port("composition", "1", ("element",)),
            Port("misfit_volumes", "angstrom^3", ("element",)),
            Port("temperature", "K"),
            Port("cold_moduli", "GPa", ("constant",)),
            Port("cold_lattice_parameter", "angstrom"),
            Port("softening_deviate", "1"),
            Port("softening_offset", "1/K", ("constant",)),
            Port("expansion_offset", "1/K"),
            Port("potential_elements", "1", ("element",)),
            Port("potential_parameters", "1", ("element", "column")),
        )

    @property
    def outputs(self) -> Ports:
        """Resolved yield stress with and without the theory's own error."""
        return (
            Port("crss", "MPa", meaning="resolved yield stress at service temperature and rate"),
            Port("crss_theory", "MPa", meaning="the same before the theory's own error"),
            Port("barrier", "eV", meaning="energy barrier at zero stress"),
            Port("log_form_ratio", "1", meaning="log(measured / theory) drawn for this member"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The theory's own form, and the ingot."""
        return law_sources(self)

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where the theory, or what its error is learnt from, speaks of another material or temperature."""
        lattice, phase = field_of(upstream, "composition", "lattice"), self.recipe.phase
        if lattice is not None and lattice != phase:
            yield f"theory = {self.theory} is for {phase}, and the alloy is {lattice}; choose a theory for {lattice}"
        elsewhere = self.elsewhere
        if elsewhere is None:
            return
        alloy = field_of(upstream, "composition", "elements")
        trained = TRAINABLE[phase][elsewhere.alloy]
        if alloy is not None and set(alloy) != set(trained):
            yield (
                f"strength_form learns the theory's error for {elsewhere.alloy}, and the alloy is {''.join(alloy)}; "
                "name a training alloy of the same elements, or state strength_form as a number or a general law"
            )
        temperature = location(field_of(upstream, "temperature", "temperature"))
        centre, window = elsewhere.service_temperature, elsewhere.window
        coldest, hottest = GRID_K[0], GRID_K[-1]
        if temperature is not None and not coldest <= temperature <= hottest:
            yield (
                f"strength_form learns the theory's error between {coldest:g} and {hottest:g} K, and the service "
                f"temperature is {temperature:g} K, where nothing was measured; choose a temperature in between, or "
                "state strength_form as a number or a general law"
            )
        elif temperature is not None and abs(temperature - centre) > window:
            yield (
                f"strength_form keeps the measurements at {centre:g} ± {window:g} K out of its training, and the "
                f"service temperature is {temperature:g} K, where it trains; write  service_temperature: "
                f"{temperature:g} K"
            )

    def warm_up(self) -> None:
        """Compile the kernels of the average atom once."""
        for phase, alloys in TRAINABLE.items():
            published_crystal(next(iter(alloys)), phase)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        if self.theory == "fcc_varvenne_2016":
            return ("strengthening: C. Varvenne, A. Luque, W. A. Curtin, Acta Mater. 118, 164 (2016)",)
        return ("strengthening: F. Maresca, W. A. Curtin, Acta Mater. 182, 235 (2020)",)

    def comparisons(self) -> tuple[dict[str, Any], ...]:
        """Return the measurements that the training left out, to lay beside the prediction."""
        if self.elsewhere is None:
            return ()
        return tuple(
            {
                "what": f"yield strength of {row.alloy}, {row.temperature_K:g} K, cast, kept out of the training",
                "port": "yield_strength",
                "measured": row.yield_MPa,
                "unit": "MPa",
                "source": row.ingot,
                "verified": True,
            }
            for row in self.elsewhere.left_out
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.002

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Predict one member."""
        temperature = float(given["temperature"])
        crystal, recipe = member(given), self.recipe
        tau, barrier = recipe.stress(crystal, temperature)
        draw: Any = self.strength_form  # a law until it is settled, then a number or a function yet to be evaluated
        if isinstance(draw, FormDraw):
            nominal = at_training_composition(crystal, given, draw.law.elsewhere.alloy, recipe.phase)
            own = [recipe.stress(nominal, row_K)[0] for row_K in draw.law.rows_K]
            log_ratio = draw.log_ratio(temperature, np.array(own))
        else:
            log_ratio = settled(draw)
        return {
            "crss": tau * np.exp(log_ratio + settled(self.lot)),
            "crss_theory": tau,
            "barrier": barrier,
            "log_form_ratio": log_ratio,
        }
