"""How much one grain moves the stiffness of the many around it: the law of blocks of any size, in closed form.

A grain of a cubic crystal in the self-consistent solid adds ``(C - C*) : A`` to the mean stress, with A its strain in
that solid (J. D. Eshelby, Proc. R. Soc. A 241, 1957, 376; a sphere). Over all orientations this vanishes, and it has no
isotropic part left: it is a harmonic of order four, turned. So the deviation of a block of n grains of random
orientation is a sum of n independent turned harmonics, nearly normal, with a covariance that by Schur's lemma is the
projector on these harmonics times a number over n. Nine independent normals draw it, the bulk modulus stays exact, and
in the logarithm of the stiffness every draw is positive definite (see `uqmsm.tensor_laws`).
"""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.bounds import cubic_self_consistent_GPa
from uqmsm.physics.tensors import isotropic_moduli, isotropic_stiffness, mandel_to_voigt, voigt_to_mandel

__all__ = ["VORONOI", "grain_share", "harmonics", "stiffness_of_normals"]

Array = NDArray[np.float64]

VORONOI = 1.180
"""Mean square over squared mean of the volumes of Poisson-Voronoi cells: grains of unequal size average less.

E. N. Gilbert, Ann. Math. Stat. 33 (1962) 958.
"""
_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
# harmonic polynomials of degree four by their monomials (powers of x, y, z); the others follow by turning x -> y -> z
_FIRST = (
    {(3, 1, 0): 1.0, (1, 3, 0): -1.0},
    {(1, 1, 2): 6.0, (3, 1, 0): -1.0, (1, 3, 0): -1.0},
    {(4, 0, 0): 1.0, (2, 2, 0): -6.0, (0, 4, 0): 1.0},
)


def grain_share(c11_GPa: float, c12_GPa: float, c44_GPa: float) -> float:
    """Return the mean square that one grain adds to the logarithm of the stiffness, times the grains of the block.

    The squared Frobenius norm of ``(C - C*) : A / (2 G*)`` in Mandel form. The sum of the variances of the logarithm's
    21 components of a block of n grains of equal volume is this number over n.

    Parameters
    ----------
    c11_GPa, c12_GPa, c44_GPa
        Of the crystal.

    Raises
    ------
    StudyError
        When the crystal is unstable.
    """
    bulk, shear = (c11_GPa + 2.0 * c12_GPa) / 3.0, cubic_self_consistent_GPa(c11_GPa, c12_GPa, c44_GPa)
    beta = 6.0 * (bulk + 2.0 * shear) / (5.0 * (3.0 * bulk + 4.0 * shear))
    modes = ((c11_GPa - c12_GPa) / 2.0 / shear - 1.0, c44_GPa / shear - 1.0)
    two, three = (apart / (1.0 + beta * apart) for apart in modes)
    return 2.0 * two**2 + 3.0 * three**2


@cache
def harmonics() -> Array:
    """Return ``(9, 6, 6)`` orthonormal Mandel matrices of the totally symmetric traceless tensors of fourth order."""
    found = []
    for first in _FIRST:
        for turn in range(3):
            tensor = np.zeros((3, 3, 3, 3))
            for powers, factor in first.items():
                axes = [(axis + turn) % 3 for axis, power in enumerate(powers) for _ in range(power)]
                for places in permutations(axes):
                    tensor[places] += factor / 24.0
            found.append([[tensor[(*a, *b)] * _weight(a) * _weight(b) for b in _PAIRS] for a in _PAIRS])
    raw = np.array(found).reshape(9, 36)
    return np.asarray(np.linalg.solve(np.linalg.cholesky(raw @ raw.T), raw).reshape(9, 6, 6))


def _weight(pair: tuple[int, int]) -> float:
    return 1.0 if pair[0] == pair[1] else 2.0**0.5


def stiffness_of_normals(stiffness_GPa: Array, share: float, normals: Array) -> Array:
    """Return apparent stiffnesses around the isotropic part of a stiffness, positive definite whatever the numbers.

    Parameters
    ----------
    stiffness_GPa
        ``(6, 6)`` Voigt. What it has beyond its isotropic part is the chance of its own block, and is left out.
    share
        From `grain_share`.
    normals
        ``(places, 9)``, independent over the last axis; their variance at a place is one over the grains there, their
        correlation between places that of the field.

    Returns
    -------
    ndarray
        ``(places, 6, 6)`` Voigt, GPa.

    Raises
    ------
    StudyError
        When a share is negative.
    """
    if not share >= 0.0:
        raise StudyError(f"stiffness_of_normals: the share of a grain is {share}; it cannot be negative")
    bulk, shear = (float(one) for one in isotropic_moduli(stiffness_GPa))
    drawn = np.zeros((len(normals), 6, 6))
    for k, matrix in enumerate(harmonics()):  # in one fixed order: a matrix product would round by the places
        drawn += np.sqrt(share / 9.0) * normals[:, k, None, None] * matrix
    values, vectors = np.linalg.eigh(drawn)
    raised = (vectors * np.exp(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    # the isotropic mean commutes with the deviation: it is a number on deviators, and another on what these leave
    mean = voigt_to_mandel(isotropic_stiffness(bulk, shear))
    mixed = mean @ raised
    return np.asarray(mandel_to_voigt(0.5 * (mixed + np.swapaxes(mixed, 1, 2))))
