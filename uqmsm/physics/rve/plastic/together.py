"""Newton's method on the strains of many blocks, each judged alone; see `newton` for that of one block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.plastic.block import Accuracy, Block, Condensed, Control, State
from uqmsm.physics.rve.plastic.bunch import Bunch, Moves
from uqmsm.physics.rve.plastic.newton import BACKTRACKS, first_guess

__all__ = ["Together"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class Together:
    """One step of a bunch of blocks: the arrays and the loop over them.

    After `run` each block has an end or an entry in `faults`.
    """

    def __init__(
        self,
        cells: Sequence[Block],
        states: Sequence[State],
        controls: Sequence[Control],
        accuracy: Accuracy,
        step_s: Array,
    ) -> None:
        self.cells, self.states, self.controls = cells, states, controls
        self.accuracy, self.step_s = accuracy, step_s
        count, shape = len(cells), cells[0].grain_ids.shape
        self.bunch = Bunch(cells, 1, [one.free for one in controls])
        self.strain, self.stress = np.empty((count, 6, *shape)), np.empty((count, 6, *shape))
        self.memory: list[Array] = []
        self.tangent = np.empty((count, *shape, 6, 6))
        self.force, self.steer = self.bunch.moves(count), self.bunch.moves(count)
        self.rest, self.gap = np.full(count, np.inf), np.full(count, np.inf)
        self.residuals: list[list[float]] = [[] for _ in cells]
        self.iterations = np.zeros(count, dtype=np.int64)
        self.kept = np.array([1 if one.law.symmetric else accuracy.memory for one in cells])
        self.faults: list[MemberFailed | None] = [None] * count

    def run(self, increments: Array, starts: Sequence[State | None]) -> None:
        """Iterate from the states on, or from where another question was answered."""
        for k, (state, increment, start) in enumerate(zip(self.states, increments, starts, strict=True)):
            guess = (
                first_guess(state, increment, self.controls[k], float(self.step_s[k]))
                if start is None
                else start.strain
            )
            self.strain[k] = guess
            if start is not None:
                wanted = state.strain.mean(axis=(1, 2, 3)) + increment - guess.mean(axis=(1, 2, 3))
                free = self.controls[k].free
                self.strain[k] += (wanted - free @ (free.T @ wanted))[:, None, None, None]
            self.stress[k] = (start or state).stress
            self.memory.append((start or state).memory.copy())
        going = np.arange(len(self.cells))
        self._judge(going)
        while (going := self._unfinished(going)).size:
            self._step(going)

    def _unfinished(self, going: Indices) -> Indices:
        """Record the residuals of these blocks; return those that have to go on."""
        more = []
        for k in going:
            rest, told = float(self.rest[k]), self.residuals[k]
            told.append(rest)
            if np.isfinite(rest):
                self.gap[k] = self._gap(k)
                if rest <= self.accuracy.residual and self.gap[k] <= self.accuracy.hill_mandel:
                    continue
                if len(told) <= self.accuracy.newton:
                    more.append(k)
                    continue
            self.faults[k] = MemberFailed(
                f"crystal block: after {len(told) - 1} Newton iterations {rest:.1e} of the stress is out of balance "
                f"({self.accuracy.residual:.1e} is accepted, and a Hill-Mandel gap of {self.accuracy.hill_mandel:.0e})"
                "; take smaller steps"
            )
        return np.array(more, dtype=np.int64)

    def _step(self, going: Indices) -> None:
        """Take one Newton move in these blocks, or a part of it where the whole leads uphill."""
        accuracy, before = self.accuracy, self.rest.copy()
        tolerance = np.full(len(self.cells), np.inf)
        close = 0.3 * accuracy.residual / before[going]
        tolerance[going] = np.minimum(np.maximum(close, np.minimum(before[going], accuracy.forcing)), 0.5)
        found, _, iterations = self.bunch.solve(
            self.force,
            self.steer,
            self.tangent,
            tolerance=tolerance,
            memory=self.kept,
            most=accuracy.linear,
        )
        self.iterations += iterations
        move = self.bunch.fields(found, going)
        self.strain[going] += move
        self._judge(going)
        share, place = 1.0, np.arange(going.size)
        for _ in range(BACKTRACKS):
            uphill = self.rest[going[place]] > np.maximum(before[going[place]], accuracy.residual)
            place = place[uphill]
            if place.size == 0:
                break
            share *= 0.5
            self.strain[going[place]] -= share * move[place]
            self._judge(going[place])

    def _judge(self, going: Indices) -> None:
        """Update all voxels of these blocks, and find the forces out of balance and how large they are."""
        lost = np.zeros(len(self.cells), dtype=np.bool_)
        failed = np.zeros(self.bunch.shape[0], dtype=np.int64)
        planes = (0, self.bunch.shape[0])
        for k in going:
            cell, memory, answer = self.cells[k], self.memory[k], (self.stress[k], self.tangent[k])
            remembered = (self.states[k].memory, memory)
            cell.law.update(self.strain[k], cell.grain_ids, float(self.step_s[k]), remembered, answer, planes, failed)
            lost[k] = failed.any()
        force, steer = self.bunch.answers(self.stress[going], going)
        self._lack(going, force, steer)
        sizes = self.bunch.sizes(force, steer)
        for place, k in enumerate(going):
            self.force[0][k], self.force[1][k] = force[0][place], force[1][place]
            self.steer[0][k], self.steer[1][k] = steer[0][place], steer[1][place]
            scale = self._energy(k)
            good = np.isfinite(sizes[place]) and not lost[k]
            self.rest[k] = (np.sqrt(sizes[place] / scale) if scale > 0.0 else 0.0) if good else np.inf

    def _lack(self, going: Indices, force: Moves, steer: Moves) -> None:
        """Turn forces of stresses into what they lack of balance, and of the mean stresses asked for."""
        for part in (*force, *steer):
            np.negative(part, out=part)
        for place, k in enumerate(going):
            free = self.controls[k].free
            if free.size:
                aim = free @ (free.T @ self.controls[k].stress_MPa)
                force[1][place] += aim
                steer[1][place] = self.bunch.media[2][k] @ force[1][place]

    def _energy(self, k: int) -> float:
        """Return the mean complementary energy (twice) that the stress has in the reference medium; see `newton`."""
        free, cell = self.controls[k].free, self.cells[k]
        wanted = (free @ (free.T @ self.controls[k].stress_MPa))[:, None]
        energies = []
        for stress in (self.stress[k].reshape(6, -1), wanted):
            trace = stress[:3].sum(axis=0)
            square, pressed = float((stress * stress).sum()) / trace.size, float((trace * trace).sum()) / trace.size
            energies.append((square - pressed / 3.0) / (2.0 * cell.shear_MPa) + pressed / (9.0 * cell.bulk_MPa))
        return float(max(energies))

    def _gap(self, k: int) -> float:
        stress, change = self.stress[k].reshape(6, -1), (self.strain[k] - self.states[k].strain).reshape(6, -1)
        work = (stress * change).sum(axis=0)
        mean, whole = float((stress.mean(axis=1) * change.mean(axis=1)).sum()), float(np.abs(work).mean())
        return abs(float(work.mean()) - mean) / whole if whole > 0.0 else 0.0

    def end(self, k: int, tangent: Array, iterations: int) -> Condensed:
        """Return the end of the step of one block."""
        strain, stress = self.strain[k].copy(), self.stress[k].copy()
        state = State(strain, stress, self.memory[k], (strain - self.states[k].strain) / self.step_s[k])
        mean_stress, mean_strain = (one.reshape(6, -1).mean(axis=1) for one in (stress, strain))
        residuals = tuple(self.residuals[k])
        return Condensed(state, mean_stress, mean_strain, tangent, float(self.gap[k]), residuals, iterations)
