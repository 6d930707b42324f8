"""Reads stresses where they matter: on the free edge of the hole, at the nodes, and in the hot spot.

On a traction-free edge only the stress along the edge is left, so it follows from the stretch of the edge
itself: sigma_tt = eps_tt / S_tt, with S_tt the compliance along the tangent. The stretch comes from the edge's
displacements, which are more accurate than any stress inside the elements. At other nodes the stresses
are those of `patches`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.elements import element, shape
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.patches import patch_stress

__all__ = ["EdgeStress", "edge_stress", "hot_spot_volume", "nodal_stress", "peak", "von_mises"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SUBDIVISIONS = 16


@dataclass(frozen=True)
class EdgeStress:
    """Stress along a closed free edge, at points of equal spacing.

    Attributes
    ----------
    angle_rad : ndarray, shape (points,)
        Polar angle about the origin, ascending from -pi/4 on.
    hoop_MPa : ndarray, shape (points,)
    node_MPa : ndarray, shape (edges, nodes of the edge, 3)
        The uniaxial state (xx, yy, xy) at the nodes of each edge.
    """

    angle_rad: Floats
    hoop_MPa: Floats
    node_MPa: Floats


def von_mises(stress_MPa: Floats) -> Floats:
    """Return the plane-stress von Mises stress of (xx, yy, xy) along the last axis."""
    x, y, s = stress_MPa[..., 0], stress_MPa[..., 1], stress_MPa[..., 2]
    return np.asarray(np.sqrt(x * x - x * y + y * y + 3 * s * s))


def edge_stress(mesh: Mesh, edges: Ints, displacement_mm: Floats, compliance_per_MPa: Floats) -> EdgeStress:
    """Recover the stress along a closed traction-free edge from its stretch.

    Parameters
    ----------
    mesh : Mesh
    edges : ndarray of int, shape (edges, 2 or 3)
        Run through clockwise seen from inside the hole, sorted by the angle of their start.
    displacement_mm : ndarray, shape (nodes, 2)
    compliance_per_MPa : ndarray, shape (3, 3) or (edges, 3, 3)
        Plane stress, engineering shear; of the whole plate, or of the element behind each edge.

    Returns
    -------
    EdgeStress
        At all nodes for order 2, at the middles of the edges for order 1 (where each is most accurate).
    """
    at = np.array([[-1.0], [1.0], [0.0]]) if mesh.order == 2 else np.array([[0.0]])
    value, slope = shape(element(mesh.kind).facet, at)
    position = np.einsum("qn,enx->eqx", value, mesh.nodes_mm[edges])
    tangent = np.einsum("qn,enx->eqx", slope[:, 0], mesh.nodes_mm[edges])
    stretch = np.einsum("qn,enx->eqx", slope[:, 0], displacement_mm[edges])
    squared = (tangent * tangent).sum(axis=-1)
    strain = (tangent * stretch).sum(axis=-1) / squared
    along = _dyad(tangent / np.sqrt(squared)[..., None])
    of = "ij" if np.ndim(compliance_per_MPa) == 2 else "eij"
    hoop = strain / np.einsum(f"eqi,{of},eqj->eq", along, compliance_per_MPa, along)
    if mesh.order == 1:
        middle = hoop[:, 0]
        start = (middle + np.roll(middle, -1)) / 2  # an edge starts where its clockwise follower-to-be ended
        end = (middle + np.roll(middle, 1)) / 2
        nodes = np.stack([start, end], axis=-1)
        return EdgeStress(_angle(position[:, 0]), middle, _uniaxial(mesh, edges, nodes))
    start = (hoop[:, 0] + np.roll(hoop[:, 1], -1)) / 2
    nodes = np.stack([start, np.roll(start, 1), hoop[:, 2]], axis=-1)
    angle = np.concatenate([_angle(position[:, 0]), _angle(position[:, 2])])
    order = np.argsort(angle)
    return EdgeStress(angle[order], np.concatenate([start, hoop[:, 2]])[order], _uniaxial(mesh, edges, nodes))


def peak(angle_rad: Floats, value: Floats) -> tuple[float, float]:
    """Return the angle and height of the highest point of a periodic, equally spaced curve.

    A parabola through the highest sample and its two neighbours finds what lies between samples.
    """
    k = int(np.argmax(value))
    left, top, right = value[k - 1], value[k], value[(k + 1) % len(value)]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    step = 2 * np.pi / len(value)
    return float(angle_rad[k] + shift * step), float(top - 0.25 * (left - right) * shift)


def nodal_stress(mesh: Mesh, displacement_mm: Floats, stiffness_MPa: Floats, edge: EdgeStress, edges: Ints) -> Floats:
    """Return stresses (xx, yy, xy) at the nodes in MPa, shape (nodes, 3); on the free edge those of `edge`."""
    stress = patch_stress(mesh, displacement_mm, stiffness_MPa)
    stress[edges] = edge.node_MPa
    return stress


def hot_spot_volume(mesh: Mesh, nodal_MPa: Floats, threshold_MPa: float) -> float:
    """Return the volume in mm^3 where the von Mises stress, interpolated from the nodes, reaches a threshold.

    Elements that may take part are cut into 16 x 16 pieces; a piece that the border crosses counts with the
    part above it, the stress taken as linear there, so that the volume changes smoothly with the material.
    """
    near = von_mises(nodal_MPa)[mesh.elements].max(axis=1) >= 0.8 * threshold_MPa
    picked = mesh.elements[near]
    lines = np.linspace(-1, 1, SUBDIVISIONS + 1)
    value, _ = shape(mesh.kind, _lattice(lines))
    high = von_mises(np.einsum("qn,ens->eqs", value, nodal_MPa[picked])).reshape(-1, len(lines), len(lines))
    a, b, c, d = high[:, :-1, :-1], high[:, 1:, :-1], high[:, :-1, 1:], high[:, 1:, 1:]
    span = np.maximum(np.abs(b + d - a - c), np.abs(c + d - a - b)) / 2
    share = np.clip(0.5 + ((a + b + c + d) / 4 - threshold_MPa) / np.maximum(span, 1e-12 * threshold_MPa), 0, 1)
    _, gradient = shape(mesh.kind, _lattice((lines[:-1] + lines[1:]) / 2))
    jacobian = np.linalg.det(np.einsum("qrn,enx->eqrx", gradient, mesh.nodes_mm[picked]))
    return float((jacobian * share.reshape(jacobian.shape)).sum() * (2 / SUBDIVISIONS) ** 2 * mesh.thickness_mm)


def _lattice(lines: Floats) -> Floats:
    """Return all pairs of the given coordinates, the first one slowest."""
    return np.stack(np.meshgrid(lines, lines, indexing="ij"), axis=-1).reshape(-1, 2)


def _dyad(tangent: Floats) -> Floats:
    """Return (tx tx, ty ty, tx ty)."""
    return np.stack([tangent[..., 0] ** 2, tangent[..., 1] ** 2, tangent[..., 0] * tangent[..., 1]], axis=-1)


def _angle(position: Floats) -> Floats:
    """Return polar angles from -pi/4 to 7 pi/4, where the edges of the hole start."""
    raw = np.arctan2(position[..., 1], position[..., 0])
    return np.asarray(np.mod(raw + np.pi / 4 + 1e-9, 2 * np.pi) - np.pi / 4 - 1e-9)


def _uniaxial(mesh: Mesh, edges: Ints, hoop_MPa: Floats) -> Floats:
    """Return the uniaxial state along the tangent at the nodes of each edge of a circle about the origin."""
    position = mesh.nodes_mm[edges]
    radial = position / np.hypot(position[..., 0], position[..., 1])[..., None]
    tangent = np.stack([-radial[..., 1], radial[..., 0]], axis=-1)
    return hoop_MPa[..., None] * _dyad(tangent)
