"""From the grains of a cell to those of the volume that a study declares: scatter shrinks, means stay.

What many grains have in common is known: their stiffness and Taylor factor in closed form, their flow curve from a few
fixed blocks of the same size that are as near to having no texture as such blocks come.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import Unstable

if TYPE_CHECKING:
    from uqmsm.physics.rve.microstructure import Polycrystal as Grains

__all__ = ["SlipSystems", "random_taylor", "resized_stiffness", "shrink", "typical_blocks"]

Floats = NDArray[np.float64]
SlipSystems = Literal["fcc", "bcc_110", "bcc_110_112", "bcc_110_112_123"]

# the hot spot of the plate is pulled along x, as the plate is
PULL = (1.0, 0.0, 0.0)
_CANDIDATES = 120


def shrink(grains: int, declared_grains: int | None) -> float:
    """Return what the deviation of a cell from many grains has to be multiplied by: sd ~ grains^(-1/2)."""
    return 1.0 if declared_grains is None else math.sqrt(grains / declared_grains)


def resized_stiffness(
    sampled: Floats, grains: int, declared_grains: int | None, crystal_GPa: tuple[float, float, float]
) -> Floats:
    """Bring the scatter of a cell's stiffness (6, 6) to the declared volume.

    Its deviation from infinitely many random grains is scaled: their bulk modulus is exactly that of the crystal,
    their shear modulus the self-consistent one (which real blocks of equiaxed grains meet within a few 0.1 %).

    Raises
    ------
    Unstable
        When what comes out is not positive definite.
    """
    if declared_grains is None:
        return sampled
    from uqmsm.physics.rve.bounds import cubic_self_consistent_GPa
    from uqmsm.physics.tensors import isotropic_stiffness

    c11, c12, _ = crystal_GPa
    many = isotropic_stiffness((c11 + 2 * c12) / 3, cubic_self_consistent_GPa(*crystal_GPa))
    found = many + (sampled - many) * shrink(grains, declared_grains)
    # a declared volume of more grains lies between two stable solids; one of fewer may leave them
    if not np.linalg.eigvalsh((found + found.T) / 2)[0] > 0:
        raise Unstable(
            f"the stiffness rescaled from {grains} to {declared_grains} grains is not positive definite; "
            "compute a cell of as many grains as are declared"
        )
    return np.asarray(found)


@lru_cache(maxsize=4)
def random_taylor(slip: SlipSystems) -> tuple[float, float]:
    """Return the Taylor factor of infinitely many random grains and the relative standard deviation of one grain.

    By a fixed set of 20 000, good to 0.002 and to half a per cent of the deviation.
    """
    from uqmsm.physics.rve.rotations import random_orientations
    from uqmsm.physics.rve.taylor import taylor_factor

    orientations = random_orientations(np.random.default_rng(20_000), 20_000)
    found = taylor_factor(orientations, slip, axis=PULL)
    return found.mean, float(found.per_grain.std() / found.mean)


@lru_cache(maxsize=4)
def typical_blocks(grains: int, voxels: int, slip: SlipSystems, count: int) -> tuple[Grains, ...]:
    """Return fixed blocks whose grains lie to the pull as random ones do on average.

    Of 120 blocks of fixed seeds, those nearest to many random grains in two numbers that no material enters: the
    Taylor factor, and the mean of ``h^2 k^2 + k^2 l^2 + l^2 h^2`` along the pull (one fifth), on which the modulus of
    a cubic crystal depends. Both distances are counted in standard deviations of such blocks.
    """
    from uqmsm.physics.rve.microstructure import polycrystal
    from uqmsm.physics.rve.taylor import taylor_factor

    made, away = [], np.empty((_CANDIDATES, 2))
    for k in range(_CANDIDATES):
        rng = np.random.default_rng(k)
        made.append(block := polycrystal(rng, rng, grains, (voxels,) * 3))
        x, y, z = np.moveaxis(block.orientations[:, 0, :] ** 2, 1, 0)
        away[k, 0] = taylor_factor(block.orientations, slip, axis=PULL, fractions=block.fractions).mean
        away[k, 1] = np.sum(block.fractions * (x * y + y * z + z * x))
    away -= [random_taylor(slip)[0], 0.2]
    distance = (away**2 / np.mean(away**2, axis=0)).sum(axis=1)
    return tuple(made[k] for k in np.argsort(distance, kind="stable")[:count])
