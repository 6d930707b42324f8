"""The largest load before a component parts, its crack a phase field: an even bar, or a cracked compact specimen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.fracture import Brittle, Crack, crack, strength_MPa
from uqmsm.physics.fe.linear import System, held_dofs, system
from uqmsm.physics.fe.meshes.compact import PIN, compact_tension_mesh, stress_intensity_factor
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.square import notched_square_mesh
from uqmsm.physics.fe.newton import Load

__all__ = [
    "Parted",
    "Specimen",
    "compact_compliance_mm_per_N",
    "compact_specimen",
    "even_bar",
    "even_bar_strength_MPa",
    "griffith_load_N",
    "notched_square",
    "part",
]

Floats = NDArray[np.float64]
_PAST = 0.9  # of the highest load so far: the peak is behind
_LINEAR = (
    1e-6  # of a linear solve: broken points let pieces move far for little force; the balance itself is asked more
)


@dataclass(frozen=True, eq=False)
class Specimen:
    """A component of unit thickness, in plane strain, with one way to load it.

    Attributes
    ----------
    equations : System
    push_mm : ndarray, shape (nodes, 2)
    pulled : ndarray of int
        Nodes and axis of `push_mm`: dofs whose reactions are the load.
    weak : ndarray of bool, shape (elements,)
        Which may break: a pin would tear out its node.
    begun_mm : float
        Where a crack ends that is there from the start, along x; none if negative.
    size_mm : float
        Along which a displacement strains it.
    """

    equations: System = field(repr=False)
    push_mm: Floats = field(repr=False)
    pulled: NDArray[np.int64] = field(repr=False)
    weak: NDArray[np.bool_] = field(repr=False)
    begun_mm: float
    size_mm: float

    def parting(self, brittle: Brittle) -> Brittle:
        """Return the solid with its toughness where the specimen may break, and a million times as much elsewhere."""
        tough = np.where(self.weak, 1.0, 1e6)[:, None] * brittle.toughness_N_per_mm
        return replace(brittle, toughness_N_per_mm=tough)

    def begun(self, length_mm: float) -> Floats:
        """Return the damage (nodes,) of the crack that is there from the start, its last `length_mm` at least."""
        mesh = self.equations.of.mesh
        damage = np.zeros(len(mesh.nodes_mm))
        if self.begun_mm >= 0.0:
            faces = mesh.on("crack")
            damage[faces[mesh.nodes_mm[faces, 0] > self.begun_mm - length_mm]] = 1.0
        return damage


@dataclass(frozen=True)
class Parted:
    """What was found.

    Attributes
    ----------
    peak_N : float
        Per mm of thickness: the highest load, by a parabola through the three highest.
    displacement_mm, load_N : ndarray, shape (loads,)
    last : Crack
    """

    peak_N: float
    displacement_mm: Floats
    load_N: Floats
    last: Crack = field(repr=False)


def part(specimen: Specimen, brittle: Brittle, steps_mm: Floats, *, tolerance: float = 1e-3) -> Parted:
    """Move a specimen until its load has fallen a tenth below its peak.

    Parameters
    ----------
    specimen : Specimen
    brittle : Brittle
        With one toughness.
    steps_mm : ndarray, shape (loads,)
        Displacements.
    tolerance : float
        Largest change of the damage in the last turn of a load.

    Raises
    ------
    MemberFailed
        When the load has not fallen at the last displacement, or turns do not end.
    """
    solid, damage = specimen.parting(brittle), specimen.begun(brittle.length_mm)
    moved, loads = [], []
    for displacement in steps_mm:
        load = Load(displacement_mm=float(displacement) * specimen.push_mm)
        one = crack(specimen.equations, solid, [load], damage=damage, tolerance=tolerance)[0]
        damage = one.damage
        moved.append(float(displacement))
        loads.append(float(one.step.reaction_N.ravel()[specimen.pulled].sum()))
        if loads[-1] < _PAST * max(loads):
            return Parted(_peak(np.array(moved), np.array(loads)), np.array(moved), np.array(loads), one)
    raise MemberFailed(
        f"part: at {moved[-1]:g} mm the load of {loads[-1]:.4g} N has not fallen below its peak; go on to a larger "
        "displacement"
    )


def _peak(moved: Floats, load: Floats) -> float:
    """Return the top of the parabola through the highest load and its neighbours; at least the highest load.

    Beyond a peak at which the crack jumps a parabola means nothing: it is taken only where the next load is near.
    """
    top = int(np.argmax(load))
    if not 0 < top < len(load) - 1 or load[top + 1] < _PAST * load[top]:
        return float(load[top])
    a, b, c = np.polyfit(moved[top - 1 : top + 2], load[top - 1 : top + 2], 2)
    return float(max(c - b * b / (4.0 * a), load[top])) if a < 0.0 else float(load[top])


@lru_cache(maxsize=4)
def even_bar(length_mm: float) -> Specimen:
    """Return a bar too short to part: its damage stays even, and its peak is the strength in closed form.

    Its ends are moved along x and free along y; its section is half as high as it is long.
    """
    mesh = grid_mesh((2, 1), "quad4", lambda x: x * [length_mm, length_mm / 2.0])
    of = discretise(mesh, "plane_strain")
    ends = np.union1d(mesh.on("left"), mesh.on("right"))
    held = np.concatenate([held_dofs(of, ends, 0), held_dofs(of, mesh.on("bottom"), 1)])
    push = np.zeros_like(mesh.nodes_mm)
    push[mesh.on("right"), 0] = 1.0
    return Specimen(
        system(of, held, tolerance=_LINEAR),
        push,
        held_dofs(of, mesh.on("right"), 0),
        np.ones(2, np.bool_),
        -1.0,
        length_mm,
    )


@lru_cache(maxsize=4)
def compact_specimen(width_mm: float, crack_mm: float, refinement: int) -> Specimen:
    """Return the upper half of a compact specimen (ASTM E399), opened at its pin; displacements are those of the half.

    Raises
    ------
    StudyError
        When the crack does not fit.
    """
    mesh = compact_tension_mesh(width_mm, crack_mm, refinement, "quad4")
    of = discretise(mesh, "plane_strain")
    pin = mesh.nearest(0.0, PIN * width_mm)
    held = np.append(held_dofs(of, mesh.on("ligament"), 1), [2 * mesh.nearest(width_mm, 0.0), 2 * pin + 1])
    centre = of.positions_mm.mean(axis=1)
    weak = (np.abs(centre[:, 1]) < 0.1 * width_mm) & (centre[:, 0] > 0.8 * crack_mm)
    push = np.zeros_like(mesh.nodes_mm)
    push[pin, 1] = 1.0
    pulled = np.array([2 * pin + 1])
    return Specimen(system(of, held, tolerance=_LINEAR), push, pulled, weak, crack_mm, width_mm)


@lru_cache(maxsize=4)
def notched_square(side_mm: float, notch_mm: float, finest_mm: float, band_mm: float) -> Specimen:
    """Return the upper half of a notched square, its top moved along y and held along x; displacements of the half.

    The crack of the benchmark of C. Miehe, M. Hofacker and F. Welschinger (Comput. Methods Appl. Mech. Eng. 199, 2765
    (2010)) grows along the plane of symmetry, and its notch is a slit, so that half of it is the whole.

    Raises
    ------
    StudyError
        When the notch or the fine band does not fit.
    """
    mesh = notched_square_mesh(side_mm, notch_mm, finest_mm, band_mm)
    of = discretise(mesh, "plane_strain")
    top = mesh.on("top")
    held = np.concatenate([held_dofs(of, mesh.on("ligament"), 1), held_dofs(of, top, 0, 1)])
    push = np.zeros_like(mesh.nodes_mm)
    push[top, 1] = 1.0
    weak = np.ones(len(mesh.elements), np.bool_)
    return Specimen(system(of, held, tolerance=_LINEAR), push, held_dofs(of, top, 1), weak, -1.0, side_mm)


def griffith_load_N(
    young_GPa: float, poisson: float, toughness_N_per_mm: float, width_mm: float, crack_mm: float
) -> float:
    """Return the force per mm of thickness at which the sharp crack of a compact specimen grows: ``K^2 = E' Gc``."""
    critical = np.sqrt(1e3 * young_GPa / (1.0 - poisson**2) * toughness_N_per_mm)
    return float(critical / stress_intensity_factor(1.0, 1.0, width_mm, crack_mm))


def compact_compliance_mm_per_N(specimen: Specimen, brittle: Brittle) -> float:
    """Return the displacement of the pin of one half per force and thickness, before the crack grows."""
    small = 1e-6 * specimen.size_mm
    tough = replace(brittle, toughness_N_per_mm=1e6 * np.max(brittle.toughness_N_per_mm))
    load = Load(displacement_mm=small * specimen.push_mm)
    first = crack(specimen.equations, tough, [load], damage=specimen.begun(brittle.length_mm))[0]
    return small / float(first.step.reaction_N.ravel()[specimen.pulled].sum())


def even_bar_strength_MPa(brittle: Brittle) -> float:
    """Return the closed form for the even bar in plane strain: that of a bar in one dimension with the plane modulus.

    Raises
    ------
    StudyError
        When damage spares the volume change: then the bar is not one-dimensional.
    """
    if brittle.driven_by != "all":
        raise StudyError("even_bar_strength: a closed form holds where all energy drives the damage; write all")
    bulk, shear = brittle.bulk_GPa, brittle.shear_GPa
    plane = 4.0 * shear * (3.0 * bulk + shear) / (3.0 * bulk + 4.0 * shear)
    return strength_MPa(plane, float(np.max(brittle.toughness_N_per_mm)), brittle.length_mm, brittle.model)
