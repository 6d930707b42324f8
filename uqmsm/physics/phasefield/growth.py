"""Grain growth: boundaries move towards their centre of curvature, large grains eat small ones.

The multi-order-parameter model of N. Moelans, B. Blanpain and P. Wollants (Phys. Rev. B 78, 2008, 024113) with
gamma = 3/2 in reduced units: lengths in voxels, time in 1 / (L m), so that every order parameter obeys

    d eta_i / dt = eta_i - eta_i^3 - 2 gamma eta_i sum_j eta_j^2 + (width^2 / 8) laplace(eta_i) .

`uqmsm.physics.phasefield.units` turns metres, seconds, J/m2 and m4/(J s) into these units and back. With one boundary
energy, one mobility and no velocity law the reduced problem has no parameter but the width in voxels: one run serves
all temperatures and all energies.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.phasefield.field import GrainField, from_bytes, to_bytes
from uqmsm.physics.phasefield.kernels import advance
from uqmsm.physics.phasefield.units import Misorientation, VelocityLaw
from uqmsm.physics.phasefield.voxel import Buffers

__all__ = ["GrainGrowth", "StepControl"]

Array = NDArray[np.float64]

GAMMA = 1.5
_NOTHING = np.empty((0, 4)), np.empty((0, 2)), np.empty((0, 2))


@dataclass(frozen=True)
class StepControl:
    """How large a time step may be.

    Attributes
    ----------
    tolerance
        Largest relative error of the rate that one step should make; see `GrainGrowth.rate_error`.
    safety
        Fraction of the step at which order parameters are sure to stay between 0 and 1.
    growth
        Largest ratio of one step to the one before.
    first
        First step, and smallest that the tolerance may ask for, over the largest.
    """

    tolerance: float = 0.02
    safety: float = 0.9
    growth: float = 1.2
    first: float = 0.05


@dataclass
class GrainGrowth:
    """A field of grains that coarsens.

    Parameters
    ----------
    grains
        The field to start from; it is taken over, not copied.
    width_voxels
        Width of a boundary, ``1 / max |grad eta|``; five or more.
    epsilon
        A grain is listed where its values at the voxel and its nearest neighbours add up to this, so that tails are cut
        at about a sixth of it. What is cut changes energies by its square.
    misorientation
        Energies and mobilities of boundaries by the orientations of their grains; without, all are equal.
    law
        Velocity against driving pressure; without, proportional.
    control
        The time step.
    threads
        Threads; the result does not depend on it.

    Attributes
    ----------
    time
        Reduced time, in 1 / (L m).
    steps, pairs
        Steps made, and (voxel, grain) pairs computed in all of them.
    step
        The next time step.

    Raises
    ------
    StudyError
        When the width is below three voxels or `epsilon` lies outside (0, 0.1].

    Notes
    -----
    The step is at most ``safety / (2 d width^2 / 8 + 2 gamma - 1)``. Below it the new value of an order parameter is an
    increasing function of its old value and of its neighbours' (as long as sum eta^2 <= 1), which keeps it in [0, 1].

    A boundary is not thin: at a mean radius of two widths rates of networks are high by 30 to 40 % in a plane and 20 to
    25 % in space, against von Neumann's and MacPherson's laws; cutting tails and the grid of five voxels per width
    matter far less.
    """

    grains: GrainField
    width_voxels: float
    epsilon: float = 6e-3
    misorientation: Misorientation | None = None
    law: VelocityLaw | None = None
    control: StepControl = field(default_factory=StepControl)
    threads: int = 1
    time: float = 0.0
    steps: int = 0
    pairs: int = 0
    step: float = 0.0
    _before: GrainField = field(init=False, repr=False)
    _old_step: float = field(default=0.0, init=False, repr=False)
    _error_time: float = field(default=0.0, init=False, repr=False)
    _watched: float = field(default=0.0, init=False, repr=False)
    last_error: float = field(default=float("nan"), init=False)

    def __post_init__(self) -> None:
        """Check, and allocate the second copy and the flags."""
        if self.width_voxels < 3.0:
            raise StudyError(f"GrainGrowth: a width of {self.width_voxels} voxels; a boundary needs 5, and 3 at least")
        if not 0.0 < self.epsilon <= 0.1:
            raise StudyError(f"GrainGrowth: epsilon is {self.epsilon}; it cuts tails, choose it between 0 and 0.1")
        self._before = self.grains.copy()
        self._rewind()
        self.step = self.step or self.control.first * self.largest_step

    def _rewind(self) -> None:
        """Flag every voxel, and forget the change of the last step."""
        *rows, nz = self.grains.shape
        padded = -(-nz // 8) * 8
        count = int(np.prod(rows))
        self._flags = np.zeros((count, padded), np.uint8), np.zeros((count, padded), np.uint8)
        self._flags[0][:, :nz] = 1
        self._row_sums = np.zeros((count, 4))
        self._old_step = 0.0

    @property
    def gradient(self) -> float:
        """Coefficient kappa / m = width^2 / 8, voxels squared; in reduced units also mobility times boundary energy."""
        return self.width_voxels**2 / 8.0

    @property
    def largest_step(self) -> float:
        """The time step that stability allows."""
        terms = 2 * len(self.grains.shape)
        return self.control.safety / (terms * self.gradient + 2.0 * GAMMA - 1.0)

    @property
    def rate_error(self) -> float:
        """Relative numerical error of the rate of evolution by finite steps, a mean over time.

        The local error of Euler's method, ``step^2 / 2 |d2 eta / dt2|``, over the change of the step, both as root sum
        of squares over all order parameters; the second derivative from the last two changes. It bounds the part along
        the motion, which is what displaces the boundaries in time. Zero before the second step.
        """
        return self._error_time / self._watched if self._watched > 0.0 else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the two copies, the flags and the sums."""
        return 2 * self.grains.nbytes + sum(one.nbytes for one in self._flags) + self._row_sums.nbytes

    def diffuse(self) -> None:
        """Make sharp boundaries diffuse: spread every grain until flat boundaries have nearly their final profile.

        A step spread by the heat equation over the variance of the final profile's slope, ``pi^2 width^2 / 48``, keeps
        the sum of all order parameters at one and moves no flat boundary. Time does not advance.
        """
        target = np.pi**2 / 96.0 * self.width_voxels**2 / self.gradient
        count = int(np.ceil(target / self.largest_step))
        for _ in range(count):
            self._advance(target / count, 0.0)
        self._rewind()

    def _advance(self, step: float, reaction: float) -> tuple[float, float, int]:
        """Make one step; return the squared change, the squared difference from the last, the pairs computed."""
        speed = self.law.speed if self.law else 1.0
        old = self._old_step or step
        constants = np.array([self.gradient, step, GAMMA, self.epsilon, reaction, old, speed])
        mis, law = self.misorientation, self.law
        pairs = (
            mis.quaternions if mis and reaction else _NOTHING[0],
            mis.table if mis and reaction else _NOTHING[1],
            law.table if law and reaction else _NOTHING[2],
        )
        now, then = _buffers(self.grains), _buffers(self._before)
        shape = self.grains.shape if len(self.grains.shape) == 3 else (1, *self.grains.shape)
        words = self._flags[0].view(np.uint64), self._flags[1].view(np.uint64)

        def slab(rows: tuple[int, int]) -> None:
            advance(now, then, self._flags, words, shape, rows, constants, pairs, self._row_sums)

        count = self._row_sums.shape[0]
        if self.threads == 1:
            slab((0, count))
        else:
            cuts = [count * part // (4 * self.threads) for part in range(4 * self.threads + 1)]
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(slab, itertools.pairwise(cuts)))
        self.grains, self._before = self._before, self.grains
        self._flags = self._flags[1], self._flags[0]
        change, bend, computed, _ = self._row_sums.sum(axis=0)
        return float(change), float(bend), int(computed)

    def advance(self, step: float | None = None) -> float:
        """Make one time step and choose the next; return the step made.

        Parameters
        ----------
        step
            Use this step instead of the chosen one; at most `largest_step`.

        Raises
        ------
        StudyError
            When `step` is above `largest_step` or not positive.
        MemberFailed
            When the field is no longer finite.
        """
        step = self.step if step is None else step
        if not 0.0 < step <= self.largest_step * (1.0 + 1e-12):
            raise StudyError(f"GrainGrowth: a step of {step:.4g}; stability allows up to {self.largest_step:.4g}")
        known = self._old_step > 0.0
        ratio = step / self._old_step if known else 1.0
        change, bend, computed = self._advance(step, 1.0)
        if not np.isfinite(change):
            raise MemberFailed(f"GrainGrowth: not finite after step {self.steps + 1} at time {self.time:.4g}")
        self.time += step
        self.steps += 1
        self.pairs += computed
        self._old_step = step
        wish = self.control.growth
        if known and change > 0.0:
            self.last_error = 0.5 * ratio * float(np.sqrt(bend / change))
            self._error_time += self.last_error * step
            self._watched += step
            wish = min(wish, max(0.5, 0.9 * self.control.tolerance / max(self.last_error, 1e-12)))
        self.step = min(self.largest_step, max(step * wish, self.control.first * self.largest_step))
        return step

    def run(self, until: float) -> None:
        """Advance to reduced time `until`; nothing happens if it lies in the past."""
        while until - self.time > 1e-9 * self.largest_step:
            left = until - self.time
            if left < self.step:
                wish = self.step
                self.advance(left)
                self.step = wish  # a step cut short to stop at a time says nothing about the next
            else:
                self.advance()

    def visit(self, times: Sequence[float]) -> Iterator[GrainGrowth]:
        """Run to each of `times` in turn, yielding itself there: measure, write, or stop listening."""
        for until in times:
            self.run(until)
            yield self

    def checkpoint(self) -> bytes:
        """Return the state as bytes; `resume` goes on from it bit for bit."""
        numbers = [self.time, self.steps, self.pairs, self.step, self._old_step, self._error_time, self._watched]
        arrays = {**self.grains.arrays("now_"), **self._before.arrays("before_"), "numbers": np.array(numbers)}
        return to_bytes({**arrays, "flags": self._flags[0]})

    def resume(self, blob: bytes) -> None:
        """Take over the state of a `checkpoint` of a run with the same settings.

        Raises
        ------
        StudyError
            When the grids differ.
        """
        arrays = from_bytes(blob)
        grains = GrainField.from_arrays(arrays, "now_")
        if grains.shape != self.grains.shape:
            raise StudyError(f"GrainGrowth: a checkpoint of {grains.shape} voxels for a grid of {self.grains.shape}")
        self.grains, self._before = grains, GrainField.from_arrays(arrays, "before_")
        self._rewind()
        self._flags[0][:] = arrays["flags"]
        numbers = [float(one) for one in np.asarray(arrays["numbers"], np.float64)]
        self.time, self.steps, self.pairs, self.step = numbers[0], int(numbers[1]), int(numbers[2]), numbers[3]
        self._old_step, self._error_time, self._watched = numbers[4:]


def _buffers(one: GrainField) -> Buffers:
    return one.ids, one.values, one.counts
