"""From a point of a component back to the grains: the fields inside a block under the strain history of that point."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.plastic.block import Accuracy, Block
from uqmsm.physics.rve.plastic.loading import History, Load, drive

__all__ = ["Fields", "fatigue_indicator", "localise", "localise_loads", "read_fields", "write_fields"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fields:
    """Fields inside a block at chosen times; Mandel, MPa.

    Attributes
    ----------
    times_s
        ``(times,)``.
    strain, stress
        ``(times, 6, nx, ny, nz)``.
    slip
        ``(times, nx, ny, nz)`` accumulated slip, or plastic strain.
    mean_strain, mean_stress
        ``(times, 6)``.
    hill_mandel_gap
        ``(times,)`` of the increments up to each.
    """

    times_s: Array
    strain: Array
    stress: Array
    slip: Array
    mean_strain: Array
    mean_stress: Array
    hill_mandel_gap: Array


def localise(
    cell: Block, times_s: Array, strain: Array, *, keep: Collection[int] = (-1,), accuracy: Accuracy | None = None
) -> Fields:
    """Lead a block through the strain history of one point of a component.

    Parameters
    ----------
    cell
        The block of that point.
    times_s
        ``(times,)``, increasing, the first after zero.
    strain
        ``(times, 6)`` Mandel mean strain at these times; zero at time zero.
    keep
        Which times to keep the fields of; negative numbers count from the end.
    accuracy
        When a step is accepted.

    Raises
    ------
    StudyError
        When the times do not increase, or do not fit the strains.
    MemberFailed
        When a step does not converge.
    """
    times, wanted = np.asarray(times_s, dtype=np.float64), np.asarray(strain, dtype=np.float64)
    if times.ndim != 1 or wanted.shape != (times.size, 6) or not np.all(np.diff(times, prepend=0.0) > 0.0):
        raise StudyError(
            f"localise: times {times.shape} and strains {wanted.shape} must be (n,) and (n, 6), and times increase "
            "from zero; correct the history"
        )
    steps = np.diff(times, prepend=0.0)
    loads = [Load(one, float(dt)) for one, dt in zip(np.diff(wanted, axis=0, prepend=0.0), steps, strict=True)]
    return localise_loads(cell, loads, keep=keep, accuracy=accuracy)


def localise_loads(
    cell: Block, loads: Sequence[Load], *, keep: Collection[int] = (-1,), accuracy: Accuracy | None = None
) -> Fields:
    """Lead a block through loads, such as `History.taken`, which gives the fields of that history to the last bit."""
    chosen = {one % len(loads) for one in keep}
    parts: list[tuple[float, History]] = []
    state, seconds = None, 0.0
    for number, load in enumerate(loads):
        history = drive(cell, [load], state=state, accuracy=accuracy)
        state, seconds = history.last.state, seconds + load.step_s
        if number in chosen:
            parts.append((seconds, history))
    ends = [history.last for _, history in parts]
    return Fields(
        np.array([time for time, _ in parts]),
        np.stack([end.state.strain for end in ends]),
        np.stack([end.state.stress for end in ends]),
        np.stack([end.state.memory[..., -1] for end in ends]),
        np.stack([end.mean_strain for end in ends]),
        np.stack([end.mean_stress for end in ends]),
        np.array([history.hill_mandel_gap.max() for _, history in parts]),
    )


def write_fields(path: Path, fields: Fields) -> None:
    """Store fields as arrays without pickle."""
    np.savez_compressed(path, allow_pickle=False, **vars(fields))


def read_fields(path: Path) -> Fields:
    """Read what `write_fields` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Fields(**{name: stored[name] for name in Fields.__dataclass_fields__})


def fatigue_indicator(slip: Array, share: float = 0.01) -> float:
    """Return the mean accumulated slip of the most slipped share of the voxels: where cracks begin.

    Parameters
    ----------
    slip
        Of every voxel.
    share
        Of the volume; a single voxel would tell of the grid instead of the grains.

    Raises
    ------
    StudyError
        When the share is not in (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise StudyError(f"fatigue_indicator: the share is {share:g}; choose one in (0, 1]")
    flat = np.sort(np.asarray(slip, dtype=np.float64).ravel())[::-1]
    return float(flat[: max(1, round(share * flat.size))].mean())
