"""The crystal at service temperature, by a stated law of thermal softening."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.inadequacy import inadequacy
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, Normal, Uncertain, settled

__all__ = ["AtService", "MemberSoftening", "Service", "elements_of"]


@dataclass(frozen=True)
class MemberSoftening:
    """How a member's softening differs from the handbook's, at whatever composition.

    Attributes
    ----------
    deviate
        Standard deviations of the handbook's slopes.
    offset, expansion_offset
        Added to the slopes of C11, C12, C44, and to the thermal expansion (1/K).
    """

    deviate: float
    offset: NDArray[np.float64]
    expansion_offset: float

    def hot(self, elements: tuple[str, ...], composition: NDArray[np.float64]) -> tuple[Any, Any, Any]:
        """Return characteristic temperature (K), slopes and expansion (1/K) of an alloy."""
        from uqmsm.physics.softening import alloy_softening, element_softening

        law = alloy_softening(element_softening(elements), composition).deviated(self.deviate)
        return law.einstein_K, law.slope_per_K + self.offset, law.expansion_per_K + self.expansion_offset


@dataclass(frozen=True)
class AtService(ABC):
    """The crystal at service temperature, but for the law that softens it: that is for its kinds to say.

    Parameters
    ----------
    temperature
        Service temperature.
    """

    temperature: Annotated[Uncertain, Unit("K")] = 1073.0

    def __post_init__(self) -> None:
        """Refuse temperatures below absolute zero."""
        lowest = getattr(getattr(self.temperature, "law", None), "mean", self.temperature)
        if isinstance(lowest, float | int) and lowest < 0:
            raise StudyError(f"temperature = {lowest:g} K lies below absolute zero; give it in K, or write '800 degC'")

    @property
    def inputs(self) -> Ports:
        """Statics of the specimen, and what the posterior knows of the potential's misses."""
        return (
            Port("elements", "1", ("element",)),
            Port("composition", "1", ("element",)),
            Port("static_lattice_parameter", "angstrom"),
            Port("static_C11", "GPa"),
            Port("static_C12", "GPa"),
            Port("static_C44", "GPa"),
            Port("static_misfit_volumes", "angstrom^3", ("element",)),
            Port("discrepancy_mean", "1", ("quantity",)),
            Port("discrepancy_sd", "1", ("quantity",)),
            Port("atoms_per_cell", "1"),
            Port("potential_elements", "1", ("element",)),
            Port("inadequacy_widths", "1", ("cold_quantity",)),
            Port("learnt_at", "1", ("element",)),
        )

    @property
    def outputs(self) -> Ports:
        """Properties at service temperature."""
        return (
            Port("lattice_parameter", "angstrom", meaning="lattice parameter at service temperature"),
            Port("C11", "GPa", meaning="C11 at service temperature"),
            Port("C12", "GPa", meaning="C12 at service temperature"),
            Port("C44", "GPa", meaning="C44 at service temperature"),
            Port("misfit_volumes", "angstrom^3", ("element",), "misfit volumes, the potential's inadequacy included"),
            Port("temperature", "K", meaning="service temperature of this member"),
            Port("cold_moduli", "GPa", ("constant",), "C11, C12, C44 at 0 K, the potential's inadequacy included"),
            Port("cold_lattice_parameter", "angstrom", meaning="lattice parameter at 0 K, likewise"),
            Port("softening_deviate", "1", meaning="how many standard deviations softening and expansion lie off"),
            Port(
                "softening_offset", "1/K", ("constant",), "what is added to handbook slopes of C11, C12, C44 when hot"
            ),
            Port("expansion_offset", "1/K", meaning="what is added to the handbook's thermal expansion when hot"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Temperature, softening, and the discrepancy of the potential."""
        words = "what the potential cannot fit (lattice, moduli, misfits)"
        return (Source("discrepancy", Kind.EPISTEMIC, long_name=words), *law_sources(self))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("softening of moduli: Y. P. Varshni, Phys. Rev. B 2, 3952 (1970)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001

    @abstractmethod
    def law(self, given: Given, streams: Mapping[str, Generator]) -> MemberSoftening:
        """Return the member's law of softening."""

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Bring one specimen to temperature."""
        from uqmsm.physics.softening import lattice_at, moduli_at

        z = streams["discrepancy"].standard_normal(5)
        mean, sd = inadequacy(given)
        a, C11, C12, C44, misfit = np.exp(mean + sd * z)
        cold = np.array([given["static_C11"] * C11, given["static_C12"] * C12, given["static_C44"] * C44])
        law, temperature = self.law(given, streams), settled(self.temperature)
        einstein, slope, expansion = law.hot(elements_of(given), given["composition"])
        warm = moduli_at(cold, temperature, einstein, slope)
        _require_stable(warm)
        cold_length = given["static_lattice_parameter"] * a
        return {
            "lattice_parameter": lattice_at(cold_length, temperature, einstein, expansion),
            "C11": warm[0],
            "C12": warm[1],
            "C44": warm[2],
            "misfit_volumes": given["static_misfit_volumes"] * misfit,
            "temperature": temperature,
            "cold_moduli": cold,
            "cold_lattice_parameter": cold_length,
            "softening_deviate": law.deviate,
            "softening_offset": law.offset,
            "expansion_offset": law.expansion_offset,
        }


@dataclass(frozen=True)
class Service(AtService):
    """The crystal at service temperature: thermal softening by a stated law, and the potential's inadequacy.

    Parameters
    ----------
    temperature
        Service temperature.
    softening
        Thermal softening of the moduli. One standard-normal number that moves all slopes of the moduli, and the
        thermal expansion, within their stated standard deviations: both are anharmonicity, and what is wrong with
        handbook slopes and their mixing rule is wrong for all constants alike.
    """

    softening: Annotated[Uncertain, Unit("1")] = Epistemic(Normal(0.0, 1.0))

    def law(self, given: Given, streams: Mapping[str, Generator]) -> MemberSoftening:
        """Return the handbook's law, so many standard deviations off."""
        return MemberSoftening(settled(self.softening), np.zeros(3), 0.0)


def elements_of(given: Given) -> tuple[str, ...]:
    """Return the symbols of the alloy's elements."""
    from ase.data import chemical_symbols

    return tuple(chemical_symbols[int(number)] for number in given["elements"])


def _require_stable(warm: NDArray[np.float64]) -> None:
    from uqmsm.physics.strength import is_stable

    if not is_stable(*warm):
        raise Unstable(f"C11, C12, C44 = {warm.round(2).tolist()} GPa at service temperature are elastically unstable")
