"""Straight defects in an anisotropic crystal: dislocations and cracks by the sextic formalism of Stroh.

Plane problems whose fields depend on x and y alone, the defect line along z, displacements in all three directions.
Solutions are u = sum_k a_k f(x + p_k y); eigenvalues p_k and vectors (a, b) are those of the fundamental elasticity
matrix (A. N. Stroh, Philos. Mag. 3, 625, 1958; T. C. T. Ting, Anisotropic Elasticity, 1996, chapters 5 to 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.tensors import require_stable, voigt_to_mandel

__all__ = ["Stroh", "line_tensor", "stroh"]

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

_PLACE = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
_APART, _CHANGE = 2e-4, 1e-6
"""Eigenvalues closer than the first are parted by changing the stiffness by the second, of which theirs move by the
root: eigenvectors are then safe, and no field changes by more than a hundred thousandth (a test)."""


@dataclass(frozen=True)
class Stroh:
    """The six solutions of one stiffness, of which three are kept (the others are conjugate).

    Attributes
    ----------
    eigenvalues
        (3,) p with positive imaginary part.
    displacement, traction
        (3, 3) A and B, one column per solution: displacement and stress function (GPa), normalised to
        A^T B + B^T A = 1.
    """

    eigenvalues: Complex
    displacement: Complex
    traction: Complex

    @property
    def line_tensor(self) -> Floats:
        """Barnett and Lothe's L (3, 3) in GPa: a dislocation b costs b . L b / (4 pi) per length and ln(R / r)."""
        return np.asarray(np.real(-2j * self.traction @ self.traction.T))

    def line_energy(self, burgers_A: ArrayLike) -> float:
        """Return the prefactor b . L b / (4 pi) of a dislocation's energy per length (GPa A^2)."""
        b = np.asarray(burgers_A, dtype=np.float64)
        return float(b @ self.line_tensor @ b) / (4.0 * np.pi)

    def dislocation(self, burgers_A: ArrayLike, x_A: ArrayLike, y_A: ArrayLike) -> Floats:
        """Return the displacement (..., 3) in A of a straight dislocation at the origin.

        The plane y = 0, x < 0 is the cut: going around once anticlockwise (from below it to above), u grows by b.

        Parameters
        ----------
        burgers_A
            (3,) Burgers vector in the axes of the stiffness.
        x_A, y_A
            Where, of one shape; not at the origin.
        """
        weights = self.traction.T @ np.asarray(burgers_A, dtype=np.float64)
        return self._field(np.log(self._places(x_A, y_A)) * weights) / np.pi

    def dislocation_gradient(self, burgers_A: ArrayLike, x_A: ArrayLike, y_A: ArrayLike) -> Floats:
        """Return du/dx and du/dy (..., 3, 2) of the same dislocation."""
        slopes = self.traction.T @ np.asarray(burgers_A, dtype=np.float64) / self._places(x_A, y_A)
        return np.stack([self._field(slopes), self._field(slopes * self.eigenvalues)], axis=-1) / np.pi

    def dislocation_stress(self, burgers_A: ArrayLike, x_A: ArrayLike, y_A: ArrayLike) -> Floats:
        """Return the tractions s_i1 and s_i2 (..., 3, 2) in GPa of the same dislocation."""
        slopes = self.traction.T @ np.asarray(burgers_A, dtype=np.float64) / self._places(x_A, y_A)
        across = np.imag(slopes @ self.traction.T) / np.pi
        along = -np.imag((slopes * self.eigenvalues) @ self.traction.T) / np.pi
        return np.stack([along, across], axis=-1)

    def crack(self, intensity_GPa_sqrtA: ArrayLike, x_A: ArrayLike, y_A: ArrayLike) -> Floats:
        """Return the displacement (..., 3) in A near the tip of a crack that lies in y = 0, x < 0.

        Parameters
        ----------
        intensity_GPa_sqrtA
            (3,) stress intensities (K_II, K_I, K_III): s_i2 = K_i / sqrt(2 pi x) ahead of the tip.
        x_A, y_A
            Where, of one shape.
        """
        weights = np.linalg.solve(self.traction, np.asarray(intensity_GPa_sqrtA, dtype=np.complex128))
        roots = np.sqrt(self._places(x_A, y_A)) * weights
        return np.asarray(np.sqrt(2.0 / np.pi) * np.real(roots @ self.displacement.T))

    def release_rate(self, intensity_GPa_sqrtA: ArrayLike) -> float:
        """Return the energy (GPa A) that a crack with these intensities frees per area of growth in its plane."""
        k = np.asarray(intensity_GPa_sqrtA, dtype=np.float64)
        return 0.5 * float(k @ np.linalg.solve(self.line_tensor, k))

    def griffith(self, surface_energy_GPa_A: float) -> float:
        """Return the K_I (GPa sqrt(A)) whose growth frees the energy of two surfaces.

        A. A. Griffith, Phil. Trans. Roy. Soc. A 221, 163 (1921).

        Parameters
        ----------
        surface_energy_GPa_A
            Of one surface; 1 J/m^2 = 10 GPa A.
        """
        return float(np.sqrt(2.0 * surface_energy_GPa_A / self.release_rate([0.0, 1.0, 0.0])))

    def _places(self, x_A: ArrayLike, y_A: ArrayLike) -> Complex:
        x, y = np.asarray(x_A, dtype=np.float64)[..., None], np.asarray(y_A, dtype=np.float64)[..., None]
        return np.asarray(x + self.eigenvalues * (y + 0.0))  # -0.0 would lie on the other side of the cut

    def _field(self, parts: Complex) -> Floats:
        return np.asarray(np.imag(parts @ self.displacement.T))


def stroh(stiffness_GPa: Floats) -> Stroh:
    """Solve the sextic problem of a stiffness.

    Parameters
    ----------
    stiffness_GPa
        (6, 6) Voigt, in axes with the line along the third (`tensors.rotate_stiffness`).

    Raises
    ------
    Unstable
        When the stiffness does not resist every strain.

    Notes
    -----
    Where eigenvalues coincide, as in an isotropic solid, there may be too few eigenvectors: the stiffness is then
    changed by a millionth, without symmetry.
    """
    require_stable(stiffness_GPa, "Stroh's formalism")
    stiff = np.asarray(stiffness_GPa, dtype=np.float64)
    values, vectors = _eigen(stiff)
    if min(abs(values[0] - values[1]), abs(values[0] - values[2]), abs(values[1] - values[2])) < _APART:
        values, vectors = _eigen(stiff + _CHANGE * _parting(stiff))
    a, b = vectors[:3], vectors[3:]
    scale = np.sqrt(2.0 * (a * b).sum(axis=0))
    return Stroh(values, a / scale, b / scale)


def line_tensor(stiffness_GPa: Floats, *, points: int = 64) -> Floats:
    """Return L (3, 3) in GPa by the integral of Barnett and Lothe, which needs no eigenvectors.

    D. M. Barnett and J. Lothe, Phys. Norv. 7, 13 (1973). The integrand is periodic: the trapezoidal rule converges
    exponentially.
    """
    turns = np.pi * np.arange(points) / points
    total = np.zeros((3, 3))
    for angle in turns:
        n, m = np.array([np.cos(angle), np.sin(angle), 0.0]), np.array([-np.sin(angle), np.cos(angle), 0.0])
        total -= _matrix(_contracted(stiffness_GPa, n, n), _contracted(stiffness_GPa, n, m),
                         _contracted(stiffness_GPa, m, m))[3:, :3]  # fmt: skip
    return np.asarray(total / points)


def _contracted(stiffness: Floats, n: Floats, m: Floats) -> Floats:
    """Return the matrix n_j C_ijkl m_l."""
    full = stiffness[_PLACE[:, :, None, None], _PLACE[None, None, :, :]]
    return np.asarray(np.einsum("ijkl,j,l->ik", full, n, m))


def _matrix(q: Floats, r: Floats, t: Floats) -> Floats:
    """Return the fundamental elasticity matrix (6, 6) of Q, R and T."""
    inverse = np.linalg.inv(t)
    first = -inverse @ r.T
    return np.block([[first, inverse], [r @ inverse @ r.T - q, first.T]])


def _eigen(stiffness: Floats) -> tuple[Complex, Complex]:
    x, y = np.eye(3)[:2]
    scale = float(np.trace(stiffness)) / 6.0  # both halves of a vector of one size
    halves = stiffness / scale
    matrix = _matrix(_contracted(halves, x, x), _contracted(halves, x, y), _contracted(halves, y, y))
    values, vectors = np.linalg.eig(matrix)
    rising = np.argsort(-values.imag, kind="stable")[:3]
    found = vectors[:, rising].astype(np.complex128)
    found[3:] *= scale
    return np.asarray(values[rising], dtype=np.complex128), found


def _parting(stiffness: Floats) -> Floats:
    """Return a change of like size without any symmetry that could make eigenvalues meet."""
    size = float(np.trace(voigt_to_mandel(stiffness))) / 12.0
    odd = np.diag([0.31, -0.17, 0.07, 0.23, -0.29, 0.11])
    odd[0, 1] = odd[1, 0] = 0.13
    return np.asarray(size * odd)
