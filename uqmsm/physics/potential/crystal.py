"""Perfect cubic crystals: lattice parameter, cohesive energy and elastic constants of an element by lattice sums.

All sums run over whole neighbour shells (up to 3.2 nearest-neighbour distances), so that no shell enters or leaves
when parameters or the lattice change and the results are smooth in both. Derivatives are analytic; nothing is
differenced. An element is the average atom of an alloy with one species, so one kernel serves both: see
`uqmsm.physics.potential.average_atom`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential.zhou import RE, embedding_at, radial_at

__all__ = ["ANGSTROM3_EV_IN_GPA", "STATUS", "Crystals", "Shells", "pure_crystals", "shells"]

ANGSTROM3_EV_IN_GPA = 160.21766208
"""One eV per cubic angstrom in GPa (CODATA 2018: 1 eV = 1.602176634e-19 J, to the digits given)."""

STATUS = ("fine", "no equilibrium within 25 % of the start", "elastically unstable", "parameters without meaning")
"""What the integer `status` of a crystal says."""
FINE, NOWHERE, UNSTABLE, MEANINGLESS = range(4)

NEWTON, LEFT_END, RIGHT_END, BRACKET = range(4)

REACH = 3.2
CORNERS = {"bcc": [(0, 0, 0), (1, 1, 1)], "fcc": [(0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)]}


@dataclass(frozen=True)
class Shells:
    """The neighbour shells of one cubic lattice.

    Parameters
    ----------
    distance
        Shape ``(n_shells,)``, distances in units of the cubic lattice parameter.
    count
        Atoms in each shell.
    quartic, mixed
        Sums of ``n_x^4`` and of ``n_x^2 n_y^2`` over the shell, with unit vectors n.
    atoms
        Atoms in the cubic cell.
    """

    distance: NDArray[np.float64]
    count: NDArray[np.float64]
    quartic: NDArray[np.float64]
    mixed: NDArray[np.float64]
    atoms: int

    def table(self) -> NDArray[np.float64]:
        """Return distance, count, quartic and mixed as one array of shape ``(4, n_shells)`` for the kernels."""
        return np.array([self.distance, self.count, self.quartic, self.mixed])


@cache
def shells(lattice: str, reach: float = REACH) -> Shells:
    """Return the neighbour shells of a lattice.

    Parameters
    ----------
    lattice
        ``"bcc"`` or ``"fcc"``.
    reach
        Largest distance in units of the nearest-neighbour distance.

    Raises
    ------
    StudyError
        For another lattice.
    """
    if lattice not in CORNERS:
        raise StudyError(f"lattice {lattice!r}: perfect crystals are summed for {' and '.join(CORNERS)}; take one")
    corners = np.array(CORNERS[lattice])
    size = int(np.ceil(reach)) + 1
    grid = 2 * np.stack(np.meshgrid(*3 * [np.arange(-size, size + 1)], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    halves = (grid + corners).reshape(-1, 3)  # positions in half lattice parameters: integers, so shells are exact
    square = (halves**2).sum(axis=1)
    nearest = square[square > 0].min()
    inside = (square > 0) & (square <= nearest * reach**2)
    halves, square = halves[inside], square[inside]
    levels, which = np.unique(square, return_inverse=True)
    normal2 = halves**2 / square[:, None]
    return Shells(
        distance=np.sqrt(levels) / 2.0,
        count=np.bincount(which).astype(float),
        quartic=np.bincount(which, normal2[:, 0] ** 2).astype(float),
        mixed=np.bincount(which, normal2[:, 0] * normal2[:, 1]).astype(float),
        atoms=len(corners),
    )


@njit(cache=True)
def mixed_at(
    rows: NDArray[np.float64], c: NDArray[np.float64], r: float
) -> tuple[float, float, float, float, float, float]:
    """Return the mean density and the mean pair energy of a random alloy at one distance, each with two derivatives.

    With Johnson's rule the double sum ``sum_ab c_a c_b phi_ab`` factorises into
    ``(sum_b c_b f_b) (sum_a c_a phi_aa / f_a)``, so the cost grows with n and not with n^2.

    Parameters
    ----------
    rows
        Shape ``(n, n_columns)``.
    c
        Shape ``(n,)``, mole fractions.
    r
        Distance in angstrom.
    """
    f = f1 = f2 = h = h1 = h2 = 0.0
    for i in range(c.size):
        if c[i] == 0.0:
            continue
        d, d1, d2, p, p1, p2 = radial_at(rows[i], r)
        q = p / d
        q1 = (p1 - q * d1) / d
        f += c[i] * d
        f1 += c[i] * d1
        f2 += c[i] * d2
        h += c[i] * q
        h1 += c[i] * q1
        h2 += c[i] * (p2 - 2.0 * q1 * d1 - q * d2) / d
    return f, f1, f2, f * h, f1 * h + f * h1, f2 * h + 2.0 * f1 * h1 + f * h2


@njit(cache=True)
def mean_embedding(rows: NDArray[np.float64], c: NDArray[np.float64], rho: float) -> tuple[float, float, float]:
    """Return the mean embedding energy ``sum c_a F_a(rho)`` with two derivatives; arguments as in `mixed_at`."""
    e = e1 = e2 = 0.0
    for i in range(c.size):
        if c[i] != 0.0:
            v, v1, v2 = embedding_at(rows[i], rho)
            e += c[i] * v
            e1 += c[i] * v1
            e2 += c[i] * v2
    return e, e1, e2


@njit(cache=True)
def _crystal_at(
    rows: NDArray[np.float64], c: NDArray[np.float64], table: NDArray[np.float64], atoms: int, a: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return E, dE/da, d2E/da2 (eV per atom), C11, C12, C44 (GPa; valid where dE/da = 0), rho and drho/da."""
    rho = rho1 = rho2 = e = e1 = e2 = 0.0
    pair_quartic = pair_mixed = bond_quartic = bond_mixed = 0.0
    for k in range(table.shape[1]):
        s, count = table[0, k], table[1, k]
        r = s * a
        f, f1, f2, p, p1, p2 = mixed_at(rows, c, r)
        rho += count * f
        rho1 += count * s * f1
        rho2 += count * s * s * f2
        e += 0.5 * count * p
        e1 += 0.5 * count * s * p1
        e2 += 0.5 * count * s * s * p2
        pair_stiffness = 0.5 * (p2 * r - p1) * r
        bond_stiffness = (f2 * r - f1) * r
        pair_quartic += table[2, k] * pair_stiffness
        pair_mixed += table[3, k] * pair_stiffness
        bond_quartic += table[2, k] * bond_stiffness
        bond_mixed += table[3, k] * bond_stiffness
    F, F1, F2 = mean_embedding(rows, c, rho)
    per_volume = ANGSTROM3_EV_IN_GPA * atoms / a**3
    many_body = F2 * (a * rho1 / 3.0) ** 2
    return (
        e + F,
        e1 + F1 * rho1,
        e2 + F1 * rho2 + F2 * rho1 * rho1,
        (pair_quartic + F1 * bond_quartic + many_body) * per_volume,
        (pair_mixed + F1 * bond_mixed + many_body) * per_volume,
        (pair_mixed + F1 * bond_mixed) * per_volume,
        rho,
        rho1,
    )


@njit(cache=True)
def settle(
    rows: NDArray[np.float64], c: NDArray[np.float64], table: NDArray[np.float64], atoms: int, out: NDArray[np.float64]
) -> int:
    """Find the equilibrium lattice and write a, E, C11, C12, C44, d2E/da2, rho, drho/da to `out`; return the status.

    Newton's method from the composition mean of the fitted lattices; if it meets a bad curvature or leaves 25 % around
    the start, it begins again inside a bracket that shrinks.
    """
    for k in range(out.size):  # slices compile far more slowly than loops
        out[k] = np.nan
    nearest = 0.0
    for i in range(c.size):
        nearest += c[i] * rows[i, RE]
    a = nearest / table[0, 0]
    if not (np.isfinite(a) and a > 0.0):
        return MEANINGLESS
    least, most = 0.75 * a, 1.25 * a
    low, high, trial = least, most, a
    phase = NEWTON
    for _ in range(120):  # one call site: compiled code is not inlined three times
        now = _crystal_at(rows, c, table, atoms, trial)
        if not np.isfinite(now[1]):
            return MEANINGLESS
        if phase in (LEFT_END, RIGHT_END):
            if (now[1] >= 0.0) == (phase == LEFT_END):  # the ends must push outwards and pull inwards
                return NOWHERE
            trial, phase = (most, RIGHT_END) if phase == LEFT_END else (a, BRACKET)
            continue
        if now[1] < 0.0:
            low = trial
        else:
            high = trial
        step = -now[1] / now[2] if now[2] > 0.0 else np.inf
        if not low <= trial + step <= high:
            if phase == NEWTON:  # begin again with care
                low, high, trial, phase = least, most, least, LEFT_END
                continue
            step = 0.5 * (low + high) - trial
        if abs(step) <= 1e-10 * trial:  # one Newton step more than this changes nothing that can be written
            break
        trial += step
    a = trial
    out[0], out[1], out[2], out[3], out[4] = a, now[0], now[3], now[4], now[5]
    out[5], out[6], out[7] = now[2], now[6], now[7]
    stable = out[4] > 0.0 and out[2] > out[3] and out[2] + 2.0 * out[3] > 0.0
    return FINE if stable else UNSTABLE


@njit(cache=True)
def _settle_all(
    values: NDArray[np.float64],
    table: NDArray[np.float64],
    atoms: int,
    out: NDArray[np.float64],
    status: NDArray[np.int8],
) -> None:
    whole = np.ones(1)
    for m in range(values.shape[0]):
        for i in range(values.shape[1]):
            status[m, i] = settle(values[m, i : i + 1], whole, table, atoms, out[m, i])


@dataclass(frozen=True)
class Crystals:
    """Equilibrium properties of perfect crystals at 0 K without zero-point motion, all of one shape.

    Parameters
    ----------
    lattice_parameter
        In angstrom.
    cohesive_energy
        In eV per atom, positive when bound.
    C11, C12, C44
        In GPa.
    status
        Index into `STATUS`. Where it is 1 or 3 the numbers are NaN; an unstable crystal keeps them.
    """

    lattice_parameter: NDArray[np.float64]
    cohesive_energy: NDArray[np.float64]
    C11: NDArray[np.float64]
    C12: NDArray[np.float64]
    C44: NDArray[np.float64]
    status: NDArray[np.int8]

    @property
    def bulk_modulus(self) -> NDArray[np.float64]:
        """Bulk modulus ``(C11 + 2 C12) / 3`` in GPa."""
        return (self.C11 + 2.0 * self.C12) / 3.0


def pure_crystals(values: NDArray[np.float64], lattice: str) -> Crystals:
    """Return the equilibrium crystal of every element for every draw of the parameters.

    Parameters
    ----------
    values
        Shape ``(..., n_elements, n_columns)``, as in `Zhou.values` or with leading axes of draws.
    lattice
        ``"bcc"`` or ``"fcc"``.

    Returns
    -------
    Crystals
        Fields of shape ``(..., n_elements)``. The elastic constants are the second derivatives of the energy at zero
        stress, where all conventions agree; see M. S. Daw and M. I. Baskes, Phys. Rev. B 29, 6443 (1984), Sec. III.

    Raises
    ------
    StudyError
        For another lattice.
    """
    of = shells(lattice)
    shape = values.shape[:-1]
    flat = np.array(values, dtype=np.float64, order="C").reshape(-1, values.shape[-2], values.shape[-1])
    out = np.empty((*flat.shape[:2], 8))
    status = np.empty(flat.shape[:2], dtype=np.int8)
    _settle_all(flat, of.table(), of.atoms, out, status)
    a, energy, c11, c12, c44 = (out[..., k].reshape(shape) for k in range(5))
    return Crystals(a, -energy, c11, c12, c44, status.reshape(shape))
