"""Grains by the size law: <R>^2 = <R0>^2 + K M sigma t, and a microstructure of that mean size from a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.scales.phasefield.annealing import Annealing, handed_on, oriented
from uqmsm.scales.phasefield.grain_growth import GrainGrowth
from uqmsm.scales.phasefield.self_similar import LearntGrowth, SelfSimilar
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Numerical, settled

__all__ = ["SizeLaw"]


@dataclass(frozen=True)
class SizeLaw(Annealing):
    """The surrogate of grain growth: exact in form where coarsening is self-similar, its constant learnt.

    With one energy, one mobility and no drag the path of a microstructure depends on mobility x energy x time alone, so
    that a few runs in reduced units serve every anneal. Grains are taken to be self-similar from the start on; a paired
    refinement with ``full: true`` measures what that and the library leave behind.

    Parameters
    ----------
    temperature
        Temperature of the furnace.
    time
        Time at temperature.
    initial_diameter
        Mean grain diameter before the anneal. That of the ball as large as a grain, each grain counted once.
    mobility
        Grain boundary mobility at `reference_temperature`. Velocity is mobility times boundary energy times curvature.
    activation_energy
        Activation energy of the mobility. Arrhenius' law is taken about `reference_temperature`.
    boundary_energy
        Energy of grain boundaries.
    reference_temperature
        Where `mobility` holds: near the furnace, for there a doubtful activation energy does no harm.
    texture
        Which way the grains point. Fibres lie along x.
    texture_spread
        Standard deviation of each component of the rotation away from the texture.
    handed
        Voxels along each edge of the block that is handed on.
    growth
        The growth constant with its numerical error, and the states to draw from.
    full
        True: run the phase field in full instead, see `full_grains` and `full_voxels`.
    full_initial
        What the full run begins with: self-similar grains, as the law assumes, are states of `growth`; cells tell what
        that assumption costs.
    full_grains
        Cells of the full run.
    full_voxels
        Along each edge of the full run: self-similar grains want a mean radius near two widths at the start.
    """

    growth: Numerical = Numerical(SelfSimilar())  # type: ignore[arg-type]  # learnt before it is drawn
    full: bool = False
    full_initial: Literal["cells", "self_similar"] = "self_similar"
    full_grains: int = 100
    full_voxels: int = 128

    def __post_init__(self) -> None:
        """Refuse what is no size law."""
        super().__post_init__()
        law = getattr(self.growth, "law", None)
        if not isinstance(law, (SelfSimilar, LearntGrowth)):
            raise StudyError(
                f"growth: the law {type(law).__name__} has no microstructures; write {{numerical: self_similar}}"
            )
        if self.full:
            _ = self._grown

    @property
    def _grown(self) -> GrainGrowth:
        """The full run of the same anneal."""
        same = {field.name: getattr(self, field.name) for field in fields(Annealing)}
        return GrainGrowth(**same, initial=self.full_initial, grains=self.full_grains, voxels=self.full_voxels)

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is not known of the anneal, and which grains there are."""
        words = "the grains of the block: which state, how it lies, where its crystals point"
        return (*law_sources(self), Source("grains", Kind.ALEATORIC, long_name=words))

    def warm_up(self) -> None:
        """Compile the kernels of a full run, where one is asked for."""
        if self.full:
            self._grown.warm_up()

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return self._grown.cost() if self.full else 0.1

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Anneal one member."""
        if not self.full:
            return self._drawn(streams["grains"])
        draw: Any = self.growth
        return self._grown.grown(streams["grains"], draw.law)

    def _drawn(self, rng: Generator) -> Outcome:
        """Return a microstructure of the library, enlarged to the mean diameter after the anneal.

        Conditional sampling: states of all runs are equally likely, each in any of its 48 views from any origin.
        """
        from uqmsm.physics.phasefield.self_similar import turned

        draw: Any = self.growth
        squared = settled(self.initial_diameter) ** 2 + 4e12 * draw.constant * self.swept_m2
        diameter = float(np.sqrt(squared))
        number = int(rng.random() * len(draw.law.packed))
        ids, known = turned(rng, draw.law.state(number)), draw.law.description(number)
        turns = oriented(rng, len(known.diameters), self.texture, self.texture_spread)
        return handed_on(ids, diameter / known.mean_diameter, turns, self.handed, known)
