"""Metres, seconds and joules of grain boundaries, and what they are in the units of the phase field.

Sources: N. Moelans, B. Blanpain, P. Wollants, Phys. Rev. B 78, 2008, 024113 (parameters of the phase field);
W. T. Read, W. Shockley, Phys. Rev. 78, 1950, 275-289 (energy of low-angle boundaries); J. W. Cahn,
Acta Metall. 10, 1962, 789-798 (solute drag).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_bvp

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.pairs import LARGEST

__all__ = [
    "GAS_CONSTANT",
    "BoundaryUnits",
    "Misorientation",
    "VelocityLaw",
    "arrhenius_mobility",
    "boundary_energy_of_gamma",
    "gamma_of_energy",
    "pinned_velocity",
    "quaternions_of",
    "read_shockley",
    "solute_drag_velocity",
]

Array = NDArray[np.float64]

GAS_CONSTANT = 8.31446261815324  # J/(mol K), exact in the SI of 2019
_SYMMETRIC = float(np.sqrt(2.0) / 3.0)  # g(3/2): boundary energy over sqrt(kappa m)
_SMALLEST_RATIO = 0.15


@dataclass(frozen=True)
class BoundaryUnits:
    """A boundary in metres and seconds.

    Attributes
    ----------
    voxel_m
        Edge of a voxel.
    width_m
        Width of the diffuse boundary: numerical, not that of the real one. Five voxels or more, and less than half a
        mean grain radius.
    energy_J_per_m2
        Boundary energy sigma.
    mobility_m4_per_J_s
        Boundary mobility M: velocity = M sigma (sum of curvatures).

    Raises
    ------
    StudyError
        When one of them is not positive.
    """

    voxel_m: float
    width_m: float
    energy_J_per_m2: float
    mobility_m4_per_J_s: float

    def __post_init__(self) -> None:
        """Check the signs."""
        for name in ("voxel_m", "width_m", "energy_J_per_m2", "mobility_m4_per_J_s"):
            if not getattr(self, name) > 0.0:
                raise StudyError(f"BoundaryUnits: {name} is {getattr(self, name)}; it has to be positive")

    @property
    def kappa_J_per_m(self) -> float:
        """Gradient coefficient, 3/4 sigma width (gamma = 3/2)."""
        return 0.75 * self.energy_J_per_m2 * self.width_m

    @property
    def barrier_J_per_m3(self) -> float:
        """Height m of the homogeneous energy, 6 sigma / width."""
        return 6.0 * self.energy_J_per_m2 / self.width_m

    @property
    def kinetic_m3_per_J_s(self) -> float:
        """Kinetic coefficient L = 4 M / (3 width)."""
        return 4.0 * self.mobility_m4_per_J_s / (3.0 * self.width_m)

    @property
    def width_voxels(self) -> float:
        """Width in voxels."""
        return self.width_m / self.voxel_m

    @property
    def time_s(self) -> float:
        """Seconds per unit of reduced time, 1 / (L m) = width^2 / (8 M sigma)."""
        return 1.0 / (self.kinetic_m3_per_J_s * self.barrier_J_per_m3)

    def reduced_time(self, seconds: float) -> float:
        """Return seconds in units of `time_s`."""
        return seconds / self.time_s

    def seconds(self, reduced_time: float) -> float:
        """Return reduced time in seconds."""
        return reduced_time * self.time_s

    def annealed(self, times_s: Array, mobilities_m4_per_J_s: Array) -> float:
        """Return the reduced time of a history of mobility (trapezia in M), the energy being constant.

        Without a velocity law the path of the microstructure depends on the integral of M sigma alone.
        """
        mean = np.trapezoid(mobilities_m4_per_J_s, times_s)
        return float(8.0 * self.energy_J_per_m2 * mean / self.width_m**2)


def arrhenius_mobility(
    temperature_K: Array | float, prefactor_m4_per_J_s: float, activation_energy_J_per_mol: float
) -> Array:
    """Return the mobility M0 exp(-Q / (R T)) in m4/(J s).

    Raises
    ------
    StudyError
        When a temperature is not positive.
    """
    temperature = np.asarray(temperature_K, np.float64)
    if not np.all(temperature > 0.0):
        raise StudyError(f"arrhenius_mobility: temperature {temperature.min()} K; it has to be positive")
    return np.asarray(prefactor_m4_per_J_s * np.exp(-activation_energy_J_per_mol / (GAS_CONSTANT * temperature)))


def read_shockley(angle_rad: Array, high_angle_rad: float = float(np.radians(15.0))) -> Array:
    """Return the energy of a boundary over that of a high-angle one: x (1 - ln x) with x = angle / limit, then 1."""
    share = np.clip(np.asarray(angle_rad, np.float64) / high_angle_rad, 1e-12, 1.0)
    return np.asarray(share * (1.0 - np.log(share)))


@lru_cache(maxsize=256)
def boundary_energy_of_gamma(gamma: float) -> float:
    """Return g(gamma) = sigma / sqrt(kappa m) of a flat boundary, by its equilibrium profile; g(3/2) = sqrt(2) / 3.

    Raises
    ------
    StudyError
        When gamma is not above 1/2, where two grains would mix.
    """
    if gamma <= 0.5:
        raise StudyError(f"boundary_energy_of_gamma: gamma is {gamma}; it has to be above 0.5")
    far = 12.0 / np.sqrt(min(1.0, gamma - 0.5))
    x = np.linspace(0.0, far, 401)
    decay = np.tanh(x / np.sqrt(2.0) / max(1.0, 0.6 / np.sqrt(gamma - 0.5)))
    start = np.array(
        [0.5 * (1.0 + decay), np.gradient(0.5 * decay, x), 0.5 * (1.0 - decay), -np.gradient(0.5 * decay, x)]
    )

    def slope(_: Array, y: Array) -> Array:
        a, da, b, db = y
        return np.stack([da, a**3 - a + 2 * gamma * a * b**2, db, b**3 - b + 2 * gamma * b * a**2])

    def ends(left: Array, right: Array) -> Array:
        return np.array([left[0] - left[2], left[1] + left[3], right[0] - 1.0, right[2]])

    found = solve_bvp(slope, ends, x, start, tol=1e-8, max_nodes=20000)
    if not found.success:
        raise StudyError(f"boundary_energy_of_gamma: no profile found for gamma {gamma}: {found.message}")
    fine = np.linspace(0.0, far, 20001)
    a, _, b, _ = found.sol(fine)
    density = 0.25 * (a**4 + b**4) - 0.5 * (a**2 + b**2) + gamma * a**2 * b**2 + 0.25
    return float(4.0 * np.trapezoid(density, fine))  # both halves, and as much gradient energy again


@lru_cache(maxsize=1)
def _energy_table() -> tuple[Array, Array]:
    gammas = 0.5 + np.geomspace(0.012, 1.0, 40)
    return gammas, np.array([boundary_energy_of_gamma(float(one)) for one in gammas])


def gamma_of_energy(ratio: Array) -> Array:
    """Return the gamma that gives a boundary `ratio` times the energy of gamma = 3/2, at equal kappa and m.

    Ratios below 0.15 are raised to it: the boundary would become wider than the grains.

    Raises
    ------
    StudyError
        When a ratio is above one: give the largest energy as the reference.
    """
    ratio = np.asarray(ratio, np.float64)
    if ratio.max() > 1.0 + 1e-12:
        raise StudyError(f"gamma_of_energy: a ratio of {ratio.max():.6g}; refer energies to the largest one")
    gammas, energies = _energy_table()
    return np.asarray(np.interp(np.maximum(ratio, _SMALLEST_RATIO) * _SYMMETRIC, energies, gammas))


def quaternions_of(orientations: Array) -> Array:
    """Return unit quaternions ``(grains, 4)``, scalar first, of rotation matrices ``(grains, 3, 3)``."""
    from scipy.spatial.transform import Rotation

    return np.ascontiguousarray(np.roll(Rotation.from_matrix(orientations).as_quat(), 1, axis=1))


@dataclass(frozen=True)
class Misorientation:
    """Energies and mobilities of the boundaries of cubic crystals by their misorientation alone.

    Attributes
    ----------
    quaternions
        ``(grains, 4)`` float64, scalar first.
    table
        ``(n, 2)`` gamma, and L_ij / L = (M sigma)_ij / (M sigma), over equal steps from 0 to `LARGEST`.
    """

    quaternions: Array
    table: Array

    @classmethod
    def of(
        cls,
        orientations: Array,
        energy_ratio: Callable[[Array], Array] = read_shockley,
        mobility_ratio: Callable[[Array], Array] = np.ones_like,
        points: int = 1024,
    ) -> Misorientation:
        """Tabulate laws of the misorientation angle in radians; both relative to the largest energy and mobility.

        At fixed kappa and L a boundary moves with L kappa times its curvature whatever its energy, so the energy enters
        twice: through gamma, which balances the junctions, and through L.

        Parameters
        ----------
        orientations
            ``(grains, 3, 3)`` rotation matrices, crystal to sample.
        energy_ratio, mobility_ratio
            Laws of the angle; ratios in (0, 1].
        points
            Rows of the table.
        """
        angles = np.linspace(0.0, LARGEST, points)
        energy = np.maximum(energy_ratio(angles), _SMALLEST_RATIO)
        table = np.stack([gamma_of_energy(energy), energy * mobility_ratio(angles)], axis=1)
        return cls(quaternions_of(orientations), np.ascontiguousarray(table))


@dataclass(frozen=True)
class VelocityLaw:
    """Velocity of a boundary against the velocity it would have free of drag, for the kernels.

    Attributes
    ----------
    table
        ``(n, 2)``; first column v / v_free over equal steps of v_free / (v_free + speed); the second is not used.
    speed
        Reference speed in voxels per unit of reduced time.
    """

    table: Array
    speed: float

    @classmethod
    def of(
        cls, velocity: Callable[[Array], Array], reference_m_per_s: float, units: BoundaryUnits, points: int = 2049
    ) -> VelocityLaw:
        """Tabulate ``velocity(free velocity)``, both in m/s; `reference_m_per_s` is where the law bends."""
        share = np.linspace(0.0, 1.0, points)
        free = reference_m_per_s * share[1:-1] / (1.0 - share[1:-1])
        ratio = np.clip(velocity(free) / free, 0.0, 1.0)
        ratio = np.concatenate([ratio[:1], ratio, [1.0]])
        return cls(
            np.ascontiguousarray(np.stack([ratio, ratio], axis=1)), reference_m_per_s * units.time_s / units.voxel_m
        )


def solute_drag_velocity(free_m_per_s: Array, drag: float, breakaway_m_per_s: float) -> Array:
    """Return the velocity of a boundary that drags solute, in m/s.

    Cahn's law P = v / M + alpha C v / (1 + beta^2 v^2) with P = v_free / M reads

        v_free = v (1 + drag / (1 + (v / breakaway)^2)),    drag = alpha C M,  breakaway = 1 / beta.

    Where three velocities obey it (drag > 8) the smallest is taken: the boundary stays loaded until it cannot.

    Parameters
    ----------
    free_m_per_s
        M P.
    drag
        Drag at low velocity over intrinsic drag, >= 0.
    breakaway_m_per_s
        Velocity of the largest drag.
    """
    free = np.asarray(free_m_per_s, np.float64) / breakaway_m_per_s
    roots = np.empty(free.size)
    for place, one in enumerate(free.ravel()):
        found = np.roots([1.0, -one, 1.0 + drag, -one])
        real = found.real[np.abs(found.imag) <= 1e-9 * np.maximum(1.0, np.abs(found))]
        roots[place] = real[real >= 0.0].min()
    return np.asarray(roots.reshape(free.shape) * breakaway_m_per_s)


def pinned_velocity(free_m_per_s: Array, threshold_m_per_s: float) -> Array:
    """Return max(v_free - threshold, 0) in m/s: a pressure of threshold / M pins (Zener's, say)."""
    return np.maximum(np.asarray(free_m_per_s, np.float64) - threshold_m_per_s, 0.0)
