"""The crystal at service temperature, softened as molecular dynamics says, and by what it misses of the elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.kin import foretold_miss
from uqmsm.scales.atomistic.service import AtService, MemberSoftening, elements_of
from uqmsm.scales.inadequacy import NEAR
from uqmsm.scales.upstream import field_of, location
from uqmsm.stochastic import Given, Kind, Operator, Source

__all__ = ["ComputedService"]


@dataclass(frozen=True)
class ComputedService(AtService):
    """The crystal at service temperature, by slopes that the stage `softening` computed with the member's potential.

    What a potential fitted to a crystal at rest misses of softening is not stated but learnt, member by member: its
    elements' slopes beside those measured tell the mean miss and how it scatters from material to material, and the
    alloy is one more material (`kin.foretold_miss`). The doubt of the measurements themselves is in it. Elements whose
    crystal the potential does not hold that warm are left out. Where it does not hold the alloy, motion says nothing at
    all, and the alloy is one more material beside the elements as they were measured.

    Parameters
    ----------
    temperature
        Service temperature.
    miss_of_slopes, miss_of_expansion
        How large the mean miss may be before any element is seen; about as large as slopes and expansion are.
    """

    miss_of_slopes: Annotated[float, Unit("1/K")] = 1e-4
    miss_of_expansion: Annotated[float, Unit("1/K")] = 5e-6

    @property
    def inputs(self) -> Ports:
        """Those of the stage with handbook slopes, and what motion says of the alloy and its elements."""
        return (
            *super().inputs,
            Port("computed_slopes", "1/K", ("constant",)),
            Port("computed_expansion", "1/K"),
            Port("element_slopes", "1/K", ("element", "constant")),
            Port("element_expansions", "1/K", ("element",)),
            Port("elements_held", "1", ("element",)),
            Port("alloy_held", "1"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Temperature, the discrepancy of the potential, and what its motion misses."""
        words = "what motion misses of softening and expansion, learnt from the elements"
        return (*super().sources, Source("softening", Kind.EPISTEMIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where the crystal that was warmed is not that of the alloy."""
        lattice, warmed = (field_of(upstream, port, "lattice") for port in ("composition", "computed_slopes"))
        if None not in {lattice, warmed} and lattice != warmed:
            yield f"the alloy is {lattice}, and the crystal that was warmed {warmed}; write  lattice: {lattice}  there"
        alloy, known = (field_of(upstream, port, "elements") for port in ("composition", "potential_elements"))
        theirs = location(field_of(upstream, "composition", "composition"))
        if alloy is None or known is None or theirs is None:
            return
        own = field_of(upstream, "computed_slopes", "composition") or (1.0 / len(known),) * len(known)
        named, there = dict(zip(alloy, theirs, strict=True)), dict(zip(known, own, strict=True))
        if any(abs(named.get(one, 0.0) - there.get(one, 0.0)) > NEAR for one in {*named, *there}):
            yield (
                "the crystal that was warmed is not of the alloy's composition; write the alloy's in the stage "
                "softening, in the order of the potential's elements"
            )

    def law(self, given: Given, streams: Mapping[str, Generator]) -> MemberSoftening:
        """Return what motion computed and the miss drawn for this member, as its distance from the handbook."""
        from ase.data import chemical_symbols

        from uqmsm.physics.softening import alloy_softening, element_softening

        held = np.asarray(given["elements_held"]) > 0
        if not int(given["alloy_held"]):
            held = np.ones(len(held), dtype=bool)
        symbols = [chemical_symbols[int(number)] for number in given["potential_elements"]]
        kin = element_softening([one for one, there in zip(symbols, held, strict=True) if there])
        z = streams["softening"].standard_normal(4)
        slopes = np.array(given["computed_slopes"], dtype=np.float64)
        for k in range(3):
            missed = kin.slope_per_K[:, k] - given["element_slopes"][held, k]
            mean, sd = foretold_miss(missed, kin.slope_sd_per_K[:, k], self.miss_of_slopes)
            slopes[k] += mean + sd * z[k]
        missed = kin.expansion_per_K - given["element_expansions"][held]
        mean, sd = foretold_miss(missed, kin.expansion_sd_per_K, self.miss_of_expansion)
        expansion = float(given["computed_expansion"]) + mean + sd * z[3]
        book = alloy_softening(element_softening(elements_of(given)), given["composition"])
        return MemberSoftening(0.0, slopes - book.slope_per_K, expansion - float(book.expansion_per_K))
