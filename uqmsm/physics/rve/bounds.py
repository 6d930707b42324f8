"""What a mixture can and cannot be: bounds and estimates of effective elasticity from constants and fractions alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.tensors import isotropic_moduli

__all__ = [
    "cubic_hashin_shtrikman_GPa",
    "cubic_self_consistent_GPa",
    "cubic_voigt_reuss_GPa",
    "dilute_spheres_GPa",
    "hill_uniform_shear_GPa",
    "two_phase_hashin_shtrikman_GPa",
    "universal_anisotropy",
    "voigt_reuss_GPa",
]

Array = NDArray[np.float64]


def voigt_reuss_GPa(stiffness_GPa: Array, fractions: Array) -> tuple[Array, Array]:
    """Average stiffness and average compliance: the upper and the lower bound of any arrangement.

    Parameters
    ----------
    stiffness_GPa
        ``(phases, 6, 6)`` Voigt stiffness in sample axes.
    fractions
        ``(phases,)`` volume fractions.

    Returns
    -------
    voigt, reuss
        ``(6, 6)`` each, GPa; ``voigt - C*`` and ``C* - reuss`` have no negative eigenvalue (R. Hill, Proc. Phys. Soc.
        A 65, 1952, 349).
    """
    voigt = np.einsum("g,gij->ij", fractions, stiffness_GPa)
    reuss = np.linalg.inv(np.einsum("g,gij->ij", fractions, np.linalg.inv(stiffness_GPa)))
    return voigt, reuss


def _cubic(c11_GPa: float, c12_GPa: float, c44_GPa: float) -> tuple[float, float, float]:
    """Return bulk modulus and the two shear moduli (C11 - C12) / 2 and C44; refuse an unstable crystal."""
    bulk, first, second = (c11_GPa + 2.0 * c12_GPa) / 3.0, (c11_GPa - c12_GPa) / 2.0, c44_GPa
    if not min(bulk, first, second) > 0.0:
        raise StudyError(
            f"cubic constants C11 {c11_GPa}, C12 {c12_GPa}, C44 {c44_GPa} GPa: C11 + 2 C12, C11 - C12 and C44 must be "
            "positive (Born); bounds exist for stable crystals only"
        )
    return bulk, first, second


def cubic_voigt_reuss_GPa(c11_GPa: float, c12_GPa: float, c44_GPa: float) -> tuple[float, float]:
    """Return the Voigt and the Reuss shear modulus in GPa of an untextured cubic polycrystal.

    Its bulk modulus is exactly (C11 + 2 C12) / 3.

    Raises
    ------
    StudyError
        When the crystal is unstable.
    """
    _, first, second = _cubic(c11_GPa, c12_GPa, c44_GPa)
    return (2.0 * first + 3.0 * second) / 5.0, 5.0 * first * second / (2.0 * second + 3.0 * first)


def cubic_hashin_shtrikman_GPa(c11_GPa: float, c12_GPa: float, c44_GPa: float) -> tuple[float, float]:
    """Return the lower and the upper Hashin-Shtrikman shear modulus in GPa of an untextured cubic polycrystal.

    Raises
    ------
    StudyError
        When the crystal is unstable.

    References
    ----------
    Z. Hashin and S. Shtrikman, J. Mech. Phys. Solids 10 (1962) 343-352.
    """
    bulk, first, second = _cubic(c11_GPa, c12_GPa, c44_GPa)

    def beta(shear: float) -> float:
        return -3.0 * (bulk + 2.0 * shear) / (5.0 * shear * (3.0 * bulk + 4.0 * shear))

    gap = second - first  # multiplied through, so that an isotropic crystal is no exception
    one = first + 3.0 * gap / (5.0 - 4.0 * beta(first) * gap)
    two = second - 2.0 * gap / (5.0 + 6.0 * beta(second) * gap)
    return min(one, two), max(one, two)


def cubic_self_consistent_GPa(c11_GPa: float, c12_GPa: float, c44_GPa: float) -> float:
    """Return the self-consistent shear modulus in GPa of an untextured cubic polycrystal of equiaxed grains.

    The positive root of ``8 G^3 + (5 C11 + 4 C12) G^2 - C44 (7 C11 - 4 C12) G - C44 (C11 - C12)(C11 + 2 C12) = 0``.

    Raises
    ------
    StudyError
        When the crystal is unstable.

    References
    ----------
    A. V. Hershey, J. Appl. Mech. 21 (1954) 236-240; E. Kroener, Z. Phys. 151 (1958) 504-518.
    """
    _cubic(c11_GPa, c12_GPa, c44_GPa)
    roots = np.roots(
        [
            8.0,
            5.0 * c11_GPa + 4.0 * c12_GPa,
            -c44_GPa * (7.0 * c11_GPa - 4.0 * c12_GPa),
            -c44_GPa * (c11_GPa - c12_GPa) * (c11_GPa + 2.0 * c12_GPa),
        ]
    )
    # The leading coefficient is positive and the constant negative, and their signs change once: one positive root.
    return float(np.max(roots.real))


def two_phase_hashin_shtrikman_GPa(
    bulk_GPa: tuple[float, float], shear_GPa: tuple[float, float], second_fraction: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the Hashin-Shtrikman bounds of an isotropic mixture of two isotropic phases.

    They are attained by coated spheres (bulk) and hold for well-ordered phases: the stiffer in bulk is the stiffer in
    shear.

    Parameters
    ----------
    bulk_GPa, shear_GPa
        Moduli of the first and of the second phase.
    second_fraction
        Volume fraction of the second phase.

    Returns
    -------
    (bulk_lower, bulk_upper), (shear_lower, shear_upper)
        GPa.

    Raises
    ------
    StudyError
        When the phases are not well ordered or the fraction is outside [0, 1].

    References
    ----------
    Z. Hashin and S. Shtrikman, J. Mech. Phys. Solids 11 (1963) 127-140.
    """
    if not 0.0 <= second_fraction <= 1.0:
        raise StudyError(f"two_phase_hashin_shtrikman: second_fraction is {second_fraction}; it must lie in [0, 1]")
    if (bulk_GPa[1] - bulk_GPa[0]) * (shear_GPa[1] - shear_GPa[0]) < 0.0:
        raise StudyError(
            f"two_phase_hashin_shtrikman: bulk {bulk_GPa} and shear {shear_GPa} GPa are not well ordered; use "
            "voigt_reuss_GPa for such phases"
        )
    estimates = []
    for matrix, fraction in ((0, second_fraction), (1, 1.0 - second_fraction)):
        k1, k2 = bulk_GPa[matrix], bulk_GPa[1 - matrix]
        g1, g2 = shear_GPa[matrix], shear_GPa[1 - matrix]
        stay = 1.0 - fraction
        bulk = k1 + fraction * (k2 - k1) / (1.0 + 3.0 * stay * (k2 - k1) / (3.0 * k1 + 4.0 * g1))
        resist = 6.0 * (k1 + 2.0 * g1) / (5.0 * g1 * (3.0 * k1 + 4.0 * g1))
        estimates.append((bulk, g1 + fraction * (g2 - g1) / (1.0 + stay * resist * (g2 - g1))))
    bulks, shears = zip(*estimates, strict=True)
    return (min(bulks), max(bulks)), (min(shears), max(shears))


def hill_uniform_shear_GPa(bulk_GPa: Array, fractions: Array, shear_GPa: float) -> float:
    """Return the exact bulk modulus in GPa of isotropic phases of one shear modulus, whatever their geometry.

    ``1 / (K + 4G/3) = sum f_i / (K_i + 4G/3)``; the mixture is isotropic with the same shear modulus.

    References
    ----------
    R. Hill, J. Mech. Phys. Solids 12 (1964) 199-212.
    """
    shift = 4.0 * shear_GPa / 3.0
    return float(1.0 / np.sum(np.asarray(fractions) / (np.asarray(bulk_GPa) + shift)) - shift)


def dilute_spheres_GPa(
    bulk_GPa: tuple[float, float], shear_GPa: tuple[float, float], fraction: float
) -> tuple[float, float]:
    """Return bulk and shear modulus in GPa of a matrix with few spheres, to first order in their fraction.

    Parameters
    ----------
    bulk_GPa, shear_GPa
        Moduli of the matrix and of the spheres.
    fraction
        Volume fraction of the spheres.

    References
    ----------
    J. D. Eshelby, Proc. R. Soc. A 241 (1957) 376-396.
    """
    k0, k1 = bulk_GPa
    g0, g1 = shear_GPa
    beta = 6.0 * (k0 + 2.0 * g0) / (5.0 * (3.0 * k0 + 4.0 * g0))
    bulk = k0 + fraction * (k1 - k0) * (3.0 * k0 + 4.0 * g0) / (3.0 * k1 + 4.0 * g0)
    return bulk, g0 + fraction * (g1 - g0) / (1.0 + beta * (g1 / g0 - 1.0))


def universal_anisotropy(stiffness: Array) -> float:
    """Return ``5 G_V / G_R + K_V / K_R - 6`` of one Voigt stiffness (6, 6): zero for an isotropic solid.

    References
    ----------
    S. I. Ranganathan and M. Ostoja-Starzewski, Phys. Rev. Lett. 101 (2008) 055504.
    """
    bulk_voigt, shear_voigt = isotropic_moduli(stiffness)
    compliance = np.linalg.inv(stiffness)
    ones = compliance[:3, :3]
    bulk_reuss = 1.0 / ones.sum()
    diagonal = ones[0, 0] + ones[1, 1] + ones[2, 2]
    aside = ones[0, 1] + ones[0, 2] + ones[1, 2]
    shears = compliance[3, 3] + compliance[4, 4] + compliance[5, 5]
    shear_reuss = 15.0 / (4.0 * diagonal - 4.0 * aside + 3.0 * shears)
    return float(5.0 * shear_voigt / shear_reuss + bulk_voigt / bulk_reuss - 6.0)
