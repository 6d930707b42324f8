"""How strongly the atoms of a random alloy, too large or too small for their sites, hold a dislocation back.

Solute strengthening of a random alloy: every atom is a solute in the average matrix, its misfit volume
pushes on the dislocation, and the dislocation wanders until the line tension balances the gain. Two
forms of one theory are offered: Varvenne, Luque and Curtin, Acta Mater. 118, 164 (2016), for fcc, and
Maresca and Curtin, Acta Mater. 182, 235 (2020), for the edge dislocation of bcc alloys.

Every choice that the literature leaves open (line tension, prefactors, which shear modulus of a cubic
crystal, which interpolation in temperature) is a named argument; nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError, Unstable

__all__ = [
    "INTERPOLATIONS",
    "MODULUS_RULES",
    "THEORIES",
    "Moduli",
    "Strength",
    "Theory",
    "effective_moduli",
    "is_stable",
    "solute_strength",
    "yield_stress_MPa",
]

Floats = NDArray[np.float64]

BOLTZMANN_EV_PER_K = 8.617333262e-5
EV_PER_GPA_A3 = 1.0e-21 / 1.602176634e-19
MODULUS_RULES = ("cubic_edge", "voigt", "hill", "fcc_curtin")
INTERPOLATIONS = ("two_branch", "smooth")


@dataclass(frozen=True)
class Theory:
    """Constants of one form of the strengthening theory.

    Attributes
    ----------
    name : str
        Name used in study files.
    phase : str
        Crystal that the theory is for, ``"bcc"`` or ``"fcc"``.
    line_tension : float
        alpha in Gamma = alpha mu b^2.
    stress_prefactor, energy_prefactor : float
        The products 0.051 f1 and 0.274 f2 of the theory (dimensionless).
    burgers_per_a : float
        Burgers vector over cubic lattice parameter.
    reference_rate_per_s : float
        Attempt strain rate of the Arrhenius law.
    """

    name: str
    phase: str
    line_tension: float
    stress_prefactor: float
    energy_prefactor: float
    burgers_per_a: float
    reference_rate_per_s: float = 1.0e4


THEORIES = {
    "fcc_varvenne_2016": Theory("fcc_varvenne_2016", "fcc", 0.123, 0.051 * 0.35, 0.274 * 5.70, 1 / np.sqrt(2)),
    "bcc_edge_maresca_2020": Theory(
        "bcc_edge_maresca_2020", "bcc", 1 / 12, 0.051 * 0.7844, 0.274 * 7.2993, np.sqrt(3) / 2
    ),
}


@dataclass(frozen=True)
class Moduli:
    """The isotropic shear modulus and Poisson ratio that stand for a cubic crystal.

    Attributes
    ----------
    shear_GPa, poisson : ndarray
        Shape of the members; `poisson` is dimensionless.
    """

    shear_GPa: Floats
    poisson: Floats


@dataclass(frozen=True)
class Strength:
    """What the theory says for each member.

    Attributes
    ----------
    tau_y0_MPa : ndarray
        Resolved yield stress at 0 K.
    barrier_eV : ndarray
        Energy barrier at zero stress.
    tau_MPa : ndarray
        Resolved yield stress at the member's temperature and strain rate.
    """

    tau_y0_MPa: Floats
    barrier_eV: Floats
    tau_MPa: Floats


def is_stable(C11_GPa: ArrayLike, C12_GPa: ArrayLike, C44_GPa: ArrayLike) -> NDArray[np.bool_]:
    """Say which cubic crystals are elastically stable: C44 > 0, C11 > |C12|, C11 + 2 C12 > 0 (Born)."""
    C11, C12, C44 = np.asarray(C11_GPa), np.asarray(C12_GPa), np.asarray(C44_GPa)
    return np.asarray((C44 > 0) & (np.abs(C12) < C11) & (C11 + 2 * C12 > 0))


def effective_moduli(C11_GPa: ArrayLike, C12_GPa: ArrayLike, C44_GPa: ArrayLike, rule: str) -> Moduli:
    """Reduce the three constants of a cubic crystal to the shear modulus and Poisson ratio of the theory.

    Parameters
    ----------
    C11_GPa, C12_GPa, C44_GPa : array_like
        Elastic constants, one per member (broadcast together).
    rule : {"cubic_edge", "voigt", "hill", "fcc_curtin"}
        ``cubic_edge``: mu = sqrt(C44 (C11 - C12) / 2) (Maresca and Curtin 2020); ``voigt``:
        (C11 - C12 + 3 C44) / 5; ``hill``: mean of Voigt and Reuss; ``fcc_curtin``: the stiffness of a
        {111}<110> shear, (C11 - C12 + C44) / 3. Everywhere B = (C11 + 2 C12) / 3 and
        nu = (3B - 2mu) / (2 (3B + mu)).

    Returns
    -------
    Moduli
        Arrays of the broadcast shape.

    Raises
    ------
    StudyError
        When the rule has another name.
    Unstable
        When a member's crystal is elastically unstable; the message names the members.
    """
    C11, C12, C44 = _contiguous(C11_GPa, C12_GPa, C44_GPa)
    unstable = np.flatnonzero(~is_stable(C11, C12, C44))
    if unstable.size:
        first = int(unstable[0])
        triple = tuple(round(float(c.ravel()[first]), 3) for c in (C11, C12, C44))
        raise Unstable(
            f"effective_moduli: {unstable.size} of {C11.size} crystals are elastically unstable, the first is member "
            f"{first} with (C11, C12, C44) = {triple} GPa; a stable cubic crystal has C44 > 0, C11 > |C12|, "
            "C11 + 2 C12 > 0; select members with is_stable before calling"
        )
    bulk = (C11 + 2 * C12) / 3
    tetragonal = (C11 - C12) / 2
    voigt = (2 * tetragonal + 3 * C44) / 5
    if rule == "cubic_edge":
        shear = np.sqrt(C44 * tetragonal)
    elif rule == "voigt":
        shear = voigt
    elif rule == "hill":
        shear = 0.5 * (voigt + 5 * tetragonal * C44 / (2 * C44 + 3 * tetragonal))
    elif rule == "fcc_curtin":
        shear = (2 * tetragonal + C44) / 3
    else:
        raise StudyError(
            f"effective_moduli: modulus rule {rule!r} is unknown; choose one of {', '.join(MODULUS_RULES)}"
        )
    return Moduli(shear, (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear)))


def solute_strength(
    shear_GPa: ArrayLike,
    poisson: ArrayLike,
    burgers_A: ArrayLike,
    fractions: ArrayLike,
    misfit_volumes_A3: ArrayLike,
    *,
    temperature_K: ArrayLike,
    strain_rate_per_s: ArrayLike,
    theory: Theory,
    interpolation: str = "two_branch",
    decay: float = 0.55,
    misfit_spread_A3: ArrayLike = 0.0,
) -> Strength:
    r"""Predict the resolved yield stress of random alloys from misfit and moduli.

    With :math:`Q = \sum_n c_n (\Delta V_n^2 + \sigma_n^2) / b^6` and P = (1 + nu) / (1 - nu):
    tau_y0 = A_tau alpha^(-1/3) mu P^(4/3) Q^(2/3); DE_b = A_E alpha^(1/3) mu b^3 P^(2/3) Q^(1/3).

    Parameters
    ----------
    shear_GPa, poisson, burgers_A, temperature_K, strain_rate_per_s : array_like
        One value per member, or one for all.
    fractions, misfit_volumes_A3, misfit_spread_A3 : array_like, shape (..., species)
        Atomic fractions, misfit volumes and, where computed, their spread over local environments.
    theory : Theory
        One of `THEORIES`, or one with other constants.
    interpolation : {"two_branch", "smooth"}
        With x = kT ln(e0/e) / DE_b. ``two_branch``: 1 - x^(2/3) down to one half, below it
        exp(-x / decay); it jumps up by 5 % at the join. ``smooth``: exp(-x^0.91 / decay).
    decay : float
        0.55 (2020 paper; the 2016 paper uses 0.57).
    misfit_spread_A3 : array_like
        Zero when not computed.

    Returns
    -------
    Strength
        Arrays of the members' shape. A member's numbers do not depend on its batch mates.

    Raises
    ------
    StudyError
        When a name is unknown or an argument is outside its physical range.
    """
    spread, dV, c = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (misfit_spread_A3, misfit_volumes_A3, fractions))
    )
    _check_composition(c)
    squares = np.zeros(c.shape[:-1])
    for n in range(c.shape[-1]):  # a loop over species: the order of the sum never depends on the batch
        squares = squares + c[..., n] * (dV[..., n] * dV[..., n] + spread[..., n] * spread[..., n])
    mu, nu, b, temperature, rate, squares = _contiguous(
        shear_GPa, poisson, burgers_A, temperature_K, strain_rate_per_s, squares
    )
    e0 = theory.reference_rate_per_s
    for name, value, good, rule in (
        ("shear_GPa", mu, mu > 0, "> 0"),
        ("poisson", nu, (nu > -1) & (nu < 0.5), "between -1 and 0.5"),
        ("burgers_A", b, b > 0, "> 0"),
        ("temperature_K", temperature, temperature >= 0, ">= 0"),
        ("strain_rate_per_s", rate, (rate > 0) & (rate <= e0), f"in (0, {e0:g}], the attempt rate"),
    ):
        _check(name, value, good, rule)
    P = (1 + nu) / (1 - nu)
    b3 = b * b * b
    q13 = np.cbrt(squares / (b3 * b3))
    p23 = np.cbrt(P * P)
    alpha13 = float(np.cbrt(theory.line_tension))
    tau_y0 = 1e3 * theory.stress_prefactor / alpha13 * mu * p23 * p23 * q13 * q13
    barrier = theory.energy_prefactor * alpha13 * mu * b3 * p23 * q13 * EV_PER_GPA_A3
    # without any misfit there is nothing to overcome: x is infinite above 0 K and the stress zero at all T
    thermal = BOLTZMANN_EV_PER_K * temperature * np.log(e0 / rate)
    x = np.divide(thermal, barrier, out=np.zeros_like(thermal), where=barrier > 0)
    return Strength(tau_y0, barrier, tau_y0 * _interpolate(x, interpolation, decay))


def yield_stress_MPa(
    tau_MPa: ArrayLike, taylor_factor: ArrayLike, hall_petch_MPa_um05: ArrayLike, grain_size_um: ArrayLike
) -> Floats:
    """Return sigma_y = M tau + ky d^(-1/2) in MPa (Taylor; Hall and Petch).

    An infinite grain size means that the grain boundaries do not count.

    Raises
    ------
    StudyError
        When a grain size is not positive.
    """
    tau, taylor, ky, d = _contiguous(tau_MPa, taylor_factor, hall_petch_MPa_um05, grain_size_um)
    _check("grain_size_um", d, d > 0, "> 0")
    return taylor * tau + ky / np.sqrt(d)


def _interpolate(x: Floats, interpolation: str, decay: float) -> Floats:
    """Return tau / tau_y0 at the reduced temperature x = kT ln(e0/e) / DE_b."""
    if interpolation == "two_branch":
        low = 1 - np.cbrt(x * x)
        return np.where(low >= 0.5, low, np.exp(-x / decay))
    if interpolation == "smooth":
        return np.asarray(np.exp(-np.power(x, 0.91) / decay))
    raise StudyError(
        f"solute_strength: interpolation {interpolation!r} is unknown; choose one of {', '.join(INTERPOLATIONS)}"
    )


def _contiguous(*arrays: ArrayLike) -> tuple[Floats, ...]:
    """Broadcast to own contiguous arrays, at least 1-d: strided or scalar loops may round differently."""
    wide = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in arrays))
    return tuple(np.ascontiguousarray(a) for a in wide)


def _check(name: str, value: Floats, good: NDArray[np.bool_], rule: str) -> None:
    """Refuse values outside their physical range, naming the first."""
    bad = np.flatnonzero(~good)
    if bad.size:
        first = int(bad[0])
        raise StudyError(
            f"strength: {name} of member {first} is {value.ravel()[first]:g}, but must be {rule}; correct the input"
        )


def _check_composition(fractions: Floats) -> None:
    """Refuse fractions that are negative or do not sum to one."""
    wrong = np.abs(fractions.sum(axis=-1) - 1) > 1e-9
    if np.any(fractions < 0) or np.any(wrong):
        raise StudyError(
            "strength: atomic fractions must be >= 0 and sum to 1 along the last axis; "
            f"got sums between {fractions.sum(axis=-1).min():.6g} and {fractions.sum(axis=-1).max():.6g}; "
            "divide each composition by its sum"
        )
