"""Cracks as a phase field: strengths in closed form, the energy of a crack, what heals and what closes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.diffusion import above, at_points, gradient_at_points, spreading
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.fracture import Brittle, crack, strength_MPa
from uqmsm.physics.fe.growth import grow
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.materials.damaged import Damaged
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.newton import Load
from uqmsm.physics.fe.parting import (
    compact_compliance_mm_per_N,
    compact_specimen,
    griffith_load_N,
    notched_square,
    part,
)

E, GC, LENGTH = 200.0, 2.7, 0.1  # GPa, N/mm, mm; Poisson's ratio is zero, so that a bar is one-dimensional


def brittle(model, **more):
    return Brittle(E / 3, E / 2, more.pop("toughness", GC), LENGTH, model, **more)


def pulled(cells, size, kinematics="plane_strain"):
    """Make a bar held at its left and moved at its right end, free to neck but for its rigid motion."""
    mesh = grid_mesh((cells, 1), "quad4", lambda x: x * [size, size / cells])
    of = discretise(mesh, kinematics)
    ends = np.union1d(mesh.on("left"), mesh.on("right"))
    held = np.concatenate([held_dofs(of, ends, 0), held_dofs(of, mesh.on("bottom"), 1)])
    return system(of, held), np.stack([mesh.nodes_mm[:, 0] > size / 2, np.zeros(len(mesh.nodes_mm))], axis=1)


def stress(equations, found):
    mesh = equations.of.mesh
    height = np.ptp(mesh.nodes_mm[:, 1])
    return np.array([one.step.reaction_N[mesh.on("right"), 0].sum() / height for one in found])


@pytest.mark.parametrize("model", ["AT1", "AT2"])
@pytest.mark.parametrize("kinematics", ["plane_strain", "plane_stress"])
def test_an_even_bar_has_the_strength_of_the_closed_form(model, kinematics):
    """Damage of a short bar stays even; its whole curve is known, and its highest point is the strength."""
    equations, move = pulled(2, LENGTH / 2, kinematics)
    strains = np.linspace(0.2, 2.0, 37) * np.sqrt(GC / (1e3 * E * LENGTH))
    law = brittle(model, rest=1e-10)
    found = crack(equations, law, [Load(displacement_mm=e * LENGTH / 2 * move) for e in strains], tolerance=1e-9)
    if model == "AT2":
        damage = 1e3 * E * strains**2 / (1e3 * E * strains**2 + GC / LENGTH)
    else:
        damage = np.maximum(0.0, 1 - 3 * GC / (8 * LENGTH * 1e3 * E * strains**2))
    closed = (1 - damage) ** 2 * 1e3 * E * strains
    np.testing.assert_allclose([one.damage.mean() for one in found], damage, atol=1e-6)
    np.testing.assert_allclose(stress(equations, found), closed, rtol=1e-6)
    top = strength_MPa(E, GC, LENGTH, model)
    assert np.max(closed) <= top * (1 + 1e-12)
    assert stress(equations, found).max() <= top * (1 + 1e-6)
    strain_at = np.sqrt(GC / (3e3 * E * LENGTH)) if model == "AT2" else np.sqrt(3 * GC / (8e3 * E * LENGTH))
    at = crack(equations, law, [Load(displacement_mm=strain_at * LENGTH / 2 * move)], tolerance=1e-10)
    np.testing.assert_allclose(stress(equations, at), top, rtol=1e-6)


def parted(cells):
    """Pull a bar of twelve lengths until a weak middle parts; what the crack has cost over Gc times the section."""
    size = 12 * LENGTH
    equations, move = pulled(cells, size)
    of = equations.of
    centre = of.positions_mm[..., 0].mean(axis=1, keepdims=True)
    law = brittle("AT1", toughness=np.where(np.abs(centre - size / 2) < 0.1 * LENGTH, 0.98 * GC, GC))
    top = strength_MPa(E, GC, LENGTH, "AT1")
    found = crack(
        equations, law, [Load(displacement_mm=f * top / (1e3 * E) * size * move) for f in (0.95, 1.5)], tolerance=1e-6
    )
    carried = stress(equations, found)
    np.testing.assert_allclose(carried[0], 0.95 * top, rtol=1e-6)
    assert found[0].damage.max() == 0.0
    assert abs(carried[1]) < 5e-3 * top
    assert found[1].damage.max() > 0.99
    assert found[1].elastic_mJ < 1e-2 * found[1].surface_mJ
    return found[1].surface_mJ / (GC * np.ptp(of.mesh.nodes_mm[:, 1]))


def test_a_bar_parts_and_spends_its_toughness():
    """Gc times the section; a mesh of size h adds a share of order h / l, so that two meshes tell where it goes."""
    coarse, fine = parted(120), parted(240)
    assert 1.0 < fine < coarse < 1.1
    assert abs(2 * fine - coarse - 1.0) < 0.01


def test_damage_does_not_heal():
    equations, move = pulled(2, LENGTH / 2)
    top = strength_MPa(E, GC, LENGTH, "AT2") / (1e3 * E) * 2
    path = [Load(displacement_mm=f * top * LENGTH / 2 * move) for f in (1.0, 0.5, 0.0, 0.5)]
    found = crack(equations, brittle("AT2"), path, tolerance=1e-9)
    for one in found[1:]:
        np.testing.assert_array_less(found[0].damage - 1e-12, one.damage)
    carried = stress(equations, found)
    np.testing.assert_allclose(carried[1], carried[0] / 2, rtol=1e-6)
    np.testing.assert_allclose(carried[2], 0.0, atol=1e-6)


def test_a_crack_closes_under_pressure_and_does_not_grow():
    """Equal pressure on all sides: with `opening` nothing breaks; with `all` it does, as if it were tension."""
    mesh = grid_mesh((2, 2, 2), "hex8", lambda x: x * LENGTH / 4)
    of = discretise(mesh, "solid")
    middle = 3 * mesh.nearest(LENGTH / 8, LENGTH / 8, LENGTH / 8)
    equations = system(of, np.setdiff1d(np.arange(of.size), middle))
    press = Load(displacement_mm=-0.02 * mesh.nodes_mm)
    opening = crack(equations, brittle("AT2", driven_by="opening"), [press])[-1]
    every = crack(equations, brittle("AT2", driven_by="all"), [press])[-1]
    assert opening.damage.max() < 1e-10
    assert every.damage.min() > 0.5
    pull = Load(displacement_mm=0.02 * mesh.nodes_mm)
    assert crack(equations, brittle("AT2", driven_by="opening"), [pull])[-1].damage.min() > 0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["all", "opening", "tension"]))
def test_what_drives_a_crack_and_what_does_not_share_the_energy(seed, driver):
    """Stress is the slope of the energy, the tangent that of the stress, and the two parts make the whole."""
    rng = np.random.default_rng(seed)
    strain, damage = rng.normal(size=(6, 6)) * 1e-3, rng.uniform(0.0, 0.9, 6)
    strain[:2, 3:] = 0.0
    strain[0, :3] = [1e-3, 1e-3, -2e-3]  # two principal strains alike, no change of volume
    solid, whole = (Damaged(160e3, 80e3, one, driver, 1e-6) for one in (damage, np.zeros(6)))
    answer, sound = (one.respond(strain, one.virgin(6), 1.0) for one in (solid, whole))
    kept = (1.0 - damage) ** 2 + 1e-6
    rest = sound.memory[:, 1] - (1.0 + 1e-6) * sound.memory[:, 0]
    np.testing.assert_allclose(answer.memory[:, 1], kept * answer.memory[:, 0] + rest, rtol=1e-10)
    assert np.all(rest > -1e-12)
    np.testing.assert_allclose(answer.memory[:, 1], (answer.stress * strain).sum(axis=1) / 2, rtol=1e-9)
    step = 1e-9
    for k in range(6):
        ends = [solid.respond(strain + s * step * np.eye(6)[k], answer.memory, 1.0) for s in (1, -1)]
        slope = (ends[0].memory[1:, 1] - ends[1].memory[1:, 1]) / (2 * step)
        np.testing.assert_allclose(slope, answer.stress[1:, k], atol=1e-4 * np.abs(answer.stress).max())
        bend = (ends[0].stress[1:] - ends[1].stress[1:]) / (2 * step)
        np.testing.assert_allclose(bend, answer.tangent[1:, :, k], atol=1e-4 * np.abs(answer.tangent).max())


def test_only_what_is_stretched_is_damaged():
    """Squeezed along one axis: nothing drives a crack by tension but the bulge; shear alone is half and half."""
    damage = np.full(2, 0.5)
    strain = np.array([[-1e-3, -1e-3, -1e-3, 0, 0, 0], [0, 0, 0, 0, 0, np.sqrt(2) * 1e-3]])
    squeezed, sheared = Damaged(160e3, 80e3, damage, "tension", 1e-6).respond(strain, np.zeros((2, 2)), 1.0).memory
    assert squeezed[0] == 0.0
    assert sheared[0] == pytest.approx(80e3 * 1e-6)  # of 2 * 80e3 * 1e-6 in all


@pytest.mark.slow
def test_a_notched_square_breaks_at_the_load_of_the_literature():
    """Miehe's plate, l = 0.015 mm: near 0.7 kN per mm at 5.5 to 6 um, then it snaps back; two elements along l."""
    specimen = notched_square(1.0, 0.5, 0.0075, 0.03)
    brittle = Brittle(210 / 3 / 0.4, 210 / 2 / 1.3, 2.7, 0.015, "AT2", "tension")
    energies = np.array([1.0, 2.0, 2.6, 3.2, 4.2]) * 2.7 * 0.015 / 2
    found = grow(specimen.equations, brittle, Load(displacement_mm=specimen.push_mm), energies, tolerance=2e-3)
    load = np.array([one.crack.step.reaction_N.ravel()[specimen.pulled].sum() for one in found])
    moved = np.array([2e3 * one.factor for one in found])
    top = int(np.argmax(load))
    assert 0 < top < len(load) - 1
    assert 680.0 < load[top] < 760.0
    assert 5.4 < moved[top] < 6.0
    assert moved[-1] < moved[top]


@pytest.mark.slow
def test_a_compact_specimen_peaks_alike_led_by_cost_and_by_displacement():
    """A crack that is there from the start: its highest load by energies spent is that by displacements, to 1 %."""
    specimen, brittle = compact_specimen(50.0, 25.0, 12), Brittle(160.0, 80.0, 10.0, 2.0)
    push = Load(displacement_mm=specimen.push_mm)
    sharp = griffith_load_N(205.7, 0.2857, 10.0, 50.0, 25.0)
    near = 2 * sharp * compact_compliance_mm_per_N(specimen, brittle) * np.append(0.3, np.linspace(0.44, 0.62, 10))
    energies = 20.0 * np.array([0.15, 0.2, 0.25, 0.3])
    found = grow(
        specimen.equations, specimen.parting(brittle), push, energies, damage=specimen.begun(2.0), tolerance=1e-3
    )
    load = [one.crack.step.reaction_N.ravel()[specimen.pulled].sum() for one in found]
    assert 0 < np.argmax(load) < 3
    assert max(load) == pytest.approx(part(specimen, brittle, near).peak_N, rel=0.01)


def test_a_floor_is_kept_and_its_push_has_one_sign():
    """The conditions of Karush, Kuhn and Tucker, against an obstacle in the way of a membrane."""
    mesh = grid_mesh((12, 12), "tri6")
    of = discretise(mesh, "plane_strain")
    x = of.positions_mm
    matrix, load = spreading(of, np.asarray(1.0), np.asarray(0.5), np.asarray(np.sin(5 * x[..., 0]) - x[..., 1]))
    floor = 0.1 * np.sin(6 * mesh.nodes_mm[:, 0])
    found = above(matrix, load, floor, floor)
    push = matrix @ found - load
    assert found.min() >= floor.min()
    assert np.all(found >= floor)
    assert push.min() > -1e-12
    np.testing.assert_allclose(push * (found - floor), 0.0, atol=1e-14)
    assert 0.05 < np.mean(found > floor) < 0.95


def test_scalars_and_their_gradients_at_points():
    mesh = grid_mesh((3, 2, 2), "tet10", lambda x: x * [1.0, 2.0, 3.0])
    of = discretise(mesh, "solid")
    nodal = mesh.nodes_mm @ [2.0, -1.0, 0.5] + 3.0
    np.testing.assert_allclose(at_points(of, nodal), of.positions_mm @ [2.0, -1.0, 0.5] + 3.0, rtol=1e-12)
    slope = np.broadcast_to([2.0, -1.0, 0.5], (*of.points, 3))
    np.testing.assert_allclose(gradient_at_points(of, nodal), slope, atol=1e-12)
    matrix, load = spreading(of, np.asarray(1.0), np.asarray(0.0), np.asarray(1.0))
    np.testing.assert_allclose(nodal @ matrix @ nodal, (4 + 1 + 0.25) * 6.0, rtol=1e-12)
    np.testing.assert_allclose(load.sum(), 6.0, rtol=1e-12)


def test_refusals():
    with pytest.raises(StudyError, match="positive"):
        Brittle(E, E, 0.0, LENGTH)
    equations, move = pulled(2, LENGTH / 2)
    at = strength_MPa(E, GC, LENGTH, "AT2") / (1e3 * E) * LENGTH * move
    with pytest.raises(MemberFailed, match="load 0"):
        crack(equations, brittle("AT2"), [Load(displacement_mm=at)], rounds=1, tolerance=1e-12)
