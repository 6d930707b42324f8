"""A component and atoms in one equilibrium: strains go down, stresses come up, until both agree.

Where the `Switch` says so, an element gives its mean strain to blocks of atoms of its own and takes their mean stress
and tangent. Balance is found by Newton's method; atoms start where the last iterate left them, so that what has
rearranged stays so. Work put into the blocks is compared with the energy they store: the difference is zero while they
are elastic (Hill's condition at this bridge) and is dissipated where atoms rearrange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged
from uqmsm.physics.coupling.jury import Cell, Jury, Strained, walked
from uqmsm.physics.coupling.switch import Switch, Verdict

__all__ = ["Bridge", "Component", "LoadStep", "TwoWay"]

Floats = NDArray[np.float64]
States = dict[int, list[Any]]

MPA_PER_GPA = 1e3
_EVENT = 0.02
"""Share of work that is not stored, above which atoms have rearranged."""
_MOST_ITERATIONS = 40
_MOST_ROUNDS = 8
_FIRM = 0.02
_LONGEST_STRAIN_STEP = 0.005


class Component(Protocol):
    """What carries the loads; see `uqmsm.physics.fe.mean_law.MeanLaws`."""

    @property
    def stiffness_MPa(self) -> Floats:
        """(3, 3) law of the hierarchical elements."""

    @property
    def volume_mm3(self) -> Floats:
        """Volumes (elements,)."""

    def mean_strain(self, displacement_mm: Floats) -> Floats:
        """Mean strains (elements, 3)."""

    def steepness(self, displacement_mm: Floats) -> Floats:
        """How fast strain changes (elements,), per mm."""

    def corrected(
        self, displacement_mm: Floats, loads_N: Floats, elements: Sequence[int], stress_MPa: Floats, tangent_MPa: Floats
    ) -> tuple[Floats, float]:
        """One Newton step, and the relative force out of balance before it."""


@dataclass
class Bridge:
    """Work that went over the bridge to the atoms, per reference volume of one block (GPa).

    Attributes
    ----------
    work, stored
        Of all blocks together, while they were elastic.
    moved
        Sum of that work without sign: loads come and go.
    apart
        Sum of their differences, block by block and step by step, without sign.
    dissipated
        Work that was not stored, where atoms rearranged.
    events
        How often they did.
    """

    work: float = 0.0
    stored: float = 0.0
    moved: float = 0.0
    apart: float = 0.0
    dissipated: float = 0.0
    events: int = 0

    def cross(self, before: Strained, after: Strained) -> None:
        """Count one block from one equilibrium to the next."""
        step = after.strain[[0, 1, 5]] - before.strain[[0, 1, 5]]
        # Hermite's rule: exact for a law whose tangent changes linearly
        work = float(
            0.5 * (before.stress + after.stress) @ step - step @ (after.tangent - before.tangent) @ step / 12.0
        )
        stored = after.energy - before.energy
        size = max(abs(work), abs(stored))
        if size < 1e-9:
            return
        if abs(work - stored) > _EVENT * size:
            self.events += 1
            self.dissipated += work - stored
            return
        self.work += work
        self.stored += stored
        self.moved += abs(work)
        self.apart += abs(work - stored)

    @property
    def gap(self) -> float:
        """Hill-Mandel gap of the bridge: what of the work was not stored, relative, while atoms were elastic."""
        return self.apart / self.moved if self.moved > 0.0 else 0.0


@dataclass(frozen=True)
class LoadStep:
    """One load, carried.

    Attributes
    ----------
    displacement_mm
        (nodes, 2).
    strain
        (elements, 3) means.
    zone
        Concurrent elements.
    stress_GPa
        (len(zone), 3) what their atoms carry, in the order of `zone`.
    verdicts
        Of the elements that were asked.
    left
        Relative force out of balance.
    iterations
        Newton steps over all rounds.
    """

    displacement_mm: Floats
    strain: Floats
    zone: tuple[int, ...]
    stress_GPa: Floats
    verdicts: dict[int, Verdict]
    left: float
    iterations: int


@dataclass
class TwoWay:
    """A component under one load after the other, switching as it goes.

    Parameters
    ----------
    component
        The hierarchical one.
    jury
        Who is asked about strains.
    cells_of
        Makes the blocks of atoms of an element.
    switch
        Which elements are concurrent.
    spacing_mm
        Of the lattice, for the gradient.
    patience
        Elements are asked from the most strained downwards, until this many in a row have no sign above the lower
        probability.
    tolerance
        Largest relative force out of balance.
    """

    component: Component
    jury: Jury
    cells_of: Callable[[int], Sequence[Cell]]
    switch: Switch
    spacing_mm: float
    patience: int = 4
    tolerance: float = 1e-5
    bridge: Bridge = field(default_factory=Bridge)
    _cells: dict[int, Sequence[Cell]] = field(default_factory=dict, repr=False)
    _states: States = field(default_factory=dict, repr=False)

    def carry(self, number: int, loads_N: Floats, displacement_mm: Floats) -> LoadStep:
        """Find the equilibrium under a load, elements changing their scale until none wants to.

        Parameters
        ----------
        number
            Of the load, for the log.
        loads_N
            (nodes, 2).
        displacement_mm
            (nodes, 2) where the search starts.

        Raises
        ------
        NotConverged
            When component and atoms do not agree.
        Unstable
            When atoms of the zone find no rest.
        """
        before = {e: list(states) for e, states in self._states.items()}
        u, iterations, fresh = displacement_mm, 0, set[int]()
        for _ in range(_MOST_ROUNDS):
            u, left, used = self._balance(u, loads_N)
            iterations += used
            verdicts = self._ask(u, self._outside(u))
            new = self.switch.enter(number, verdicts)
            if not new:
                break
            mean = self.component.mean_strain(u)
            fresh.update(new)
            for e in new:
                self._cells.setdefault(e, self.cells_of(e))
                self._states[e] = [walked(cell, mean[e]) for cell in self._cells[e]]
                before[e] = list(self._states[e])
        verdicts |= self._ask(u, iter(sorted(self.switch.zone)))
        gone = self.switch.leave(number, verdicts, self._marked() | fresh)
        for e in gone:
            del self._states[e], before[e]
        if gone:
            u, left, used = self._balance(u, loads_N)
            iterations += used
        for e, states in self._states.items():
            for one, other in zip(before[e], states, strict=True):
                self.bridge.cross(one, other)
        zone = tuple(sorted(self._states))
        stress = np.array([np.mean([s.stress for s in self._states[e]], axis=0) for e in zone]).reshape(-1, 3)
        return LoadStep(u, self.component.mean_strain(u), zone, stress, verdicts, left, iterations)

    def _marked(self) -> set[int]:
        """Return elements of the zone whose own atoms have left the elastic answer: they do not forget."""
        limit = self.switch.thresholds.chi
        found = set()
        for e, states in self._states.items():
            pairs = zip(self._cells[e], states, strict=True)
            if any(np.abs(at.strain).max() > 0.0 and cell.signs(at).chi_ratio > limit for cell, at in pairs):
                found.add(e)
        return found

    def _ask(self, u: Floats, elements: Iterator[int]) -> dict[int, Verdict]:
        """Ask the jury about elements, until `patience` in a row have no sign above the lower probability."""
        strain, limits = self.component.mean_strain(u), self.switch.thresholds
        steep = self.spacing_mm * self.component.steepness(u) / np.linalg.norm(strain, axis=1).max()
        found, quiet = {}, 0
        for e in elements:
            if quiet >= self.patience and e not in self.switch.zone:
                break
            found[e] = self.jury.verdict(strain[e], float(steep[e]), limits)
            quiet = 0 if found[e].worst >= limits.leave else quiet + 1
        return found

    def _outside(self, u: Floats) -> Iterator[int]:
        """Go through the hierarchical elements: steep ones first, then from the most strained downwards."""
        size = np.linalg.norm(self.component.mean_strain(u), axis=1)
        steep = self.spacing_mm * self.component.steepness(u) / size.max() > self.switch.thresholds.gradient
        order = np.lexsort((-size, ~steep)).tolist()
        yield from (e for e in order if e not in self.switch.zone)

    def _balance(self, u: Floats, loads_N: Floats) -> tuple[Floats, float, int]:
        """Return displacements in equilibrium, the force left and the Newton steps spent; atoms follow."""
        zone = sorted(self._states)
        for iteration in range(_MOST_ITERATIONS):
            mean = self.component.mean_strain(u)
            for e in zone:
                pairs = zip(self._cells[e], self._states[e], strict=True)
                self._states[e] = [walked(cell, mean[e], at) for cell, at in pairs]
            stress, tangent = self._answers(zone)
            trial, left = self.component.corrected(u, loads_N, zone, stress, tangent)
            if left < self.tolerance:
                return u, left, iteration
            u = u + (trial - u) * self._length(zone, mean, self.component.mean_strain(trial))
        raise NotConverged(
            f"component and atoms do not agree: after {iteration + 1} Newton steps {left:.1e} of the load is out of "
            f"balance with {len(zone)} concurrent elements; take smaller steps of load"
        )

    def _answers(self, zone: Sequence[int]) -> tuple[Floats, Floats]:
        """Return stresses (n, 3) and tangents (n, 3, 3) of the zone in MPa, tangents kept positive for the search."""
        stress, tangent = np.zeros((len(zone), 3)), np.zeros((len(zone), 3, 3))
        for k, e in enumerate(zone):
            stress[k] = np.mean([s.stress for s in self._states[e]], axis=0)
            values, vectors = np.linalg.eigh(np.mean([s.tangent for s in self._states[e]], axis=0))
            least = _FIRM * float(np.mean([np.trace(cell.virgin.tangent) for cell in self._cells[e]]))
            tangent[k] = (vectors * np.maximum(values, least)) @ vectors.T
        return MPA_PER_GPA * stress, MPA_PER_GPA * tangent

    @staticmethod
    def _length(zone: Sequence[int], now: Floats, then: Floats) -> float:
        """Return the share of a Newton step by which no concurrent element strains too far at once."""
        if not zone:
            return 1.0
        farthest = float(np.abs(then[list(zone)] - now[list(zone)]).max())
        return min(1.0, _LONGEST_STRAIN_STEP / max(farthest, 1e-300))
