"""What a furnace does to grains, in metres, hours and kelvin, and how grown grains are handed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.phasefield.description import Description

__all__ = ["FEWEST", "Annealing", "Textures", "handed_on", "oriented", "positive"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]
Textures = Literal["random", "cube", "fibre_100", "fibre_110", "fibre_111"]

FEWEST = 8
"""Grains that a cell has to hold for its mean diameter to mean anything."""


@dataclass(frozen=True)
class Annealing:
    """One anneal at one temperature.

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
    """

    temperature: Annotated[Uncertain, Unit("K")]
    time: Annotated[Uncertain, Unit("h")]
    initial_diameter: Annotated[Uncertain, Unit("um")]
    mobility: Annotated[Uncertain, Unit("m^4/J/s")]
    activation_energy: Annotated[Uncertain, Unit("kJ/mol")]
    boundary_energy: Annotated[Uncertain, Unit("J/m^2")]
    reference_temperature: Annotated[float, Unit("K")]
    texture: Textures = "random"
    texture_spread: Annotated[float, Unit("deg")] = 0.0
    handed: int = 32

    def __post_init__(self) -> None:
        """Refuse what no furnace does."""
        for name in ("temperature", "initial_diameter", "mobility", "boundary_energy", "reference_temperature"):
            positive(name, getattr(self, name))
        if isinstance(self.time, (int, float)) and self.time < 0:
            raise StudyError(f"time = {self.time:g} h lies in the past; write 0 or more")
        if self.texture == "random" and self.texture_spread != 0:
            raise StudyError("texture_spread belongs to a texture; remove it, or write for example  texture: fibre_110")
        if not 0 <= self.texture_spread <= 30:
            raise StudyError(f"texture_spread = {self.texture_spread:g} deg; write 0 to 30")
        if not 8 <= self.handed <= 128:
            raise StudyError(f"handed = {self.handed}: give 8 to 128 voxels along an edge")

    @property
    def inputs(self) -> Ports:
        """Nothing: processing is where this chain begins."""
        return ()

    @property
    def outputs(self) -> Ports:
        """Grains as a block and as statistics."""
        return (
            Port("grain_diameter", "um", meaning="mean grain diameter after the anneal (ball as large as the grain)"),
            Port("mean_chord", "um", meaning="mean length of chords through grains (mean intercept)"),
            Port("size_spread", "1", meaning="standard deviation of grain diameters over their mean"),
            Port("mean_faces", "1", meaning="mean number of neighbours of a grain"),
            Port("grown_grains", "1", meaning="grains in the block handed on"),
            Port("block_edge", "um", meaning="edge of the block handed on"),
            Port("grain_sizes", "um", ("grown",), "diameter of each grain of the block"),
            Port("grain_faces", "1", ("grown",), "neighbours of each grain of the block"),
            Port("same_grain", "1", ("lag",), "probability of one grain at 0, 1/8, ... 3/2 mean diameters"),
            Port("grain_ids", "1", ("x", "y", "z"), "grain of each voxel, periodic"),
            Port("orientations", "1", ("grown", "row", "column"), "rotation of each grain, crystal to sample"),
        )

    @property
    def mobility_now(self) -> float:
        """Mobility at the temperature of the furnace in m4/(J s), once settled."""
        from uqmsm.physics.phasefield.units import arrhenius_mobility

        joules = 1e3 * settled(self.activation_energy)
        there = arrhenius_mobility(self.reference_temperature, 1.0, joules)
        return settled(self.mobility) * float(arrhenius_mobility(settled(self.temperature), 1.0, joules) / there)

    @property
    def swept_m2(self) -> float:
        """Mobility times energy times time in m2, once settled: all that the anneal is to free boundaries."""
        return self.mobility_now * settled(self.boundary_energy) * 3600.0 * settled(self.time)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "multi-order-parameter grain growth: N. Moelans et al., Phys. Rev. B 78, 024113 (2008)",
            "parabolic growth: J. E. Burke, D. Turnbull, Prog. Met. Phys. 3, 220 (1952)",
            "self-similar coarsening: W. W. Mullins, J. Appl. Phys. 59, 1341 (1986)",
        )


def positive(name: str, value: Any) -> None:
    """Refuse a plain number that is not above zero.

    Raises
    ------
    StudyError
        Naming the field.
    """
    if isinstance(value, (int, float)) and not value > 0:
        raise StudyError(f"{name} = {value:g} must be more than zero; write a positive number, or a law that stays so")


def oriented(rng: Generator, grains: int, texture: Textures, spread_deg: float) -> Array:
    """Draw the rotations of grains, ``(grains, 3, 3)``, crystal to sample."""
    from uqmsm.physics.phasefield.texture import AXES, component_texture, fibre_texture, random_texture

    if texture == "random":
        return random_texture(rng, grains)
    spread = float(np.radians(spread_deg))
    if texture == "cube":
        return component_texture(rng, grains, spread)
    return fibre_texture(rng, grains, AXES[texture.removeprefix("fibre_")], (1.0, 0.0, 0.0), spread)


def handed_on(
    grain_ids: GrainIds, edge_um: float, orientations: Array, voxels: int, known: Description | None = None
) -> dict[str, Any]:
    """Return the outcome of a block: statistics at full resolution, grains on `voxels` along each edge.

    Parameters
    ----------
    grain_ids
        ``(n, n, n)`` int32, numbered from 0 without gaps.
    edge_um
        Edge of the block.
    orientations
        ``(grains, 3, 3)``.
    voxels
        Resolution of what is handed on.
    known
        Description of this block or of a view of it, with an edge of one; without, it is measured.
    """
    from uqmsm.physics.phasefield.description import describe, sampled

    found = known.enlarged(edge_um) if known else describe(grain_ids, edge_um)
    return {
        "grain_diameter": found.mean_diameter,
        "mean_chord": found.mean_chord,
        "size_spread": float(found.diameters.std() / found.mean_diameter),
        "mean_faces": float(found.faces.mean()),
        "grown_grains": len(found.diameters),
        "block_edge": edge_um,
        "grain_sizes": found.diameters,
        "grain_faces": found.faces,
        "same_grain": found.same_grain,
        "grain_ids": sampled(grain_ids, voxels),
        "orientations": orientations,
    }
