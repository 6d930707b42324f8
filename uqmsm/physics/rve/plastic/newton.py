"""One step of a block: Newton's method on the strain of its voxels, quadratic for the tangents are consistent.

`advance` is a pure function of plain arrays, made to be called from the quadrature points of a component.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.equilibrium import Balance, Move
from uqmsm.physics.rve.plastic.block import Accuracy, Advanced, Block, Control, State
from uqmsm.physics.rve.plastic.compiled import Compiled

__all__ = ["BACKTRACKS", "advance", "equilibrate", "first_guess", "macro_tangent"]

Array = NDArray[np.float64]

BACKTRACKS = 5


def advance(
    cell: Block, state: State, strain_increment: Array, step_s: float, *, accuracy: Accuracy | None = None
) -> Advanced:
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
    accuracy
        When the step is accepted.

    Raises
    ------
    MemberFailed
        When the step does not converge, or work is not conserved between the scales; take a smaller one.
    """
    return equilibrate(cell, state, strain_increment, step_s, accuracy=accuracy)


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
        newton = _Newton(cell, state, control, accuracy, step_s, cell.operators(pool))
        return newton.run(first_guess(state, strain_increment, control, step_s))


def _pool(workers: int) -> ThreadPoolExecutor | nullcontext[None]:
    return ThreadPoolExecutor(workers) if workers > 1 else nullcontext()


def first_guess(state: State, strain_increment: Array, control: Control, step_s: float) -> Array:
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
        self, cell: Block, state: State, control: Control, accuracy: Accuracy, step_s: float, operators: Compiled
    ) -> None:
        self.cell, self.state, self.control, self.accuracy, self.step_s = cell, state, control, accuracy, step_s
        self.operators = operators
        self.balance = Balance(operators, cell.bulk_MPa, cell.shear_MPa, control.free)
        self.stress = state.stress.copy()
        self.memory = state.memory.copy()
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
        self.operators.each(
            lambda planes: self.cell.law.update(strain, ids, self.step_s, memory, answer, planes, failed)
        )
        force = self.balance.lack(self.stress, self.control.stress_MPa)
        size = self.balance.dot(force, self.balance.soften(force))
        scale = self._energy()
        if failed.any() or not np.isfinite(size):
            return force, np.inf
        return force, float(np.sqrt(size / scale)) if scale > 0.0 else 0.0

    def _energy(self) -> float:
        """Return the mean complementary energy (twice) that the stress has in the reference medium.

        That of the mean stress asked for, where it is more: a block at rest is not in balance with it.
        """
        free = self.control.free
        wanted = (free @ (free.T @ self.control.stress_MPa))[:, None, None, None]
        return max(self._energy_of(self.stress), self._energy_of(wanted))

    def _energy_of(self, stress: Array) -> float:
        trace = stress[:3].sum(axis=0)
        bulk, shear = self.cell.bulk_MPa, self.cell.shear_MPa
        square = float(np.sum(stress * stress)) / trace.size
        hydrostatic = float(np.sum(trace * trace)) / trace.size
        return float((square - hydrostatic / 3.0) / (2.0 * shear) + hydrostatic / (9.0 * bulk))

    def _step(self, strain: Array, force: Move, residual: float) -> tuple[Move, float]:
        """Solve for one Newton move and take it, or a part of it if the whole leads uphill."""
        tolerance = min(max(0.3 * self.accuracy.residual / residual, min(residual, self.accuracy.forcing)), 0.5)
        memory = 1 if self.cell.law.symmetric else self.accuracy.memory
        move, _, iterations = self.balance.solve(
            force,
            self.operators.tangent(self.tangent),
            tolerance=tolerance,
            memory=memory,
            max_iterations=self.accuracy.linear,
        )
        self.iterations += iterations
        field = self.operators.strain(move.field, move.mean)
        strain += field
        share = 1.0
        force, after = self._judge(strain)
        for _ in range(BACKTRACKS):
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


def macro_tangent(cell: Block, tangent: Array, *, tolerance: float = 1e-6, memory: int = 2) -> Array:
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
        operators = cell.operators(pool)
        balance = Balance(operators, cell.bulk_MPa, cell.shear_MPa, np.zeros((6, 0)))
        for column, unit in enumerate(np.eye(6)):
            bare = np.moveaxis(tangent[..., column], -1, 0).copy()
            move, reached, iterations = balance.solve(
                balance.lack(bare),
                operators.tangent(tangent),
                tolerance=tolerance,
                memory=memory,
                max_iterations=1000,
            )
            if reached > tolerance:
                raise MemberFailed(
                    f"macro_tangent: {reached:.1e} of the force is left after {iterations} iterations; allow a larger "
                    "tolerance"
                )
            stress = operators.tangent(tangent)(operators.strain(move.field, unit))
            found[:, column] = _means(stress)
    return found
