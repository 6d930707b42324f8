"""One step of a block of clusters: the strains of the clusters and the medium around them, by Newton's method.

The medium has the bulk modulus of the elastic block and as shear modulus the secant of the step, ``|change of the mean
stress deviator| / 2 |change of the mean strain deviator|``: elastic before slip, soft once all grains flow. It is one
more unknown, so that the tangent handed on is the exact derivative.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.plastic.clusters import Clusters

__all__ = ["Reduced", "Standing", "reduced_step", "unstrained"]

Array = NDArray[np.float64]

_VOLUME = np.zeros((6, 6))
_VOLUME[:3, :3] = 1.0 / 3.0
_DEVIATOR = np.eye(6) - _VOLUME
SOFTEST = 0.01
"""What the medium has more than the secant of the step, over the elastic modulus; less changes little and stalls."""
_LEAST = 1e-5  # strain increments below are not told apart from none: laws find stresses to 1e-12 of a resistance
_ITERATIONS, _HALVINGS = 60, 10


@dataclass(frozen=True)
class Standing:
    """All that the clusters remember; Mandel, MPa.

    Attributes
    ----------
    strain, stress, rate : ndarray, shape (clusters, 6)
        The rate is per second, of the last step: where the next one starts to look.
    memory : ndarray, shape (clusters, 1, 1, width)
    medium_MPa : float
        Shear modulus of the medium in the last step.
    mean_slip : float
        Accumulated slip, averaged over the volume.
    """

    strain: Array
    stress: Array
    rate: Array
    memory: Array
    medium_MPa: float
    mean_slip: float = 0.0


@dataclass(frozen=True)
class Reduced:
    """The end of one step; Mandel, MPa.

    Attributes
    ----------
    state : Standing
    mean_stress : ndarray, shape (6,)
    tangent : ndarray, shape (6, 6)
        Derivative of that stress by the mean strain.
    hill_mandel_gap : float
        Work of the means less the mean work of the increments, the fluctuations inside clusters included, relative.
    residuals : tuple of float
    """

    state: Standing = field(repr=False)
    mean_stress: Array
    tangent: Array
    hill_mandel_gap: float
    residuals: tuple[float, ...]


def unstrained(block: Clusters) -> Standing:
    """Return the state of clusters that were never strained."""
    count = len(block.owner)
    none = np.zeros((count, 6))
    return Standing(none, none, none, np.tile(block.law.virgin(), (count, 1, 1, 1)), block.shear_MPa)


def reduced_step(
    block: Clusters, state: Standing, strain_increment: Array, step_s: float, *, tolerance: float = 1e-9
) -> Reduced:
    """Strain the clusters by a mean increment; a pure function.

    Parameters
    ----------
    block : Clusters
    state : Standing
        Not changed.
    strain_increment : ndarray, shape (6,)
        Mandel.
    step_s : float
    tolerance : float
        Largest strain out of balance, relative to the increment.

    Raises
    ------
    MemberFailed
        When Newton's method fails; take a smaller step.
    """
    return _Step(block, state, np.asarray(strain_increment, dtype=np.float64), step_s).run(tolerance)


@dataclass(frozen=True)
class _Trial:
    """The equations at one place of the unknowns."""

    change: Array
    medium: float
    stress: Array
    tangent: Array
    memory: Array
    polarised: Array
    green: Array
    rest: Array
    size: float


class _Step:
    """One step under way; the unknowns are the changes of strain, ``(clusters, 6)``, and the medium's shear modulus."""

    def __init__(self, block: Clusters, state: Standing, given: Array, step_s: float) -> None:
        self.block, self.state, self.given, self.step_s = block, state, given, step_s
        self.scale = max(float(np.abs(given).max()), _LEAST)
        self.sheared = float(np.sqrt(np.sum((_DEVIATOR @ given) ** 2)))
        self.count = len(block.owner)
        self.weights = block.meeting.fractions

    def run(self, tolerance: float) -> Reduced:
        """Iterate."""
        here = self.judge(*self.start())
        if here is None:
            here = self.judge(np.tile(self.given, (self.count, 1)), self.block.shear_MPa)
        seen: list[float] = []
        for _ in range(_ITERATIONS):
            if here is None:
                break
            seen.append(here.size)
            matrix = self.matrix(here)
            if here.size <= tolerance:
                return self.ended(here, matrix, tuple(seen))
            here = self.walk(here, np.asarray(np.linalg.solve(matrix, -here.rest)))
        raise MemberFailed(
            f"clusters: {seen[-1] if seen else np.inf:.1e} of the strain increment is out of balance after "
            f"{len(seen)} Newton iterations; take a smaller step"
        )

    def start(self) -> tuple[Array, float]:
        """Guess: the rate of the last step goes on, as far as it leads where the load leads."""
        mean = self.weights @ self.state.rate
        length = float(np.sum(mean * mean))
        seconds = max(float(np.sum(self.given * mean)) / length, 0.0) if length > 0.0 else 0.0
        return seconds * self.state.rate + (self.given - seconds * mean), self.state.medium_MPa

    def walk(self, here: _Trial, move: Array) -> _Trial | None:
        """Take a Newton step, or the part of it that does not lead uphill."""
        share, low, high = 1.0, SOFTEST * self.block.shear_MPa, 2.0 * self.block.shear_MPa
        there = None
        for _ in range(_HALVINGS):
            medium = min(max(here.medium + share * move[-1] * self.block.shear_MPa, low, 0.2 * here.medium), high)
            there = self.judge(here.change + share * move[:-1].reshape(self.count, 6), medium, here)
            if there is not None and there.size < here.size:
                return there
            share *= 0.5
        return there

    def judge(self, change: Array, medium: float, near: _Trial | None = None) -> _Trial | None:
        """Ask the law of every cluster, and say what is out of balance; None where one finds no stress."""
        block, count = self.block, self.count
        strain = np.ascontiguousarray((self.state.strain + change).T).reshape(6, count, 1, 1)
        guess = self.state if near is None else near
        stress = guess.stress.T.reshape(6, count, 1, 1).copy()
        tangent, memory = np.empty((count, 1, 1, 6, 6)), guess.memory.copy()
        failed = np.zeros(count, dtype=np.int64)
        block.law.update(
            strain, block.owner, self.step_s, (self.state.memory, memory), (stress, tangent), (0, count), failed
        )
        if failed.any() or not np.isfinite(stress).all():
            return None
        after = stress.reshape(6, count).T
        polarised = after - self.state.stress - self.around(change, medium)
        green = (block.meeting.shear - self.share(medium) * block.meeting.along) / medium
        off = change + (green @ polarised.ravel()).reshape(count, 6) - self.given
        miss = medium / block.shear_MPa - self.secant(after)[0] / block.shear_MPa - SOFTEST
        rest = np.append(off.ravel(), miss)
        size = max(float(np.abs(off).max()) / self.scale, abs(miss))
        return _Trial(change, medium, after, tangent[:, 0, 0], memory, polarised, green, rest, size)

    def around(self, change: Array, medium: float) -> Array:
        """Return the stress that changes of strain make in the medium."""
        volume = change @ _VOLUME
        return np.asarray(3.0 * self.block.bulk_MPa * volume + 2.0 * medium * (change - volume))

    def share(self, medium: float) -> float:
        """Return (lambda + mu) / (lambda + 2 mu) of the medium."""
        return (self.block.bulk_MPa + medium / 3.0) / (self.block.bulk_MPa + 4.0 * medium / 3.0)

    def secant(self, stress: Array) -> tuple[float, Array]:
        """Return the secant shear modulus of the step and the unit deviator of the stress change."""
        jump = _DEVIATOR @ (self.weights @ (stress - self.state.stress))
        length = float(np.sqrt(np.sum(jump * jump)))
        if self.sheared <= 1e-3 * self.scale or length == 0.0:  # hardly sheared: nothing yields
            return self.block.shear_MPa, np.zeros(6)
        return length / (2.0 * self.sheared), jump / length

    def matrix(self, at: _Trial) -> Array:
        """Return the derivative of what is out of balance by the unknowns; the medium's modulus is relative."""
        block, count = self.block, self.count
        medium, stiff = at.medium, block.shear_MPa
        less = at.tangent - 3.0 * block.bulk_MPa * _VOLUME - 2.0 * medium * _DEVIATOR
        side = 6 * count
        whole = np.empty((side + 1, side + 1))
        columns = at.green.reshape(side, count, 6).transpose(1, 0, 2)
        whole[:-1, :-1] = (columns @ less).transpose(1, 0, 2).reshape(side, side)
        whole[:-1, :-1] += np.eye(side)
        slope = -block.bulk_MPa / (block.bulk_MPa + 4.0 * medium / 3.0) ** 2
        turned = at.green @ (at.polarised.ravel() / medium + 2.0 * (at.change @ _DEVIATOR).ravel())
        turned += block.meeting.along @ (at.polarised.ravel() * (slope / medium))
        whole[:-1, -1] = -stiff * turned
        whole[-1, :-1] = 0.0
        unit = self.secant(at.stress)[1]
        if unit.any():
            pulled = (self.weights[:, None] * (unit @ at.tangent)).ravel()
            whole[-1, :-1] = -pulled / (2.0 * self.sheared * stiff)
        whole[-1, -1] = 1.0
        return whole

    def ended(self, at: _Trial, matrix: Array, seen: tuple[float, ...]) -> Reduced:
        """Gather the end of the step and its tangent."""
        block, count = self.block, self.count
        right = np.zeros((6 * count + 1, 6))
        right[:-1] = np.tile(np.eye(6), (count, 1))
        secant, unit = self.secant(at.stress)
        if unit.any():
            right[-1] = -secant * (_DEVIATOR @ self.given) / (self.sheared**2 * block.shear_MPa)
        moved = np.linalg.solve(matrix, right)[:-1].reshape(count, 6, 6)
        tangent = np.einsum("g,gij,gjk->ik", self.weights, at.tangent, moved)
        slip = float(self.weights @ at.memory[:, 0, 0, -1])
        rate = at.change / self.step_s
        state = Standing(self.state.strain + at.change, at.stress, rate, at.memory, at.medium, slip)
        return Reduced(state, self.weights @ at.stress, tangent, self.gap(at), seen)

    def gap(self, at: _Trial) -> float:
        """Compare the work of the means with the mean work of the increments, fluctuations inside clusters included."""
        jump = at.stress - self.state.stress
        each = (jump * at.change).sum(axis=1)
        apart = at.change - self.given
        inside = at.polarised.ravel() @ (at.green * np.repeat(self.weights, 6)[:, None]) @ at.polarised.ravel()
        inside -= self.weights @ (apart * self.around(apart, at.medium)).sum(axis=1)
        whole = float(self.weights @ np.abs(each))
        mean = float((self.weights @ jump) @ self.given)
        return abs(float(self.weights @ each) + float(inside) - mean) / whole if whole > 0.0 else 0.0
