"""What one point of the plate carries, as a stress of six components: the load that a block of grains there is given.

The hot spot is where the von Mises stress is highest. On the edge of the hole only the stress along the edge is left
(see `recovery`), so that its tensor is known from one number and one direction; elsewhere the stress is that of the
nearest integration point, where it is most accurate. Plane stress: components out of the plane vanish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.materials.elastic import IN_PLANE
from uqmsm.physics.fe.mesh import owners
from uqmsm.physics.fe.plate import Plate, PlateMesh
from uqmsm.physics.fe.recovery import peak, von_mises

__all__ = ["Carried", "hot_spot", "point", "strain_of_stress"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Carried:
    """What a point carries.

    Attributes
    ----------
    stress_MPa : ndarray, shape (6,)
        Voigt xx, yy, zz, yz, xz, xy.
    element : int
        The element that it lies in.
    """

    stress_MPa: Floats
    element: int


def hot_spot(field: Plate, mesh: PlateMesh) -> Carried:
    """Return what the point carries where the von Mises stress of the plate is highest."""
    angle, height = peak(field.edge.angle_rad, np.abs(field.edge.hoop_MPa))
    inside = von_mises(field.stress_MPa)
    if inside.max() > height:
        return _at(field, int(np.argmax(inside)))
    sign = np.sign(field.edge.hoop_MPa[int(np.argmax(np.abs(field.edge.hoop_MPa)))])
    along_x, along_y = -np.sin(angle), np.cos(angle)
    stress = _whole(sign * height * np.array([along_x**2, along_y**2, along_x * along_y]))
    hole = mesh.edges["hole"]
    middles = mesh.nodes_mm[hole[:, :2]].mean(axis=1)
    nearest = int(np.argmax(middles @ np.array([np.cos(angle), np.sin(angle)])))
    return Carried(stress, int(owners(mesh, hole)[nearest]))


def point(field: Plate, mesh: PlateMesh, point_mm: tuple[float, float]) -> Carried:
    """Return what the integration point carries that is nearest to ``(x, y)``, measured from the middle of the hole.

    Raises
    ------
    StudyError
        When the point lies in the hole or beside the plate.
    """
    x, y = point_mm
    if np.hypot(x, y) < mesh.radius_mm or 2 * abs(x) > mesh.length_mm or 2 * abs(y) > mesh.width_mm:
        raise StudyError(
            f"point ({x:g}, {y:g}) mm is not in a plate of {mesh.length_mm:g} x {mesh.width_mm:g} mm with a hole of "
            f"radius {mesh.radius_mm:g} mm in its middle; choose one that is, or the hot spot"
        )
    places = discretise(mesh, "plane_stress").positions_mm.reshape(-1, 2)
    return _at(field, int(np.argmin(((places - np.array(point_mm)) ** 2).sum(axis=1))))


def strain_of_stress(stress_MPa: Floats, stiffness_GPa: Floats) -> Floats:
    """Return the strain ``(6,)``, engineering shear, that a stress makes in the material there."""
    return np.asarray(np.linalg.solve(1e3 * stiffness_GPa, stress_MPa))


def _at(field: Plate, number: int) -> Carried:
    stress = field.stress_MPa
    return Carried(_whole(stress.reshape(-1, 3)[number]), number // stress.shape[1])


def _whole(in_plane_MPa: Floats) -> Floats:
    stress = np.zeros(6)
    stress[IN_PLANE] = in_plane_MPa
    return stress
