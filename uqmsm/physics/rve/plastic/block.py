"""A block of voxels that remembers: one step of time in, stress, tangent and a new memory out.

Newton's method on the voxels' strain, with the consistent tangent of every voxel and `Balance` for the linear problem.
The state is a handful of plain arrays, so that it can be pickled, stored and sent; a step changes nothing in place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.fourier import Scheme, waves
from uqmsm.physics.rve.plastic.balance import Balance, Move
from uqmsm.physics.rve.plastic.laws import Law
from uqmsm.physics.rve.plastic.spectra import wave_vectors
from uqmsm.physics.tensors import isotropic_moduli, mandel_to_voigt

__all__ = ["Accuracy", "Advanced", "Block", "Control", "State", "advance", "block", "equilibrate", "macro_tangent"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

_BACKTRACKS = 5


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
    """

    residual: float = 1e-8
    hill_mandel: float = 1e-10
    newton: int = 20
    linear: int = 400
    memory: int = 4


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
class Advanced:
    """The end of one step; Mandel, MPa.

    Attributes
    ----------
    state
        What to start the next step from.
    mean_stress, mean_strain
        ``(6,)``.
    tangent
        ``(nx, ny, nz, 6, 6)`` of every voxel.
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

    def balance(self, free: Array, pool: ThreadPoolExecutor | None) -> Balance:
        """Return the linear operators for these free directions."""
        x, y, z = self.grain_ids.shape
        return Balance((x, y, z), self.waves, self.count, self.bulk_MPa, self.shear_MPa, free, self.workers, pool)


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


def advance(cell: Block, state: State, strain_increment: Array, step_s: float) -> Advanced:
    """Strain a block by a mean increment: a pure function of plain arrays, made to be called from quadrature points.

    Parameters
    ----------
    cell
        The block; its tables are shared by all states.
    state
        Where it stands; not changed.
    strain_increment
        ``(6,)`` Mandel.
    step_s
        Duration in seconds.

    Raises
    ------
    MemberFailed
        When the step does not converge, or work is not conserved between the scales; take a smaller one.
    """
    return equilibrate(cell, state, strain_increment, step_s)


def equilibrate(
    cell: Block,
    state: State,
    strain_increment: Array,
    step_s: float,
    *,
    control: Control | None = None,
    accuracy: Accuracy | None = None,
) -> Advanced:
    """Take one step under mixed control; see `advance` and `Control`.

    Raises
    ------
    MemberFailed
        When the step does not converge.
    """
    control, accuracy = control or Control(), accuracy or Accuracy()
    with _pool(cell.workers) as pool:
        newton = _Newton(cell, state, control, accuracy, step_s, cell.balance(control.free, pool))
        return newton.run(_start(state, strain_increment, control, step_s))


def _pool(workers: int) -> ThreadPoolExecutor | nullcontext[None]:
    return ThreadPoolExecutor(workers) if workers > 1 else nullcontext()


def _start(state: State, strain_increment: Array, control: Control, step_s: float) -> Array:
    """Guess the strain at the end: the rate of the last step goes on, as far as it leads where the load leads."""
    held = np.eye(6) - control.free @ control.free.T
    wanted = held @ strain_increment
    mean = state.rate.mean(axis=(1, 2, 3))
    along, length = float(np.sum(wanted * (held @ mean))), float(np.sum((held @ mean) ** 2))
    seconds = max(along / length, 0.0) if length > 0.0 else (step_s if control.free.shape[1] == 6 else 0.0)
    guess = state.strain + seconds * state.rate
    guess += (wanted - seconds * (held @ mean))[:, None, None, None]
    return np.asarray(guess)


class _Newton:
    """The arrays of one step and the loop over them."""

    def __init__(
        self, cell: Block, state: State, control: Control, accuracy: Accuracy, step_s: float, balance: Balance
    ) -> None:
        self.cell, self.state, self.control, self.accuracy, self.step_s = cell, state, control, accuracy, step_s
        self.balance = balance
        self.stress = state.stress.copy()
        self.memory = np.empty_like(state.memory)
        self.tangent = np.empty((*cell.grain_ids.shape, 6, 6))
        self.residuals: list[float] = []
        self.iterations = 0

    def run(self, strain: Array) -> Advanced:
        """Iterate from a first guess of the strain, which is changed in place."""
        force, residual = self._judge(strain)
        for _ in range(self.accuracy.newton + 1):
            self.residuals.append(residual)
            if not np.isfinite(residual):
                break
            gap = self._gap(strain)
            if residual <= self.accuracy.residual and gap <= self.accuracy.hill_mandel:
                return self._ended(strain, gap)
            if len(self.residuals) > self.accuracy.newton:
                break
            force, residual = self._step(strain, force, residual)
        raise MemberFailed(
            f"crystal block: after {len(self.residuals) - 1} Newton iterations {self.residuals[-1]:.1e} of the stress "
            f"is out of balance ({self.accuracy.residual:.1e} is accepted, and a Hill-Mandel gap of "
            f"{self.accuracy.hill_mandel:.0e}); take smaller steps"
        )

    def _judge(self, strain: Array) -> tuple[Move, float]:
        """Update all voxels; return the force and how large it is, infinite where voxels found no stress."""
        failed = np.zeros(self.cell.grain_ids.shape[0], dtype=np.int64)
        ids, memory, answer = self.cell.grain_ids, (self.state.memory, self.memory), (self.stress, self.tangent)
        self.balance.each(
            lambda planes: self.cell.law.update(strain, ids, self.step_s, memory, answer, planes, failed)
        )
        force = self.balance.force(self.stress, self.control.stress_MPa)
        size = self.balance.dot(force, self.balance.soften(force))
        scale = self._energy()
        if failed.any() or not np.isfinite(size):
            return force, np.inf
        return force, float(np.sqrt(size / scale)) if scale > 0.0 else 0.0

    def _energy(self) -> float:
        """Return the mean complementary energy (twice) that the stress has in the reference medium."""
        trace = self.stress[:3].sum(axis=0)
        bulk, shear = self.cell.bulk_MPa, self.cell.shear_MPa
        square = float(np.sum(self.stress * self.stress)) / trace.size
        hydrostatic = float(np.sum(trace * trace)) / trace.size
        return (square - hydrostatic / 3.0) / (2.0 * shear) + hydrostatic / (9.0 * bulk)

    def _step(self, strain: Array, force: Move, residual: float) -> tuple[Move, float]:
        """Solve for one Newton move and take it, or a part of it if the whole leads uphill."""
        force.waves *= -1.0
        force.mean *= -1.0
        tolerance = min(max(0.3 * self.accuracy.residual / residual, min(residual, 0.05)), 0.5)
        memory = 1 if self.cell.law.symmetric else self.accuracy.memory
        move, _, iterations = self.balance.solve(
            force, self.tangent, tolerance=tolerance, memory=memory, max_iterations=self.accuracy.linear
        )
        self.iterations += iterations
        field = self.balance.strain(move)
        field += move.mean[:, None, None, None]
        strain += field
        share = 1.0
        force, after = self._judge(strain)
        for _ in range(_BACKTRACKS):
            if after <= max(residual, self.accuracy.residual):
                break
            share *= 0.5
            strain -= share * field
            force, after = self._judge(strain)
        return force, after

    def _gap(self, strain: Array) -> float:
        change = strain - self.state.strain
        work = (self.stress * change).sum(axis=0)
        mean = float(np.sum(_means(self.stress) * _means(change)))
        whole = float(np.abs(work).mean())
        return abs(float(work.mean()) - mean) / whole if whole > 0.0 else 0.0

    def _ended(self, strain: Array, gap: float) -> Advanced:
        rate = (strain - self.state.strain) / self.step_s
        state = State(strain, self.stress, self.memory, rate)
        means = _means(self.stress), _means(strain)
        return Advanced(state, *means, self.tangent, gap, tuple(self.residuals), self.iterations)


def _means(fields: Array) -> Array:
    return np.array([one.mean() for one in fields])


def macro_tangent(cell: Block, tangent: Array, *, tolerance: float = 1e-6, memory: int = 4) -> Array:
    """Return the consistent tangent of the whole block, ``(6, 6)`` Mandel in MPa, by six linear solves.

    Parameters
    ----------
    cell
        The block.
    tangent
        Of its voxels, from `Advanced`.
    tolerance
        Relative residual of each solve.
    memory
        Directions kept.

    Raises
    ------
    MemberFailed
        When a solve stalls.
    """
    found = np.empty((6, 6))
    with _pool(cell.workers) as pool:
        balance = cell.balance(np.zeros((6, 0)), pool)
        for column, unit in enumerate(np.eye(6)):
            bare = np.moveaxis(tangent[..., column], -1, 0).copy()
            force = balance.force(bare)
            force.waves *= -1.0
            move, reached, iterations = balance.solve(
                force, tangent, tolerance=tolerance, memory=memory, max_iterations=1000
            )
            if reached > tolerance:
                raise MemberFailed(
                    f"macro_tangent: {reached:.1e} of the force is left after {iterations} iterations; allow a larger "
                    "tolerance"
                )
            total = replace(move, mean=unit)
            field = balance.strain(total)
            stress = np.einsum("xyzab,bxyz->axyz", tangent, field + unit[:, None, None, None])
            found[:, column] = _means(stress)
    return found
