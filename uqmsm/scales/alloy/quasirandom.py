"""One specimen more random than chance makes it: a special quasirandom structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.stochastic import Given, Outcome

__all__ = ["QuasirandomAlloy"]


@dataclass(frozen=True)
class QuasirandomAlloy(RandomAlloy):
    """An alloy whose neighbours are as those of an infinite random alloy, as nearly as the cell allows.

    Each index of `configuration` is another such arrangement, so that what is left of the finite cell can be seen.

    Parameters
    ----------
    elements, composition, lattice, cells, orientation, volume
        As for the random alloy.
    shells
        Neighbour shells that are made random, the nearest with most weight.
    starts
        Random starts, of which the best is kept.
    sweeps
        Trials per site from each start.
    """

    shells: int = 3
    starts: int = 4
    sweeps: int = 400

    def __post_init__(self) -> None:
        """Refuse a search without trials."""
        super().__post_init__()
        if self.starts < 1 or self.sweeps < 1:
            raise StudyError(f"starts = {self.starts}, sweeps = {self.sweeps}: give at least one of each")

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001 + 2e-6 * self.atoms * self.sweeps * self.starts

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny cell."""
        from uqmsm.physics.alloy import quasirandom

        quasirandom((0.5, 0.5), (2, 2, 2), "bcc", np.random.default_rng(0), starts=1, sweeps=1)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Search one cell."""
        from uqmsm.physics.alloy import quasirandom

        rng = streams["configuration"]
        found = quasirandom(
            self._fractions(), self.vectors, self.lattice, rng,
            n_shells=self.shells, starts=self.starts, sweeps=self.sweeps,
        )  # fmt: skip
        return self._specimen(found.species, rng)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("special quasirandom structures: A. Zunger et al., Phys. Rev. Lett. 65, 353 (1990)",)
