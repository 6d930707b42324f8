"""How misfit volumes scatter from site to site: what one atom of each element does to the volume where it stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, relax
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["MisfitSpread", "misfit_spread"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MisfitSpread:
    """Local misfit volumes in A^3.

    Attributes
    ----------
    local
        (m, k) volume of the crystal with each element at each site, less the mean over elements with their fractions.
    mean, spread
        (k,) over sites; `spread` is the standard deviation that adds to the misfit in solute strengthening
        (Varvenne, Luque & Curtin, Acta Mater. 118, 164, 2016, Eq. 13).
    """

    local: Floats

    @property
    def mean(self) -> Floats:
        """Mean over sites (k,)."""
        return np.asarray(self.local.mean(axis=0))

    @property
    def spread(self) -> Floats:
        """Standard deviation over sites (k,); NaN for one site."""
        return (
            np.asarray(self.local.std(axis=0, ddof=1)) if len(self.local) > 1 else np.full(self.local.shape[1], np.nan)
        )


def misfit_spread(
    potential: Potential,
    rest: Relaxed,
    composition: ArrayLike,
    sites: NDArray[np.int64],
    *,
    strain_stiffness: Floats | None = None,
    force_tolerance_eV_per_A: float = 1e-5,
) -> MisfitSpread:
    """Put one atom of every element on each of some sites in turn and let crystal and cell relax.

    Parameters
    ----------
    potential, rest
        The crystal at rest.
    composition
        (k,) atomic fractions.
    sites
        (m,) numbers of the sites.
    strain_stiffness, force_tolerance_eV_per_A
        As in `relax`; the stress is brought below 1e-5 GPa, or its remnant would show as volume.

    Raises
    ------
    StudyError
        When fractions do not fit the elements.
    Unstable
        When a crystal does not come to rest.
    """
    fractions = np.asarray(composition, dtype=np.float64)
    k, crystal = len(potential.elements), rest.crystal
    if fractions.shape != (k,):
        raise StudyError(f"{fractions.size} fractions for {k} elements; give one fraction per element")
    volumes = np.empty((len(sites), k))
    block = rest.stiffness.affine()[0] if strain_stiffness is None else strain_stiffness
    for row, site in enumerate(sites):
        for element in range(k):
            species = crystal.species.copy()
            species[site] = element
            end = relax(
                potential, Crystal(species, crystal.positions, crystal.cell), neighbours=rest.neighbours,
                strain_stiffness=block, force_tolerance_eV_per_A=force_tolerance_eV_per_A, stress_tolerance_GPa=1e-5,
            )  # fmt: skip
            volumes[row, element] = end.crystal.volume
    return MisfitSpread(volumes - (volumes @ fractions)[:, None])
