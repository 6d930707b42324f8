"""Grains grown in full: every member is a phase field of its own, from first tessellation to the end of the anneal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

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
from uqmsm.physics.phasefield.self_similar import THICKNESS, compact
from uqmsm.quantity import Unit
from uqmsm.scales.phasefield.annealing import FEWEST, Annealing, Array, GrainIds, handed_on, oriented, positive
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
    grains
        Grains at the start. As many are left as the growth of the diameter, cubed, goes into them: at least 8.
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
        Rates of diffuse boundaries are high by this times (width / mean radius)^2, which is taken out; measured in a
        plane against von Neumann's law. 0 leaves them as they are.
    step_error
        Relative error of the rate that one time step may make: steps adapt to it.
    stepping
        What the steps leave behind, in the error that the run estimates of its rate: a standard normal law carries
        it, 0 leaves it out.
    """

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
        if self._radius_voxels < 1.2 * self.width:
            least = math.ceil(1.2 * self.width * self._edge_radii)
            raise StudyError(
                f"{self.grains} grains on {self.voxels} voxels have a mean radius of {self._radius_voxels:.1f} voxels, "
                f"and the boundary is {self.width:g} wide: write voxels: {least} or more, or fewer grains"
            )
        if not 0 <= self.thickness <= 5:
            raise StudyError(f"thickness = {self.thickness:g}; write 0 to 5, for example {THICKNESS}")
        if not 0 < self.step_error <= 0.1:
            raise StudyError(f"step_error = {self.step_error:g}; write a number up to 0.1, for example 0.02")

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
        words = f"the {self.grains} grains at the start, where they sit and point"
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

    def grown(self, rng: Generator) -> Outcome:
        """Run the phase field and hand on what is left.

        Raises
        ------
        MemberFailed
            When fewer than 8 grains are left.
        """
        edge_m = 0.5e-6 * settled(self.initial_diameter) * self._edge_radii
        shape = (self.voxels,) * 3
        first = laguerre(rng, lognormal_volumes(rng, self.grains, self.initial_spread, 3), shape, rounds=12)
        turns = oriented(rng, self.grains, self.texture, self.texture_spread)
        growth = self._growing(first.grain_ids, turns, edge_m)
        before = self._mean_voxels(growth.grains)
        self._anneal(growth, self._units(edge_m).reduced_time(3600.0 * settled(self.time)))
        ids = growth.grains.grain_ids()
        left = np.unique(ids)
        if len(left) < FEWEST:
            raise MemberFailed(
                f"{len(left)} of {self.grains} grains are left after the anneal, and {FEWEST} are needed: give more "
                "grains and voxels, or use  model: size_law"
            )
        # smooth volumes in place of counted voxels: the mean that the size law is about
        after = self._mean_voxels(growth.grains)
        late = settled(self.stepping) * growth.rate_error  # a relative error of the rate, so of the growth of R^2
        mean = math.sqrt(max(after**2 + late * (after**2 - before**2), 0.25 * after**2))
        edge_um = 1e6 * edge_m * mean / after
        outcome = handed_on(compact(ids), edge_um, turns[left], self.handed)
        return outcome | {"grain_diameter": 2.0 * after * edge_um / self.voxels}

    def _anneal(self, growth: Growing, reduced_time: float) -> None:
        """Run as long as boundaries that are thin would take: diffuse ones move too fast.

        A run that was interrupted is gone on with after the last piece that was kept, bit for bit.
        """
        place, done = bookmark(), 0
        if (kept := place.read()) is not None:
            growth.resume(kept[0])
            done = round(kept[1] * _PIECES)
        for piece in range(done + 1, _PIECES + 1):
            fast = 1.0 + self.thickness * (self.width / self._mean_voxels(growth.grains)) ** 2
            growth.run(growth.time + reduced_time / _PIECES / fast)
            if place.due:
                place.keep(growth.checkpoint(), piece / _PIECES)

    def _mean_voxels(self, field: GrainField) -> float:
        """Return the mean radius of the living grains in voxels."""
        size = volumes(field, self.grains)
        return float(radii(size[size > 1.0], 3).mean())

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
