"""Grains grown in full: every member is a phase field of its own, from first tessellation to the end of the anneal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.bookmarks import bookmark
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.phasefield import (
    BoundaryUnits,
    GrainField,
    Misorientation,
    StepControl,
    VelocityLaw,
    laguerre,
    lognormal_volumes,
    radii,
    solute_drag_velocity,
    volumes,
)
from uqmsm.physics.phasefield import GrainGrowth as Growing
from uqmsm.physics.phasefield.description import sampled
from uqmsm.physics.phasefield.self_similar import THICKNESS, compact, faster, turned
from uqmsm.quantity import Unit
from uqmsm.scales.phasefield.annealing import FEWEST, Annealing, Array, GrainIds, handed_on, oriented, positive
from uqmsm.scales.phasefield.self_similar import LearntGrowth, shipped
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Numerical, Uncertain, settled

__all__ = ["GrainGrowth"]

_NANOSECONDS = 25.0  # of one core a pair and step, measured; with eight grains a voxel at most
_PIECES = 20  # of an anneal, over each of which the mean radius is taken as constant
_BALL = 4.0 / 3.0 * math.pi


@dataclass(frozen=True)
class GrainGrowth(Annealing):
    """Phase field of normal grain growth in a periodic block.

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
    initial
        What the anneal begins with. Cells are of a tessellation with lognormal sizes, as after recrystallisation: they
        hardly coarsen before the smallest have gone. Self-similar grains have coarsened before: one of the states of
        the shipped library, as many grains as it has, and neither `grains` nor `initial_spread` is looked at.
    grains
        Cells at the start. As many are left as the growth of the diameter, cubed, goes into them: at least 8.
    voxels
        Along each edge of the phase field. The mean radius at the start has to be 1.2 boundary widths or more.
    width
        Of a boundary in voxels, five or more; results hold where it is below half the mean radius.
    initial_spread
        Standard deviation of the logarithm of the radius of the first grains.
    read_shockley
        True: boundaries of less than 15 degrees have less energy; `boundary_energy` is that of the others.
    drag
        Drag of solute at low velocity over intrinsic drag; 0 leaves it out.
    breakaway
        Velocity at which the drag is largest.
    thickness
        Rates of diffuse boundaries are high by this times (width / mean radius), which is taken out; measured
        against MacPherson's law. 0 leaves them as they are.
    step_error
        Relative error of the rate that one time step may make: steps adapt to it.
    stepping
        What the steps leave behind, in the error that the run estimates of its rate: a standard normal law carries
        it, 0 leaves it out.
    """

    initial: Literal["cells", "self_similar"] = "cells"
    grains: int = 100
    voxels: int = 64
    width: float = 5.0
    initial_spread: float = 0.35
    read_shockley: bool = False
    drag: Annotated[Uncertain, Unit("1")] = 0.0
    breakaway: Annotated[Uncertain, Unit("m/s")] = 1e-9
    thickness: Annotated[float, Unit("1")] = THICKNESS
    step_error: Annotated[float, Unit("1")] = 0.02
    stepping: float | Numerical = 0.0

    def __post_init__(self) -> None:
        """Refuse a block that does not resolve its boundaries."""
        super().__post_init__()
        positive("breakaway", self.breakaway)
        if isinstance(self.drag, (int, float)) and self.drag < 0:
            raise StudyError(f"drag = {self.drag:g} must not be negative; write 0 to leave it out")
        if self.width < 3:
            raise StudyError(f"width = {self.width:g} voxels: give 5, and 3 at least")
        if self.grains < FEWEST or not 0 < self.initial_spread <= 0.6:
            raise StudyError(
                f"grains = {self.grains}, initial_spread = {self.initial_spread:g}: give at least {FEWEST} grains, and "
                "a spread from 0 to 0.6"
            )
        if self.initial == "cells":
            self._resolved(self.grains, self._edge_radii)
        if not 0 <= self.thickness <= 5:
            raise StudyError(f"thickness = {self.thickness:g}; write 0 to 5, for example {THICKNESS}")
        if not 0 < self.step_error <= 0.1:
            raise StudyError(f"step_error = {self.step_error:g}; write a number up to 0.1, for example 0.02")

    def _resolved(self, grains: int, edge_radii: float) -> None:
        """Refuse grains of which the block, so many mean radii long, does not resolve the boundaries."""
        if self.voxels < 1.2 * self.width * edge_radii:
            raise StudyError(
                f"{grains} grains on {self.voxels} voxels have a mean radius of {self.voxels / edge_radii:.1f} voxels, "
                f"and the boundary is {self.width:g} wide: write voxels: {math.ceil(1.2 * self.width * edge_radii)} or "
                "more, or fewer grains"
            )

    @property
    def _edge_radii(self) -> float:
        """Edge of the block over the mean radius at the start: <R^3> / <R>^3 of a lognormal law is exp(3 s^2)."""
        return float((self.grains * _BALL * math.exp(3.0 * self.initial_spread**2)) ** (1 / 3))

    @property
    def _radius_voxels(self) -> float:
        return self.voxels / self._edge_radii

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is not known of the anneal, and which grains there are."""
        many = f"{self.grains} " if self.initial == "cells" else ""
        words = f"the {many}grains at the start, where they sit and point"
        return (*law_sources(self), Source("grains", Kind.ALEATORIC, long_name=words))

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny cell."""
        ids = (np.arange(512).reshape(8, 8, 8) % 2).astype(np.int32)
        growth = Growing(GrainField.from_ids(ids), 3.0)
        growth.diffuse()
        growth.advance()
        volumes(growth.grains, 2)
        growth.grains.grain_ids()
        laguerre(np.random.default_rng(0), np.ones(4), (8, 8, 8), rounds=2)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: until an eighth of the grains is left."""
        terms = self.width**2 / 8.0
        steps = 3.0 * self._radius_voxels**2 / terms / (0.9 / (6.0 * terms + 2.0))
        return 1e-9 * _NANOSECONDS * 4.0 * self.voxels**3 * steps

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            *super().references(),
            "low-angle boundaries: W. T. Read, W. Shockley, Phys. Rev. 78, 275 (1950)",
            "solute drag: J. W. Cahn, Acta Metall. 10, 789 (1962)",
        )

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Grow the grains of one member."""
        return self.grown(streams["grains"])

    def grown(self, rng: Generator, law: LearntGrowth | None = None) -> Outcome:
        """Run the phase field and hand on what is left; self-similar grains are states of `law`, if it is given.

        Raises
        ------
        MemberFailed
            When fewer than 8 grains are left.
        """
        first, edge_radii = self._first(rng, law)
        edge_m = 0.5e-6 * settled(self.initial_diameter) * edge_radii
        turns = oriented(rng, int(first.max()) + 1, self.texture, self.texture_spread)
        growth = self._growing(first, turns, edge_m)
        before = _mean_voxels(growth.grains, len(turns))
        self._anneal(growth, self._units(edge_m).reduced_time(3600.0 * settled(self.time)), len(turns))
        ids = growth.grains.grain_ids()
        left = np.unique(ids)
        if len(left) < FEWEST:
            raise MemberFailed(
                f"{len(left)} of {len(turns)} grains are left after the anneal, and {FEWEST} are needed: give more "
                "grains and voxels, or use  model: size_law"
            )
        # smooth volumes in place of counted voxels: the mean that the size law is about
        after = _mean_voxels(growth.grains, len(turns))
        late = settled(self.stepping) * growth.rate_error  # a relative error of the rate, so of the growth of R^2
        mean = math.sqrt(max(after**2 + late * (after**2 - before**2), 0.25 * after**2))
        edge_um = 1e6 * edge_m * mean / after
        outcome = handed_on(compact(ids), edge_um, turns[left], self.handed)
        return outcome | {"grain_diameter": 2.0 * after * edge_um / self.voxels}

    def _first(self, rng: Generator, law: LearntGrowth | None) -> tuple[GrainIds, float]:
        """Draw the grains before the anneal; return them and the edge over their mean radius."""
        if self.initial == "cells":
            sizes = lognormal_volumes(rng, self.grains, self.initial_spread, 3)
            return laguerre(rng, sizes, (self.voxels,) * 3, rounds=12).grain_ids, self._edge_radii
        states = law or shipped()
        whole = turned(rng, states.state(int(rng.random() * len(states.packed))))
        # on another grid; what is too small for it is gone before it is counted
        first = compact(sampled(whole, self.voxels))
        sizes = radii(np.bincount(first.ravel()).astype(np.float64), 3)
        self._resolved(len(sizes), edge_radii := self.voxels / float(sizes.mean()))
        return first, edge_radii

    def _anneal(self, growth: Growing, reduced_time: float, grains: int) -> None:
        """Run as long as boundaries that are thin would take: diffuse ones move too fast.

        A run that was interrupted is gone on with after the last piece that was kept, bit for bit.
        """
        place, done = bookmark(), 0
        if (kept := place.read()) is not None:
            growth.resume(kept[0])
            done = round(kept[1] * _PIECES)
        for piece in range(done + 1, _PIECES + 1):
            fast = faster(_mean_voxels(growth.grains, grains) / self.width, self.thickness)
            growth.run(growth.time + reduced_time / _PIECES / float(fast))
            if place.due:
                place.keep(growth.checkpoint(), piece / _PIECES)

    def _units(self, edge_m: float) -> BoundaryUnits:
        voxel = edge_m / self.voxels
        return BoundaryUnits(voxel, self.width * voxel, settled(self.boundary_energy), self.mobility_now)

    def _growing(self, grain_ids: GrainIds, turns: Array, edge_m: float) -> Growing:
        """Return the phase field before the anneal."""
        law = None
        if settled(self.drag) > 0:
            bend = settled(self.breakaway)
            slow = partial(solute_drag_velocity, drag=settled(self.drag), breakaway_m_per_s=bend)
            law = VelocityLaw.of(slow, bend, self._units(edge_m))
        growth = Growing(
            GrainField.from_ids(grain_ids),
            self.width,
            misorientation=Misorientation.of(turns) if self.read_shockley else None,
            law=law,
            control=StepControl(tolerance=self.step_error),
        )
        growth.diffuse()
        return growth


def _mean_voxels(field: GrainField, grains: int) -> float:
    """Return the mean radius of the living grains in voxels."""
    size = volumes(field, grains)
    return float(radii(size[size > 1.0], 3).mean())
