"""Second ways to the plate with a hole, without elements: series fitted to the boundary, and complex potentials.

Isotropic, finite: doubly symmetric pull along x of a rectangle with a round hole. phi' and psi' are
Laurent series in even powers of z with real coefficients (Kolosov and Muskhelishvili; the strip is Howland,
Phil. Trans. R. Soc. A 229, 49 (1930)); tractions on hole and rectangle are met by least squares.
Anisotropic, infinite: Lekhnitskii, Anisotropic Plates (1968), for any in-plane compliance.
"""

from __future__ import annotations

import numpy as np


def stress_terms(z, radius, reach, terms):
    """Return sxx, syy, sxy of every unit coefficient at points z: arrays (points, 2 * (2 terms + 1))."""
    columns = []
    for m in range(-terms, terms + 1):
        scale = reach if m >= 0 else radius
        power = (z / scale) ** (2 * m)
        derivative = 2 * m * power / z
        trace, deviator = 4 * power.real, 2 * np.conj(z) * derivative
        columns.append(((trace - deviator.real) / 2, (trace + deviator.real) / 2, deviator.imag / 2))
    for m in range(-terms - 1, terms + 1):
        scale = reach if m >= 0 else radius
        deviator = 2 * (z / scale) ** (2 * m)
        columns.append((-deviator.real / 2, deviator.real / 2, deviator.imag / 2))
    return np.array(columns).transpose(1, 2, 0)


def stress_concentration(width, length, radius, terms=30):
    """Return (K_t on gross stress at the hole's flank, largest misfit of a traction over nominal)."""
    reach = np.hypot(width, length) / 2
    theta = (np.arange(8 * terms) + 0.5) / (8 * terms) * np.pi / 2
    hole = radius * np.exp(1j * theta)
    line = np.sin((np.arange(12 * terms) + 0.5) / (12 * terms) * np.pi / 2)
    end, flank = length / 2 + 1j * width / 2 * line, length / 2 * line + 1j * width / 2
    rows, right = [], []
    for z, facing, pull in ((hole, np.exp(1j * theta), 0.0), (end, 1.0, 1.0), (flank, 1j, 0.0)):
        n = np.broadcast_to(facing, z.shape)
        xx, yy, xy = stress_terms(z, radius, reach, terms)
        rows += [xx * n.real[:, None] + xy * n.imag[:, None], xy * n.real[:, None] + yy * n.imag[:, None]]
        right += [np.full(z.shape, pull), np.zeros(z.shape)]
    A, b = np.vstack(rows), np.concatenate(right)
    size = np.abs(A).max(axis=0)
    x = np.linalg.lstsq(A / size, b, rcond=1e-14)[0] / size
    top = stress_terms(np.array([1j * radius]), radius, reach, terms)[0]
    return float((top @ x)[0]), float(np.abs(A @ x - b).max())


def lekhnitskii_hoop(compliance, angle_rad):
    """Return the hoop stress over nominal at the hole of an infinite plate pulled along x.

    `compliance` is the (3, 3) plane-stress compliance in the order xx, yy, xy (engineering shear). The two
    potentials A_k / zeta_k cancel the traction of the uniform field on the circle.
    """
    a = compliance
    roots = np.roots([a[0, 0], -2 * a[0, 2], 2 * a[0, 1] + a[2, 2], -2 * a[1, 2], a[1, 1]])
    mu = roots[roots.imag > 0]
    A = -0.5j / (mu[0] - mu[1]) * np.array([1.0, -1.0])
    zeta = np.exp(1j * np.asarray(angle_rad))[:, None]
    slope = -A / zeta**2 / (0.5 * ((1 - 1j * mu) - (1 + 1j * mu) / zeta**2))
    xx = 1 + 2 * (mu**2 * slope).sum(axis=1).real
    yy = 2 * slope.sum(axis=1).real
    xy = -2 * (mu * slope).sum(axis=1).real
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return xx * s**2 + yy * c**2 - 2 * xy * s * c


def kirsch(x, y, radius):
    """Return (xx, yy, xy) over nominal in an infinite isotropic plate pulled along x (Kirsch 1898)."""
    t, q = np.arctan2(y, x), radius**2 / (x * x + y * y)
    rr = 0.5 * (1 - q) + 0.5 * (1 - 4 * q + 3 * q * q) * np.cos(2 * t)
    tt = 0.5 * (1 + q) - 0.5 * (1 + 3 * q * q) * np.cos(2 * t)
    rt = -0.5 * (1 + 2 * q - 3 * q * q) * np.sin(2 * t)
    c, s = np.cos(t), np.sin(t)
    return np.stack(
        [
            rr * c * c + tt * s * s - 2 * rt * s * c,
            rr * s * s + tt * c * c + 2 * rt * s * c,
            (rr - tt) * s * c + rt * (c * c - s * s),
        ],
        axis=-1,
    )


def isotropic(young_GPa, poisson):
    """Return the (6, 6) stiffness of an isotropic solid."""
    S = np.zeros((6, 6))
    S[:3, :3] = -poisson / young_GPa
    S[np.arange(3), np.arange(3)] = 1 / young_GPa
    S[np.arange(3, 6), np.arange(3, 6)] = 2 * (1 + poisson) / young_GPa
    return np.linalg.inv(S)


def cubic(C11, C12, C44, turn_rad=0.0):
    """Return the (6, 6) stiffness of a cubic crystal turned about z."""
    C = np.zeros((6, 6))
    C[:3, :3] = C12
    C[np.arange(3), np.arange(3)] = C11
    C[np.arange(3, 6), np.arange(3, 6)] = C44
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    pairs = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    # stress transformation in Voigt order (Bond): sigma' = B sigma, C' = B C B^T
    B = np.array([[R[i, k] * R[j, m] + (R[i, m] * R[j, k] if k != m else 0.0) for k, m in pairs] for i, j in pairs])
    return B @ C @ B.T
