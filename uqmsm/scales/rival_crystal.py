"""One crystal in the form of potential of a rival: what it is weighed by, and what its members carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.potential.engines import Rival

if TYPE_CHECKING:
    from uqmsm.physics.atomistic.statics import Statics

__all__ = ["rival_crystal"]

_FORCE_TOLERANCE = 3e-4  # eV/angstrom, of an engine that gives no second derivatives


def rival_crystal(
    rival: Rival,
    elements: Sequence[str],
    species: NDArray[np.int64],
    composition: NDArray[np.float64],
    *,
    lattice: Literal["bcc", "fcc"],
    cells: ArrayLike,
    a_guess_A: float,
    rng: Generator,
    families: int,
) -> Statics:
    """Relax one random cell with a rival and probe it; tables by our own kernel, others through their engine.

    Parameters
    ----------
    rival, elements
        The form; species are numbers in the order of the elements.
    species, composition, lattice, cells
        The cell: numbers of cubic edges along its axes, or its vectors in them.
    a_guess_A
        Where to begin, within a few per cent.
    rng
        Of the swaps behind the misfit volumes.
    families
        Of swaps; 0 leaves the misfit volumes out.

    Raises
    ------
    StudyError
        When the engine is not installed or refuses its potential.
    MemberFailed
        When the form does not hold the crystal.
    """
    from uqmsm.physics.alloy import sites
    from uqmsm.physics.atomistic.probed import probed_statics
    from uqmsm.physics.atomistic.statics import statics
    from uqmsm.physics.potential import Tables
    from uqmsm.physics.potential.engines import probe_of

    engine, places = rival.engine(elements), sites(lattice, cells)
    if isinstance(engine, Tables):
        return statics(
            engine, species, composition, places, cells=cells, a_guess_A=a_guess_A, rng=rng, n_families=families
        )
    with probe_of(engine, elements) as probe:
        return probed_statics(
            probe, species, composition, places, cells=cells, a_guess_A=a_guess_A, rng=rng, n_families=families,
            force_tolerance_eV_per_A=_FORCE_TOLERANCE,
        )  # fmt: skip
