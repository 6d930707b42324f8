"""A disc with blades that turns, in space: stresses of one sector that repeats, by finite elements.

The disc's own inertia pulls at its volume, the blades at its rim, each in the middle of its sector: from nothing
between two blades to twice the mean. All stresses grow with the square of the speed, and are given at one radian per
second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from uqmsm.errors import StudyError
from uqmsm.physics.fe.assemble import stiffness_blocks, strains
from uqmsm.physics.fe.at_nodes import at_nodes
from uqmsm.physics.fe.discretise import Discretisation, discretise
from uqmsm.physics.fe.linear import Method, System, held_dofs, system
from uqmsm.physics.fe.loads import body_loads, traction_loads
from uqmsm.physics.fe.materials.von_mises import equivalent_MPa
from uqmsm.physics.fe.meshes.sector import SectorShape, sector_mesh
from uqmsm.physics.fe.ties import cyclic
from uqmsm.physics.tensors import isotropic_stiffness, voigt_to_mandel

__all__ = ["Pull", "Turned", "TurningSector", "turning_sector"]

Floats = NDArray[np.float64]
Pull = Literal["even", "blades"]


@dataclass(frozen=True, eq=False)
class TurningSector:
    """Mesh, supports and loads of one sector; made by `turning_sector`.

    Attributes
    ----------
    equations : System
        The cut faces move alike, the plane of symmetry stays plane.
    own_N, rim_N : ndarray, shape (nodes, 3)
        Loads at 1 rad/s: of the disc for a density of 1 kg/m^3, of the blades for 1 kg/m^2 of the rim.
    counts : tuple of int
        Cells from bore to rim, round the sector and through half the thickness.
    mean_own, mean_rim : float
        Mean hoop stress of the section in MPa under these loads: what bursts a disc that flows everywhere.
    """

    equations: System = field(repr=False)
    own_N: Floats = field(repr=False)
    rim_N: Floats = field(repr=False)
    counts: tuple[int, int, int]
    mean_own: float
    mean_rim: float

    @property
    def of(self) -> Discretisation:
        """Mesh and quadrature."""
        return self.equations.of

    def turned(self, bulk_GPa: float, shear_GPa: float, density_kg_m3: float, rim_mass_kg_m2: float) -> Turned:
        """Solve at one radian per second.

        Parameters
        ----------
        bulk_GPa, shear_GPa : float
            Of a solid without directions.
        density_kg_m3, rim_mass_kg_m2 : float
            Of the disc; of the blades for the area of the rim, at its radius.

        Raises
        ------
        NotConverged
            When the linear system could not be solved.
        """
        stiffness = 1e3 * voigt_to_mandel(isotropic_stiffness(bulk_GPa, shear_GPa))
        loads = density_kg_m3 * self.own_N + rim_mass_kg_m2 * self.rim_N
        moved, _ = self.equations.solve(stiffness_blocks(self.of, stiffness), loads)
        mean = density_kg_m3 * self.mean_own + rim_mass_kg_m2 * self.mean_rim
        return Turned(self, moved, strains(self.of, moved) @ stiffness, mean)


@dataclass(frozen=True, eq=False)
class Turned:
    """A solution at one radian per second.

    Attributes
    ----------
    sector : TurningSector
    displacement_mm : ndarray, shape (nodes, 3)
    stress_MPa : ndarray, shape (elements, points, 6)
        Mandel, along x, y, z.
    mean_hoop_MPa : float
        Mean hoop stress of the section, from the balance of half a disc.
    """

    sector: TurningSector
    displacement_mm: Floats = field(repr=False)
    stress_MPa: Floats = field(repr=False)
    mean_hoop_MPa: float

    @cached_property
    def nodal_MPa(self) -> Floats:
        """Stress at the nodes, shape (nodes, 6), Mandel, along radius, hoop and axis: carried there in these axes."""
        turned = _along_radius(self.stress_MPa, self.sector.of.positions_mm)
        return at_nodes(self.sector.of, turned, _round)

    def hoop_MPa(self) -> Floats:
        """Return the hoop stress at the nodes, shape (nodes,)."""
        return np.asarray(self.nodal_MPa[:, 1])

    def mises_MPa(self) -> Floats:
        """Return von Mises' stress at the nodes, shape (nodes,)."""
        return equivalent_MPa(self.nodal_MPa)

    def mises_at(self, radius_mm: Floats, angle_rad: Floats, height_mm: Floats) -> Floats:
        """Return von Mises' stress at places of the whole disc.

        Parameters
        ----------
        radius_mm, angle_rad, height_mm : ndarray
            Of one shape; the height is that over the plane of symmetry, whatever its sign. Places beyond a surface by
            rounding are on it.
        """
        lines, grid = self._corners()
        pitch = lines[1][-1]
        thick = np.interp(radius_mm, lines[0], lines[3])
        read = RegularGridInterpolator(lines[:3], grid)
        at = np.stack(
            [
                np.clip(radius_mm, lines[0][0], lines[0][-1]),
                np.clip(np.mod(angle_rad, pitch), 0.0, pitch),
                np.clip(np.abs(height_mm) / thick, 0.0, 1.0),
            ],
            axis=-1,
        )
        return np.asarray(read(at))

    def _corners(self) -> tuple[tuple[Floats, Floats, Floats, Floats], Floats]:
        """Return the lines of the grid of corners: radii, angles, shares and half thicknesses; and their stress."""
        mesh = self.sector.of.mesh
        n = self.sector.counts
        corners = np.unique(mesh.elements[:, :8])  # nodes are numbered along the grid, the third axis first
        shape = tuple(k + 1 for k in n)
        place = mesh.nodes_mm[corners].reshape(*shape, 3)
        radius, angle, half = _round(place)[:, 0, 0, 0], _round(place)[0, :, 0, 1], place[:, 0, -1, 2]
        return (radius, angle, np.linspace(0.0, 1.0, shape[2]), half), self.mises_MPa()[corners].reshape(shape)


def _round(positions_mm: Floats) -> Floats:
    """Return radius, angle from 0 to 2 pi, and height of places (..., 3)."""
    x, y, z = np.moveaxis(positions_mm, -1, 0)
    angle = np.arctan2(y, x)
    return np.stack([np.hypot(x, y), np.where(angle < -1e-9, angle + 2 * np.pi, np.maximum(angle, 0.0)), z], axis=-1)


def _along_radius(stress_MPa: Floats, positions_mm: Floats) -> Floats:
    """Return stresses (..., 6), Mandel, along radius, hoop and axis of their places (..., 3)."""
    c, s = np.moveaxis(positions_mm[..., :2] / np.hypot(positions_mm[..., :1], positions_mm[..., 1:2]), -1, 0)
    xx, yy, zz, yz, xz, xy = np.moveaxis(stress_MPa, -1, 0)
    root = np.sqrt(2.0)
    return np.stack(
        [
            c * c * xx + s * s * yy + root * c * s * xy,
            s * s * xx + c * c * yy - root * c * s * xy,
            zz,
            c * yz - s * xz,
            s * yz + c * xz,
            root * c * s * (yy - xx) + (c * c - s * s) * xy,
        ],
        axis=-1,
    )


@lru_cache(maxsize=8)
def turning_sector(
    shape: SectorShape,
    kind: str = "hex20",
    *,
    pull: Pull = "blades",
    method: Method | None = None,
) -> TurningSector:
    """Prepare a sector; the same arguments return the same object.

    Parameters
    ----------
    shape : SectorShape
        Of two sectors at least.
    kind : str
        ``hex8`` with mean dilatation, ``hex20`` with reduced integration, or ``hex27``.
    pull : str
        Whether the blades pull evenly round the rim, or each in the middle of its sector.
    method : str
        See `uqmsm.physics.fe.linear.system`.

    Raises
    ------
    StudyError
        When the pieces do not fit.
    """
    if shape.sectors < 2 or not kind.startswith("hex"):
        raise StudyError(f"turning_sector: {shape.sectors} sectors of {kind}; give two or more, of hexahedra")
    mesh = sector_mesh(shape, kind)
    of = discretise(mesh, "solid", level=0 if kind == "hex27" else 2, mean_dilatation=kind == "hex8")
    pitch = 2 * np.pi / shape.sectors
    ties = cyclic(of, mesh.on("start"), mesh.on("end"), pitch)
    middle = np.setdiff1d(mesh.on("middle"), mesh.on("end"))
    turn = 3 * mesh.nearest(shape.radii_mm[0], 0.0, 0.0) + 1  # one dof against turning as a whole
    equations = system(of, np.append(held_dofs(of, middle, 2), turn), method=method, ties=ties)
    outward = of.positions_mm * [1.0, 1.0, 0.0]
    # kg/m^3 (rad/s)^2 mm is 1e-12 N/mm^3; kg/m^2 (rad/s)^2 mm is 1e-9 MPa
    own = body_loads(of, 1e-12 * outward)

    def rim(x: Floats, _: Floats) -> Floats:
        angle = np.arctan2(x[..., 1], x[..., 0])
        share = np.ones_like(angle) if pull == "even" else 1.0 - np.cos(2 * np.pi * angle / pitch)
        return np.asarray(1e-9 * share[..., None] * x * [1.0, 1.0, 0.0])

    blades = traction_loads(of, mesh.edges["rim"], rim)
    radial = len(mesh.elements) // (shape.counts[1] * shape.counts[2])
    area = 0.5 * float(np.trapezoid(shape.thickness_mm, shape.radii_mm))
    means = [_mean_hoop(of, load, pitch, area) for load in (own, blades)]
    return TurningSector(equations, own, blades, (radial, shape.counts[1], shape.counts[2]), means[0], means[1])


def _mean_hoop(of: Discretisation, loads: Floats, pitch: float, area_mm2: float) -> float:
    """Return the mean hoop stress of half the section: radial loads over 2 pi tear a ring of sectors apart."""
    x = of.mesh.nodes_mm
    radial = float((loads[:, :2] * x[:, :2]).sum(axis=1) @ (1.0 / np.hypot(x[:, 0], x[:, 1])))
    return radial / pitch / area_mm2
