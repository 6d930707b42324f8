"""How a crystal answers to every number in the table of a Zhou potential: exact derivatives of its properties.

Every lattice sum is differentiated term by term, and the equilibrium moves so that ``dE/da (a, p) = 0`` stays true:
``da/dp = -E_ap / E_aa``. All radial functions are ``S(x; d, c) = exp(-d (x - 1)) / (1 + (x - c)^20)``, for which
``dS/dd = -(x - 1) S`` and ``dS/dc = -(S' + d S)``: derivatives in x are all that is needed.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.potential.average_atom import average_atom
from uqmsm.physics.potential.crystal import ANGSTROM3_EV_IN_GPA, shells
from uqmsm.physics.potential.zhou import (
    ALPHA,
    BETA,
    COLUMNS,
    ETA,
    F0,
    FE,
    FEMB,
    FN0,
    KAPPA,
    LAMBDA,
    RE,
    RHO_N,
    RHO_O,
    RHOE,
    RHOS,
    A,
    B,
)

__all__ = ["ANSWERS", "RADIAL", "crystal_slopes", "embedding_slopes", "radial_slopes", "screened"]

Floats = NDArray[np.float64]

ANSWERS = ("lattice_parameter", "cohesive_energy", "C11", "C12", "C44")
"""What is differentiated, in the order of the axis."""

_COLUMNS = len(COLUMNS)
RADIAL = np.array([RE, FE, ALPHA, BETA, A, B, KAPPA, LAMBDA])


@njit(cache=True)
def screened(x: float, decay: float, centre: float, out: Floats) -> None:
    """Write ``exp(-decay (x - 1)) / (1 + (x - centre)^20)`` and three derivatives in `x` to `out`."""
    u = x - centre
    u2 = u * u
    u4 = u2 * u2
    u16 = u4 * u4 * u4 * u4
    below = 1.0 + u16 * u4
    first = 20.0 * u16 * u2 * u / below  # logarithmic derivative of the denominator, and two more
    bend = 380.0 * u16 * u2 / below
    second = bend - first * first
    third = 6840.0 * u16 * u / below - bend * first - 2.0 * first * second
    rate = decay + first
    value = np.exp(-decay * (x - 1.0)) / below
    out[0], out[1] = value, -rate * value
    out[2] = (rate * rate - second) * value
    out[3] = (3.0 * rate * second - rate * rate * rate - third) * value


@njit(cache=True)
def radial_slopes(row: Floats, r: float, g: Floats, h: Floats, out: Floats) -> None:
    """Write f, f', f'', phi, phi', phi'' to `out[0]`, their derivatives in r to `out[1]`, in each column below.

    Row ``2 + k`` of `out` belongs to column ``RADIAL[k]``; `g` and `h` are scratch of length 4.
    """
    i = 1.0 / row[RE]
    x = r * i
    beta, alpha, fe, a, b = row[BETA], row[ALPHA], row[FE], row[A], row[B]
    screened(x, beta, row[LAMBDA], g)
    screened(x, alpha, row[KAPPA], h)
    w = 1.0
    for q in range(3):
        for k in range(10):
            out[k, q] = out[k, q + 3] = 0.0
        below_g = q * g[q - 1] if q > 0 else 0.0
        below_h = q * h[q - 1] if q > 0 else 0.0
        dre_g, dre_h = -(x * g[q + 1] + q * g[q]) * w * i, -(x * h[q + 1] + q * h[q]) * w * i
        decay_g, decay_h = -((x - 1.0) * g[q] + below_g) * w, -((x - 1.0) * h[q] + below_h) * w
        centre_g, centre_h = -(g[q + 1] + beta * g[q]) * w, -(h[q + 1] + alpha * h[q]) * w
        out[0, q], out[0, q + 3] = fe * g[q] * w, (a * h[q] - b * g[q]) * w
        out[1, q], out[1, q + 3] = fe * g[q + 1] * w * i, (a * h[q + 1] - b * g[q + 1]) * w * i
        out[2, q], out[2, q + 3] = fe * dre_g, a * dre_h - b * dre_g
        out[3, q] = g[q] * w
        out[4, q + 3] = a * decay_h
        out[5, q], out[5, q + 3] = fe * decay_g, -b * decay_g
        out[6, q + 3] = h[q] * w
        out[7, q + 3] = -g[q] * w
        out[8, q + 3] = a * centre_h
        out[9, q], out[9, q + 3] = fe * centre_g, -b * centre_g
        w *= i


@njit(cache=True)
def _over_density(radial: Floats) -> None:
    """Turn phi and its derivatives in every row into those of ``phi / f``, from which pairs of unlike atoms follow."""
    d, d1, d2 = radial[0, 0], radial[0, 1], radial[0, 2]
    q = radial[0, 3] / d
    q1 = (radial[0, 4] - q * d1) / d
    q2 = (radial[0, 5] - 2.0 * q1 * d1 - q * d2) / d
    for k in range(1, radial.shape[0]):
        e, e1, e2 = radial[k, 0], radial[k, 1], radial[k, 2]
        v = (radial[k, 3] - q * e) / d
        v1 = (radial[k, 4] - v * d1 - q * e1 - q1 * e) / d
        v2 = (radial[k, 5] - 2.0 * (v1 * d1 + q1 * e1) - v * d2 - q * e2 - q2 * e) / d
        radial[k, 3], radial[k, 4], radial[k, 5] = v, v1, v2
    radial[0, 3], radial[0, 4], radial[0, 5] = q, q1, q2


@njit(cache=True)
def _add_shell(mean: Floats, table: Floats, k: int, a: float, sums: Floats) -> None:
    """Add one shell to rho, rho', e, e', and the four stiffness sums: values in row 0, derivatives below (1: in a).

    `mean` holds f, f', f'', H, H', H'' with the pair energy f H, in the same rows (1: in r).
    """
    s, count = table[0, k], table[1, k]
    r = s * a
    f, f1, f2, h, h1, h2 = mean[0, 0], mean[0, 1], mean[0, 2], mean[0, 3], mean[0, 4], mean[0, 5]
    for t in range(mean.shape[0]):
        e, e1, e2, g, g1, g2 = mean[t, 0], mean[t, 1], mean[t, 2], mean[t, 3], mean[t, 4], mean[t, 5]
        if t == 0:
            p, p1, p2 = f * h, f1 * h + f * h1, f2 * h + 2.0 * f1 * h1 + f * h2
        else:
            p = e * h + f * g
            p1 = e1 * h + f1 * g + e * h1 + f * g1
            p2 = e2 * h + f2 * g + 2.0 * (e1 * h1 + f1 * g1) + e * h2 + f * g2
        pairs, bonds = 0.5 * (p2 * r - p1) * r, (e2 * r - e1) * r
        along = 1.0
        if t == 1:  # r itself moves with a
            along = s
            q1, q2 = f1 * h + f * h1, f2 * h + 2.0 * f1 * h1 + f * h2
            pairs += 0.5 * (2.0 * q2 * r - q1)
            bonds += 2.0 * f2 * r - f1
        sums[t, 0] += along * count * e
        sums[t, 1] += along * count * s * e1
        sums[t, 2] += along * 0.5 * count * p
        sums[t, 3] += along * 0.5 * count * s * p1
        sums[t, 4] += along * table[2, k] * pairs
        sums[t, 5] += along * table[3, k] * pairs
        sums[t, 6] += along * table[2, k] * bonds
        sums[t, 7] += along * table[3, k] * bonds


@njit(cache=True)
def embedding_slopes(row: Floats, c: float, rho: float, own: Floats, place: int, out: Floats) -> None:
    """Add F, F', F'' of one element to `own`, its derivative in rho to `out[1]` and in its columns from `place` on."""
    e = np.zeros((2 + _COLUMNS, 3))
    if rho < row[RHO_O] * row[RHOE]:
        low = rho < row[RHO_N] * row[RHOE]
        part = row[RHO_N] if low else 1.0
        z = part * row[RHOE]
        first = FN0 if low else F0
        t = rho / z - 1.0
        c1, c2, c3 = row[first + 1], row[first + 2], row[first + 3]
        p1, p2, p3 = c1 + t * (2.0 * c2 + 3.0 * t * c3), 2.0 * c2 + 6.0 * t * c3, 6.0 * c3
        e[0, 0], e[0, 1], e[0, 2] = row[first] + t * (c1 + t * (c2 + t * c3)), p1 / z, p2 / (z * z)
        e[1, 2] = p3 / z**3
        move = -(1.0 + t) / z
        e[2 + RHOE, 0] = part * p1 * move
        e[2 + RHOE, 1] = part * (p2 * move - p1 / z) / z
        e[2 + RHOE, 2] = part * (p3 * move - 2.0 * p2 / z) / (z * z)
        for k in range(4):
            e[2 + first + k, 0] = t**k
            e[2 + first + k, 1] = k * t ** (k - 1) / z if k > 0 else 0.0
            e[2 + first + k, 2] = k * (k - 1) * t ** (k - 2) / (z * z) if k > 1 else 0.0
    else:
        eta, rhos = row[ETA], row[RHOS]
        log = np.log(rho / rhos)
        power = row[FEMB] * np.exp(eta * log)
        f, l1 = power * (1.0 - eta * log), -eta * eta * log * power
        l2, l3 = -eta * eta * power * (1.0 + eta * log), -(eta**3) * power * (2.0 + eta * log)
        e[0, 0], e[0, 1], e[0, 2] = f, l1 / rho, (l2 - l1) / rho**2
        e[1, 2] = (l3 - 3.0 * l2 + 2.0 * l1) / rho**3
        for q in range(3):
            e[2 + FEMB, q] = e[0, q] / row[FEMB]
        e[2 + RHOS, 0], e[2 + RHOS, 1], e[2 + RHOS, 2] = -l1 / rhos, -l2 / (rho * rhos), -(l3 - l2) / (rho**2 * rhos)
        n1 = -power * eta * log * (2.0 + eta * log)
        n2 = -power * eta * (2.0 + 4.0 * eta * log + (eta * log) ** 2)
        e[2 + ETA, 0], e[2 + ETA, 1], e[2 + ETA, 2] = -eta * log * log * power, n1 / rho, (n2 - n1) / rho**2
    e[1, 0], e[1, 1] = e[0, 1], e[0, 2]
    for q in range(3):
        own[q] += c * e[0, q]
        out[1, q] += c * e[1, q]
        for k in range(_COLUMNS):
            out[place + k, q] += c * e[2 + k, q]


@njit(cache=True)
def _sums(rows: Floats, c: Floats, table: Floats, a: float, sums: Floats) -> None:
    """Write all lattice sums (see `_add_shell`); row ``2 + 22 i + column`` is the derivative in that number."""
    mean = np.empty((sums.shape[0], 6))
    radial, g, h = np.empty((10, 6)), np.empty(4), np.empty(4)
    for k in range(table.shape[1]):
        mean[:] = 0.0
        for i in range(c.size):
            if c[i] == 0.0:
                continue
            radial_slopes(rows[i], table[0, k] * a, g, h, radial)
            _over_density(radial)
            for q in range(6):
                mean[0, q] += c[i] * radial[0, q]
                mean[1, q] += c[i] * radial[1, q]
                for j in range(8):
                    mean[2 + _COLUMNS * i + RADIAL[j], q] += c[i] * radial[2 + j, q]
        _add_shell(mean, table, k, a, sums)


@njit(cache=True)
def _slopes(rows: Floats, c: Floats, table: Floats, atoms: int, a: float, out: Floats) -> None:
    """Write the derivatives of `ANSWERS` in every number of the table to `out`, shape (5, 22 n)."""
    many = 2 + _COLUMNS * c.size
    sums, own, along = np.zeros((many, 8)), np.zeros(3), np.zeros((many, 3))
    _sums(rows, c, table, a, sums)
    rho, rho1 = sums[0, 0], sums[0, 1]
    for i in range(c.size):
        if c[i] != 0.0:
            embedding_slopes(rows[i], c[i], rho, own, 2 + _COLUMNS * i, along)
    third = np.array([along[1, 0], along[1, 1], along[1, 2]])  # F', F'', F''' in rho
    per_volume = ANGSTROM3_EV_IN_GPA * atoms / a**3
    bulk = own[2] * (a * rho1 / 3.0) ** 2
    c44 = (sums[0, 5] + own[1] * sums[0, 7]) * per_volume
    whole = (
        (sums[0, 4] + own[1] * sums[0, 6] + bulk) * per_volume,
        c44 + bulk * per_volume,
        c44,
    )
    curvature, drift = 0.0, np.zeros(4)
    for t in range(1, many):
        s = sums[t]
        f0, f1, f2 = third[0] * s[0], third[1] * s[0], third[2] * s[0]
        if t > 1:
            f0, f1, f2 = f0 + along[t, 0], f1 + along[t, 1], f2 + along[t, 2]
        energy, force = s[2] + f0, s[3] + f1 * rho1 + own[1] * s[1]
        lever = a * rho1 / 3.0
        moved = f2 * lever**2 + 2.0 * own[2] * lever * (a * s[1] + (rho1 if t == 1 else 0.0)) / 3.0
        d11 = (s[4] + f1 * sums[0, 6] + own[1] * s[6] + moved) * per_volume
        d44 = (s[5] + f1 * sums[0, 7] + own[1] * s[7]) * per_volume
        d12 = d44 + moved * per_volume
        if t == 1:
            curvature = force
            drift[0], drift[1] = energy, d11 - 3.0 * whole[0] / a
            drift[2], drift[3] = d12 - 3.0 * whole[1] / a, d44 - 3.0 * whole[2] / a
            continue
        shift = -force / curvature
        out[0, t - 2], out[1, t - 2] = shift, -(energy + drift[0] * shift)
        out[2, t - 2], out[3, t - 2], out[4, t - 2] = (
            d11 + drift[1] * shift,
            d12 + drift[2] * shift,
            d44 + drift[3] * shift,
        )


@njit(cache=True)
def _all_slopes(values: Floats, c: Floats, table: Floats, atoms: int, lattice: Floats, out: Floats) -> None:
    for m in range(values.shape[0]):
        if np.isfinite(lattice[m]):
            _slopes(values[m], c, table, atoms, lattice[m], out[m])


def crystal_slopes(values: Floats, composition: ArrayLike, lattice: str) -> tuple[Floats, Floats]:
    """Return equilibrium properties of an average-atom crystal and their derivatives in the table of parameters.

    Parameters
    ----------
    values
        Shape ``(draws, n_elements, n_columns)``.
    composition
        Mole fractions, shape ``(n_elements,)``; ``[1.0]`` for one element.
    lattice
        ``"bcc"`` or ``"fcc"``.

    Returns
    -------
    answers, slopes
        `ANSWERS` (angstrom, eV per atom, GPa), shape ``(draws, 5)``, and their derivatives per unit of the column,
        shape ``(draws, 5, n_elements, n_columns)``; NaN where there is no equilibrium. An unstable crystal keeps its
        numbers. Where the density lies on a join of the embedding's branches the derivative is that of one side.

    Raises
    ------
    StudyError
        As in `average_atom`.
    """
    found = average_atom(values, composition, lattice, with_misfits=False)
    answers = np.stack([np.asarray(getattr(found, name)) for name in ANSWERS], axis=-1)
    of = shells(lattice)
    draws, n, _ = values.shape
    out = np.full((draws, len(ANSWERS), n * _COLUMNS), np.nan)
    fractions = np.array(composition, dtype=np.float64)
    _all_slopes(np.array(values, order="C"), fractions, of.table(), of.atoms, answers[:, 0].copy(), out)
    return answers, out.reshape(draws, len(ANSWERS), n, _COLUMNS)
