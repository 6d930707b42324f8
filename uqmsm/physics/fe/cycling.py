"""A notched bar that is stretched and heated to and fro, of a solid that hardens: what flows in every cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.bar import Bar
from uqmsm.physics.fe.materials.solid import Solid
from uqmsm.physics.fe.newton import Load, follow

__all__ = ["Cycled", "cycle"]

Floats = NDArray[np.float64]
_HOT = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Cycled:
    """What a bar has gone through.

    Attributes
    ----------
    stress_MPa : ndarray, shape (turns,)
        Force over the area of the ligament at every turn: up, down, up, down.
    plastic : ndarray, shape (turns, points, 6)
        Plastic strain there, Mandel.
    flowed : ndarray, shape (points,)
        Accumulated equivalent plastic strain at the end.
    """

    stress_MPa: Floats
    plastic: Floats = field(repr=False)
    flowed: Floats = field(repr=False)

    @property
    def plastic_range(self) -> Floats:
        """Equivalent range of the plastic strain over every way down, largest over the points, shape (cycles,)."""
        change = self.plastic[1::2] - self.plastic[0::2]
        return np.asarray(np.sqrt(2.0 / 3.0 * (change**2).sum(axis=-1)).max(axis=-1))

    @property
    def stress_range_MPa(self) -> Floats:
        """Range of the stress on the ligament over every way down, shape (cycles,)."""
        return np.asarray(self.stress_MPa[0::2] - self.stress_MPa[1::2])


def cycle(bar: Bar, solid: Solid, stretch: float, free_strain: float, cycles: int, steps: int) -> Cycled:
    """Stretch a bar up and down; heat goes with it.

    Parameters
    ----------
    bar : Bar
    solid : Solid
        A von Mises solid, whose memory is plastic strain and what has flowed.
    stretch : float
        Largest elongation over length; the least is its negative.
    free_strain : float
        Thermal strain, expansion times heating, when the bar is longest; its negative when it is shortest.
    cycles : int
    steps : int
        Loads from the middle to a turn.

    Raises
    ------
    MemberFailed
        When a load finds no balance, even in parts.
    """
    end = np.zeros_like(bar.of.mesh.nodes_mm)
    end[bar.of.mesh.on("end"), 1] = bar.half_length_mm
    shares = np.linspace(0.0, 1.0, steps + 1)[1:]
    way = [shares]
    for k in range(2 * cycles - 1):
        sign = -1.0 if k % 2 == 0 else 1.0
        way.append(-sign + sign * 2.0 * np.linspace(0.0, 1.0, 2 * steps + 1)[1:])
    amounts = np.concatenate(way)
    loads = [Load(displacement_mm=a * stretch * end, free_strain=a * free_strain * _HOT) for a in amounts]
    turns = np.cumsum([len(one) for one in way]) - 1
    taken = [step for step in follow(bar.equations, solid, loads) if _whole(step.state.load, loads)]
    ends = [taken[k] for k in turns]
    return Cycled(
        np.array([bar.net_stress_MPa(step) for step in ends]),
        np.stack([step.state.memory[:, :6] for step in ends]),
        ends[-1].state.memory[:, 6],
    )


def _whole(load: Load, loads: list[Load]) -> bool:
    """Tell the end of a load from a part of one that was cut."""
    return any(load.displacement_mm is one.displacement_mm for one in loads)
