"""Solute strength along temperature, with modulus and Poisson ratio of the same member at each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import field_of
from uqmsm.stochastic import Given, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, Normal, Uncertain, settled

__all__ = ["StrengthCurve"]


@dataclass(frozen=True)
class StrengthCurve:
    """Yield stress of a coarse-grained polycrystal along temperature: Varvenne-Curtin (fcc) or Maresca-Curtin (bcc).

    Modulus and Poisson ratio come from one member's elastic constants, so that they err together as they must: the
    pressure factor (1 + nu) / (1 - nu) and mu are one doubt, not two.

    Parameters
    ----------
    theory
        ``fcc_varvenne_2016`` or ``bcc_edge_maresca_2020``.
    strain_rate
        Of the test.
    modulus_rule
        Which shear modulus of a cubic crystal the theory uses.
    interpolation
        Between low and high temperature.
    strength_form
        Error of the strengthening theory. log(true / theory), the same at all temperatures.
    taylor_factor
        From resolved to tensile stress in a polycrystal without texture.
    read_at
        Temperature at which a single number is told; one of the curve's, or between them.
    """

    theory: Literal["fcc_varvenne_2016", "bcc_edge_maresca_2020"] = "fcc_varvenne_2016"
    strain_rate: Annotated[float, Unit("1/s")] = 1e-3
    modulus_rule: Literal["cubic_edge", "voigt", "hill", "fcc_curtin"] = "hill"
    interpolation: Literal["two_branch", "smooth"] = "smooth"
    strength_form: Annotated[Uncertain, Unit("1")] = Epistemic(Normal(0.0, 0.2))
    taylor_factor: float = 3.06
    read_at: Annotated[float, Unit("K")] = 293.0

    def __post_init__(self) -> None:
        """Refuse what is no test."""
        if not (self.strain_rate > 0 and self.taylor_factor > 0 and self.read_at >= 0):
            raise StudyError("strain_rate and taylor_factor must be positive, read_at not negative")

    @property
    def inputs(self) -> Ports:
        """The curves of the crystal."""
        return (
            Port("composition", "1", ("element",)),
            Port("misfit_volumes", "angstrom^3", ("element",)),
            Port("curve_temperature", "K", ("temperature",)),
            Port("curve_lattice_parameter", "angstrom", ("temperature",)),
            Port("curve_moduli", "GPa", ("temperature", "constant")),
        )

    @property
    def outputs(self) -> Ports:
        """Stresses along temperature."""
        return (
            Port("curve_yield_stress", "MPa", ("temperature",), "yield stress without grain boundaries"),
            Port("curve_theory_stress", "MPa", ("temperature",), "the same before the theory's own error"),
            Port("yield_stress", "MPa", meaning=f"yield stress without grain boundaries at {self.read_at:g} K"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The theory's own form."""
        return law_sources(self)

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where the theory speaks of another crystal, or the single number lies off the curve."""
        from uqmsm.physics.strength import THEORIES

        lattice, phase = field_of(upstream, "composition", "lattice"), THEORIES[self.theory].phase
        if lattice is not None and lattice != phase:
            yield f"theory = {self.theory} is for {phase}, and the alloy is {lattice}; choose a theory for {lattice}"
        told = field_of(upstream, "curve_temperature", "temperatures")
        if told is not None and not told[0] <= self.read_at <= told[-1]:
            yield f"read_at = {self.read_at:g} K lies off the curve from {told[0]:g} to {told[-1]:g} K"

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        if self.theory == "fcc_varvenne_2016":
            return ("strengthening: C. Varvenne, A. Luque, W. A. Curtin, Acta Mater. 118, 164 (2016)",)
        return ("strengthening: F. Maresca, W. A. Curtin, Acta Mater. 182, 235 (2020)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.002

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Predict one member's curve."""
        from uqmsm.physics.strength import THEORIES, effective_moduli, solute_strength

        theory, temperatures = THEORIES[self.theory], given["curve_temperature"]
        C11, C12, C44 = given["curve_moduli"].T
        moduli = effective_moduli(C11, C12, C44, self.modulus_rule)
        found = solute_strength(
            moduli.shear_GPa, moduli.poisson, theory.burgers_per_a * given["curve_lattice_parameter"],
            given["composition"], given["misfit_volumes"], temperature_K=temperatures,
            strain_rate_per_s=self.strain_rate, theory=theory, interpolation=self.interpolation,
        )  # fmt: skip
        stress = self.taylor_factor * found.tau_MPa
        form = np.exp(settled(self.strength_form))
        return {
            "curve_yield_stress": stress * form,
            "curve_theory_stress": stress,
            "yield_stress": float(np.interp(self.read_at, temperatures, stress)) * form,
        }
