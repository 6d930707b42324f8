"""One specimen with a stated short-range order: a random solution whose neighbours have been given preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Unit
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.stochastic import Given, Outcome
from uqmsm.uncertainty import Uncertain, settled

__all__ = ["OrderedAlloy", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """One Warren-Cowley parameter: negative where the two elements seek each other.

    Parameters
    ----------
    couple
        Two chemical symbols, which may be the same.
    alpha
        The parameter, 0 in a random alloy.
    shell
        Neighbour shell, 1 the nearest.
    """

    couple: tuple[str, str]
    alpha: float
    shell: int = 1

    def __post_init__(self) -> None:
        """Refuse what no shell has."""
        if self.shell < 1 or not self.alpha <= 1.0:
            raise StudyError(f"alpha = {self.alpha:g} in shell {self.shell}: alpha is at most 1, shells count from 1")


@dataclass(frozen=True)
class OrderedAlloy(RandomAlloy):
    """An alloy with short-range order, drawn from all arrangements that have it.

    Parameters
    ----------
    elements, composition, lattice, cells, orientation, volume, shells
        As for the random alloy.
    order
        Warren-Cowley parameters that are known or feared; couples that are not named stay free.
    degree
        Degree of order. It multiplies all parameters: 0 leaves the alloy random, 1 gives it the order stated. A law
        makes it a source: epistemic where the order is not known, aleatoric where heats differ.
    spread
        Standard deviation of each parameter about what is wanted.
    sweeps
        Trials per site: half to find the order, half to forget where it was found.
    """

    order: tuple[Wanted, ...] = ()
    degree: Annotated[Uncertain, Unit("1")] = 1.0
    spread: float = 0.005
    sweeps: int = 200

    def __post_init__(self) -> None:
        """Refuse an order that no arrangement has."""
        super().__post_init__()
        if not self.order:
            raise StudyError("order names no couple; write  order: [{couple: [Cr, Cr], alpha: 0.2}]  or model: random")
        if self.spread <= 0 or self.sweeps < 2:
            raise StudyError(
                f"spread = {self.spread:g}, sweeps = {self.sweeps}: give a positive spread, 2 sweeps or more"
            )
        self._wanted(1.0)

    def _wanted(self, degree: float) -> NDArray[np.float64]:
        kinds, deepest = len(self.elements), max(one.shell for one in self.order)
        table = np.full((deepest, kinds, kinds), np.nan)
        for one in self.order:
            strange = [symbol for symbol in one.couple if symbol not in self.elements]
            if strange:
                raise StudyError(f"order of {'-'.join(one.couple)}: the alloy has no {strange[0]}")
            a, b = (self.elements.index(symbol) for symbol in one.couple)
            if np.isfinite(table[one.shell - 1, a, b]):
                raise StudyError(f"order of {'-'.join(one.couple)} in shell {one.shell} is stated twice; keep one")
            table[one.shell - 1, a, b] = table[one.shell - 1, b, a] = degree * one.alpha
        return table

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001 + 4e-7 * self.atoms * self.sweeps

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny cell."""
        from uqmsm.physics.alloy import arrange

        arrange((0.5, 0.5), (2, 2, 2), "bcc", np.zeros((1, 2, 2)), np.random.default_rng(0), sweeps=2)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Fill one cell and let its atoms change places until it has the order."""
        from uqmsm.physics.alloy import arrange

        rng, degree = streams["configuration"], settled(self.degree)
        found = arrange(
            self._fractions(), self.vectors, self.lattice, self._wanted(degree), rng,
            spread=self.spread, sweeps=self.sweeps,
        )  # fmt: skip
        if found.worst > 5.0 * self.spread:
            raise MemberFailed(
                f"the order is missed by {found.worst:.3f} in one couple, {found.worst / self.spread:.0f} times its "
                f"spread; the couples contradict each other, or {self.atoms} atoms are too few for a spread of "
                f"{self.spread:g}: widen it, or take more cells or sweeps"
            )
        return self._specimen(found.species, rng)
