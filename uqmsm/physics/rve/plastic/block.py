"""A block of voxels that remembers: its grains and their law, its state, and what may be asked of a step.

The state is a handful of plain arrays, so that it can be pickled, stored and sent; a step changes nothing in place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.fourier import Scheme, waves
from uqmsm.physics.rve.plastic.compiled import Compiled
from uqmsm.physics.rve.plastic.laws import Law
from uqmsm.physics.rve.plastic.spectra import wave_vectors
from uqmsm.physics.tensors import isotropic_moduli, mandel_to_voigt

__all__ = ["Accuracy", "Advanced", "Block", "Condensed", "Control", "State", "block"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


@dataclass(frozen=True)
class Accuracy:
    """When a step is accepted.

    Attributes
    ----------
    residual
        Largest stress out of balance, relative to the stress itself, both measured in the reference medium.
    hill_mandel
        Largest accepted ``|<stress:strain change> - <stress>:<strain change>| / <|stress:strain change|>``.
    newton, linear
        Largest numbers of Newton iterations, and of linear iterations in each.
    memory
        Directions kept where the tangent is not symmetric.
    forcing
        Largest tolerance of a linear solve; far from the answer no more is asked of it than the residual itself.
    """

    residual: float = 1e-8
    hill_mandel: float = 1e-10
    newton: int = 20
    linear: int = 400
    memory: int = 2
    forcing: float = 0.05


@dataclass(frozen=True)
class Control:
    """What is prescribed: the mean stress along the columns of `free`, the mean strain along all others.

    Attributes
    ----------
    free
        ``(6, k)`` orthonormal, Mandel.
    stress_MPa
        ``(6,)`` Mandel; only its part along `free` counts.
    """

    free: Array = field(default_factory=lambda: np.zeros((6, 0)))
    stress_MPa: Array = field(default_factory=lambda: np.zeros(6))


@dataclass(frozen=True)
class State:
    """All that a block remembers; Mandel, MPa.

    Attributes
    ----------
    strain, stress
        ``(6, nx, ny, nz)``.
    memory
        ``(nx, ny, nz, width)``: plastic strain, what the law adds, accumulated slip.
    rate
        ``(6, nx, ny, nz)`` strain per second in the last step: where the next one starts to look.
    """

    strain: Array
    stress: Array
    memory: Array
    rate: Array


@dataclass(frozen=True)
class Ended:
    """The end of one step; Mandel, MPa.

    Attributes
    ----------
    state
        What to start the next step from.
    mean_stress, mean_strain
        ``(6,)``.
    tangent
        Derivative of stress by strain: of what, the two kinds of end say.
    hill_mandel_gap
        Of the increment; see `Accuracy`.
    residuals
        Before each Newton step, and the last one.
    iterations
        Linear iterations in all.
    """

    state: State = field(repr=False)
    mean_stress: Array
    mean_strain: Array
    tangent: Array = field(repr=False)
    hill_mandel_gap: float
    residuals: tuple[float, ...]
    iterations: int


class Advanced(Ended):
    """The end of a step of one block: its tangent is ``(nx, ny, nz, 6, 6)``, of every voxel."""


class Condensed(Ended):
    """The end of a step of one of many blocks: its tangent is ``(6, 6)``, of the block, or NaN if not asked for.

    Its linear iterations are those of the tangent too.
    """


@dataclass(frozen=True)
class Block:
    """Voxels, the law of their solid, and the grid; made by `block`."""

    grain_ids: GrainIds
    law: Law
    waves: Array
    count: Array
    bulk_MPa: float
    shear_MPa: float
    workers: int = 1

    def virgin(self) -> State:
        """Return the state of a block that was never strained."""
        field_shape = (6, *self.grain_ids.shape)
        memory = np.tile(self.law.virgin(), (*self.grain_ids.shape, 1))
        return State(np.zeros(field_shape), np.zeros(field_shape), memory, np.zeros(field_shape))

    def operators(self, pool: ThreadPoolExecutor | None) -> Compiled:
        """Return the operators of the grid."""
        x, y, z = self.grain_ids.shape
        return Compiled((x, y, z), self.waves, self.count, self.workers, pool)


def block(grain_ids: GrainIds, law: Law, *, scheme: Scheme = "rotated", workers: int = 1) -> Block:
    """Make a block.

    Parameters
    ----------
    grain_ids
        ``(nx, ny, nz)`` which grain (or phase) each voxel belongs to.
    law
        From `crystals` or `von_mises`.
    scheme
        How derivatives are taken; see `uqmsm.physics.rve.fourier`.
    workers
        Threads; the answer is the same to the last bit.

    Raises
    ------
    StudyError
        When ids do not fit the law, or the number of workers makes no sense.
    """
    ids = np.ascontiguousarray(grain_ids, dtype=np.int32)
    if ids.ndim != 3 or ids.size == 0:
        raise StudyError(f"block: grain_ids has shape {ids.shape}; a grid of three axes is needed")
    grains = len(law.stiffness_MPa)
    if ids.min() < 0 or ids.max() >= grains:
        raise StudyError(f"block: grain ids run from {ids.min()} to {ids.max()} but the law has {grains} grains")
    if workers < 1:
        raise StudyError(f"block: workers is {workers}; at least one thread is needed")
    wave, count = wave_vectors(waves((ids.shape[0], ids.shape[1], ids.shape[2]), scheme))
    mean = np.einsum("g,gij->ij", np.bincount(ids.ravel(), minlength=grains) / ids.size, law.stiffness_MPa)
    bulk, shear = isotropic_moduli(mandel_to_voigt(mean))
    return Block(ids, law, wave, count, float(bulk), float(shear), workers)
