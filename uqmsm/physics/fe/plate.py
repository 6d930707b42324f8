"""Pulls a plate with a round hole and says how high the stress climbs, how far it stretches, when it first yields.

Plane stress, linear elastic, any homogeneous anisotropic material: the full 6 x 6 stiffness is reduced
through its compliance. Uniform tractions on both ends balance each other, and three held dofs remove
the rigid motion without a reaction; so the outer boundary carries the stress of a macroscopic point, and
Hill's condition holds for the plate as a whole, hole included. Linear: everything but the concentration
factors scales with the load.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.assemble import forces, stiffness_blocks, strains
from uqmsm.physics.fe.discretise import Discretisation, discretise
from uqmsm.physics.fe.linear import System, system
from uqmsm.physics.fe.loads import boundary_points, traction_loads
from uqmsm.physics.fe.materials.elastic import (
    IN_PLANE,
    in_plane,
    plane_stress,
    plane_stress_each,
    plane_voigt,
    stress_of,
)
from uqmsm.physics.fe.mesh import owners
from uqmsm.physics.fe.meshes.plate import PlateMesh, plate_mesh
from uqmsm.physics.fe.recovery import EdgeStress, edge_stress, hot_spot_volume, nodal_stress, peak, von_mises

__all__ = ["Balance", "Plate", "PlateMesh", "plane_stress", "plate", "plate_mesh", "prepared"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Balance:
    """Proofs that the solution is one; all relative, at round-off when right.

    Attributes
    ----------
    residual : float
        Of the linear system.
    nodal : float
        Largest internal minus external nodal force, held dofs included, over the largest external.
    work : float
        External work minus strain energy, over the work.
    hill_mandel : float
        Volume mean of stress : strain minus mean stress : mean strain (hole included), over the former.
    mean_stress : float
        Mean stress (hole included) minus the applied one, over the applied.
    """

    residual: float
    nodal: float
    work: float
    hill_mandel: float
    mean_stress: float


@dataclass(frozen=True)
class Plate:
    """The full answer for one material.

    Attributes
    ----------
    displacement_mm : ndarray, shape (nodes, 2)
    stress_MPa : ndarray, shape (elements, points, 3)
        (xx, yy, xy) at the quadrature points.
    nodal_stress_MPa : ndarray, shape (nodes, 3)
        Recovered; on the hole the free-edge values.
    edge : EdgeStress
        Along the hole.
    nominal_stress_MPa : float
        Gross stress at the ends.
    stress_concentration : float
        Largest principal stress at the hole over nominal (gross).
    von_mises_concentration : float
        Largest von Mises stress of the plate over nominal.
    peak_angle_rad : float
        Where on the hole the von Mises stress is largest, from the axis of the pull.
    elongation_mm : float
        Mean displacement of the right end minus that of the left.
    hot_spot_volume_mm3, hot_spot_area_mm2 : float
        Where the von Mises stress reaches the stated fraction of its maximum; the area is that in the plane.
    strain_energy_mJ : float
        N mm = mJ.
    balance : Balance
    """

    displacement_mm: Floats
    stress_MPa: Floats
    nodal_stress_MPa: Floats
    edge: EdgeStress
    nominal_stress_MPa: float
    stress_concentration: float
    von_mises_concentration: float
    peak_angle_rad: float
    elongation_mm: float
    hot_spot_volume_mm3: float
    hot_spot_area_mm2: float
    strain_energy_mJ: float
    balance: Balance

    @property
    def work_gap(self) -> float:
        """External work minus strain energy, over the work."""
        return self.balance.work

    def first_yield_MPa(self, yield_MPa: float) -> float:
        """Return the nominal stress in MPa at which the first point yields (von Mises).

        Raises
        ------
        StudyError
            When the yield stress is not positive.
        """
        if not yield_MPa > 0:
            raise StudyError(f"Plate.first_yield_MPa: yield_MPa is {yield_MPa:g}, but must be > 0; check the strength")
        return yield_MPa / self.von_mises_concentration


def plate(
    stiffness_GPa: Floats, mesh: PlateMesh, nominal_stress_MPa: float, *, hot_spot_fraction: float = 0.9
) -> Plate:
    """Solve the plate under a gross tensile stress along x.

    Parameters
    ----------
    stiffness_GPa : ndarray, shape (6, 6) or (elements, 6, 6)
        Voigt order xx, yy, zz, yz, xz, xy, engineering shear; of the whole plate, or of each element. Stresses at the
        nodes are read off smoothly, so that neighbours should not differ by much.
    mesh : PlateMesh
        From `plate_mesh`.
    nominal_stress_MPa : float
        Force over the gross section.
    hot_spot_fraction : float
        The hot spot is where the von Mises stress reaches this fraction of its maximum.

    Returns
    -------
    Plate

    Raises
    ------
    StudyError
        For a bad stiffness, load or fraction.
    Unstable
        When the material is.
    NotConverged
        When the linear system could not be solved.
    """
    if not (np.isfinite(nominal_stress_MPa) and nominal_stress_MPa > 0 and 0 < hot_spot_fraction < 1):
        raise StudyError(
            f"plate: nominal_stress_MPa = {nominal_stress_MPa:g}, hot_spot_fraction = {hot_spot_fraction:g}; "
            "the first must be > 0, the second between 0 and 1"
        )
    whole = np.ndim(stiffness_GPa) == 2
    D = 1e3 * (plane_stress(stiffness_GPa) if whole else _of_elements(stiffness_GPa, mesh))
    tangent = in_plane(D)
    equations, unit_loads = prepared(mesh)
    loads = nominal_stress_MPa * unit_loads
    u, residual = equations.solve(stiffness_blocks(equations.of, tangent), loads)
    strain = strains(equations.of, u)
    stress = stress_of(strain, tangent)
    hole = mesh.edges["hole"]
    at_hole = D if whole else D[owners(mesh, hole), 0]
    edge = edge_stress(mesh, hole, u, np.asarray(np.linalg.inv(at_hole), dtype=np.float64))
    nodal = nodal_stress(mesh, u, D, edge, hole)
    angle, at_edge = peak(edge.angle_rad, np.abs(edge.hoop_MPa))
    highest = max(at_edge, float(von_mises(plane_voigt(stress)).max()))
    mean_strain = _mean_strain(equations.of, mesh, u)
    energy, balance = _balance(equations.of, mesh, loads, u, stress, strain, mean_strain, nominal_stress_MPa, residual)
    hot_mm3 = hot_spot_volume(mesh, nodal, hot_spot_fraction * highest)
    return Plate(
        displacement_mm=u,
        stress_MPa=plane_voigt(stress),
        nodal_stress_MPa=nodal,
        edge=edge,
        nominal_stress_MPa=float(nominal_stress_MPa),
        stress_concentration=peak(edge.angle_rad, edge.hoop_MPa)[1] / nominal_stress_MPa,
        von_mises_concentration=highest / nominal_stress_MPa,
        peak_angle_rad=angle,
        elongation_mm=float(mean_strain[0] * mesh.length_mm),
        hot_spot_volume_mm3=hot_mm3,
        hot_spot_area_mm2=hot_mm3 / mesh.thickness_mm,
        strain_energy_mJ=energy,
        balance=balance,
    )


def _of_elements(stiffness_GPa: Floats, mesh: PlateMesh) -> Floats:
    """Return the plane-stress stiffness of every element in GPa, (elements, 1, 3, 3)."""
    if np.shape(stiffness_GPa)[0] != len(mesh.elements):
        raise StudyError(
            f"plate: {np.shape(stiffness_GPa)[0]} stiffnesses, {len(mesh.elements)} elements; give one for each element"
        )
    return plane_stress_each(stiffness_GPa)[:, None]


@lru_cache(maxsize=16)
def prepared(mesh: PlateMesh) -> tuple[System, Floats]:
    """Return the equations and the loads of a unit pull; held: the middle of both ends against rigid motion."""
    of = discretise(mesh, "plane_stress")
    left, right = (mesh.nearest(sign * mesh.length_mm / 2, 0.0) for sign in (-1, 1))
    pull = np.array([1.0, 0.0])
    loads = sum(traction_loads(of, mesh.edges[name], lambda _, normal: normal * pull) for name in ("left", "right"))
    return system(of, np.array([2 * left, 2 * left + 1, 2 * right + 1])), np.asarray(loads)


def _mean_strain(of: Discretisation, mesh: PlateMesh, u: Floats) -> Floats:
    """Return the mean strain (Mandel) of the plate, hole included, from the outer boundary: (1/A) oint u n ds."""
    edges = np.concatenate([mesh.edges[name] for name in ("left", "right", "bottom", "top")])
    value, _, normal, area = boundary_points(of, edges, 3)
    G = np.einsum("qn,enx,eqy,eq->xy", value, u[edges], normal, area) / (
        mesh.length_mm * mesh.width_mm * mesh.thickness_mm
    )
    strain = np.zeros(6)
    strain[IN_PLANE] = G[0, 0], G[1, 1], (G[0, 1] + G[1, 0]) / np.sqrt(2)
    return strain


def _balance(
    of: Discretisation,
    mesh: PlateMesh,
    loads: Floats,
    u: Floats,
    stress: Floats,
    strain: Floats,
    mean_strain: Floats,
    nominal_MPa: float,
    residual: float,
) -> tuple[float, Balance]:
    """Return the strain energy and the proofs, all from the stresses at the quadrature points."""
    weighted = stress * of.volume_mm3[..., None]
    internal = forces(of, stress)
    twice = float((weighted * strain).sum())
    mean = weighted.sum(axis=(0, 1)) / (mesh.length_mm * mesh.width_mm * mesh.thickness_mm)
    macro = float(mean @ mean_strain) * mesh.length_mm * mesh.width_mm * mesh.thickness_mm
    applied = np.array([nominal_MPa, 0.0, 0.0, 0.0, 0.0, 0.0])
    balance = Balance(
        residual=residual,
        nodal=float(np.abs(internal - loads).max() / np.abs(loads).max()),
        work=abs(float((loads * u).sum()) - twice) / twice,
        hill_mandel=abs(twice - macro) / twice,
        mean_stress=float(np.abs(mean - applied).max() / nominal_MPa),
    )
    return twice / 2, balance
