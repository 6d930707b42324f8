"""Cracks: Griffith's closed forms, the J integral, free faces, atoms that trap the tip, and tips that emit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.atomistic.crack_sites import SYSTEMS, disc
from uqmsm.physics.atomistic.cracks import specimen
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.toughness import GPA_ROOT_A_PER_MPA_ROOT_M, driven, toughness
from uqmsm.physics.potential import average_atom, published, tabulate
from uqmsm.physics.stroh import stroh
from uqmsm.physics.tensors import cubic_stiffness, isotropic_stiffness, rotate_stiffness

MPA = GPA_ROOT_A_PER_MPA_ROOT_M
TUNGSTEN = interpolate(tabulate(published(["W"]), points_r=3000, points_rho=3000))
EDGE = float(average_atom(published(["W"]).values, np.ones(1), "bcc").lattice_parameter)
STIFF = cubic_stiffness(522.5, 204.2, 160.8)  # of this potential (test_elastic)
SURFACE = 29.83  # GPa A, (100) relaxed, of this potential


def turned(c11, c12, c44, x, y, z):
    axes = np.array([x, y, z], dtype=float)
    return rotate_stiffness(cubic_stiffness(c11, c12, c44), axes / np.linalg.norm(axes, axis=1)[:, None])


def odd():
    """Return a stiffness without any symmetry: b16, b26 and b36 are not zero."""
    root = np.random.default_rng(3).normal(size=(6, 6))
    return isotropic_stiffness(160.0, 60.0) + 4.0 * root @ root.T


def made(radius=18.0):
    around = disc("(010)[101]", EDGE, radius, TUNGSTEN.cutoff)
    return specimen(TUNGSTEN, np.zeros(len(around.sites)), around, STIFF)


def test_griffith_is_that_of_the_closed_forms():
    """Values by Lekhnitskii's roots and by Stroh's vectors, and Irwin's K = sqrt(2 gamma E / (1 - nu^2))."""
    cube, octahedral = ((1, 0, 0), (0, 1, 0), (0, 0, 1)), ((1, 1, -2), (1, 1, 1), (1, -1, 0))
    assert stroh(turned(243.0, 145.0, 116.0, *cube)).griffith(17.9) / MPA == pytest.approx(0.87356, rel=1e-5)
    assert stroh(turned(118.0, 62.0, 36.7, *octahedral)).griffith(8.7) / MPA == pytest.approx(0.41340, rel=2e-5)
    young, nu = 100.0, 0.3
    isotropic = isotropic_stiffness(young / (3 * (1 - 2 * nu)), young / (2 * (1 + nu)))
    closed = np.sqrt(2 * 10.0 * young / (1 - nu**2))
    assert closed / MPA == pytest.approx(0.468807, rel=1e-6)
    assert stroh(isotropic).griffith(10.0) == pytest.approx(closed, rel=1e-5)


def strained(stiffness, k, x, y):
    """Return gradients du/dx, du/dy (n, 3) and stresses (n, 6) of a crack's field, by differences and Hooke's law."""
    solved, h = stroh(stiffness), 1e-5
    across = (solved.crack(k, x + h, y) - solved.crack(k, x - h, y)) / (2 * h)
    up = (solved.crack(k, x, y + h) - solved.crack(k, x, y - h)) / (2 * h)
    strain = np.stack([across[:, 0], up[:, 1], 0 * x, up[:, 2], across[:, 2], across[:, 1] + up[:, 0]], axis=1)
    return across, up, strain, strain @ stiffness


@pytest.mark.parametrize("k", [[0.0, 1.0, 0.0], [0.4, 1.0, -0.3]], ids=["mode I", "mixed"])
def test_the_j_integral_is_the_energy_released_on_every_path(k):
    """J. R. Rice, J. Appl. Mech. 35, 379 (1968), in a crystal without symmetry."""
    angle = -np.pi + 2 * np.pi * (np.arange(2000) + 0.5) / 2000
    found = []
    for width, height in ((10.0, 10.0), (25.0, 12.0)):
        x, y = width * np.cos(angle), height * np.sin(angle)
        across, _, strain, stress = strained(odd(), k, x, y)
        normal = np.stack([height * np.cos(angle), width * np.sin(angle)], axis=1) * (2 * np.pi / 2000)  # times ds
        traction = np.stack(
            [
                stress[:, one] * normal[:, 0] + stress[:, other] * normal[:, 1]
                for one, other in ((0, 5), (5, 1), (4, 3))
            ],
            axis=1,
        )
        density = 0.5 * (strain * stress).sum(axis=1)
        found.append(float((density * normal[:, 0] - (traction * across).sum(axis=1)).sum()))
    assert found == pytest.approx(2 * [stroh(odd()).release_rate(k)], rel=1e-4)


def test_the_faces_of_a_crack_are_free():
    x = -np.linspace(1.0, 30.0, 7)
    for side in (1e-3, -1e-3):
        *_, stress = strained(odd(), [0.4, 1.0, -0.3], x, np.full(7, side))
        assert np.abs(stress[:, [1, 3, 5]]).max() < 3e-3 * np.abs(stress).max()
    *_, ahead = strained(odd(), [0.4, 1.0, -0.3], -x, np.zeros(7))
    held = ahead[:, [5, 1, 3]] * np.sqrt(2 * np.pi * -x)[:, None]
    assert held == pytest.approx(np.tile([0.4, 1.0, -0.3], (7, 1)), abs=1e-5)


def test_a_larger_disc_begins_with_the_sites_of_a_smaller_one():
    small, large = (disc("(010)[101]", EDGE, radius, 6.0) for radius in (14.0, 20.0))
    shared = np.count_nonzero(np.hypot(*small.sites.T[:2]) < 14.0)
    assert small.sites[small.order[:shared]] == pytest.approx(large.sites[large.order[:shared]], abs=1e-9)
    for system in SYSTEMS:
        around = disc(system, EDGE, 14.0, 6.0)
        assert len(around.sites) == pytest.approx(2 * np.prod(np.diag(around.cell)) / EDGE**3)
        assert np.abs(around.sites[:, 1]).min() == pytest.approx(around.spacing / 2)
    with pytest.raises(StudyError, match="twice the cutoff"):
        disc("(010)[101]", EDGE, 10.0, 6.0)


def test_forces_that_elasticity_leaves_fall_with_the_square_of_the_distance():
    """Linear elasticity errs by the square of the strain, 1/r, and forces are its gradient: r^-2."""
    one = made(radius=48.0)
    u = one.elastic(one.field.griffith(SURFACE), 0.0)
    at = one.resting + u
    forces = evaluate(
        TUNGSTEN, one.species, at, one.cell, half_list(at, one.cell, TUNGSTEN.cutoff, 0.0)
    ).forces  # fmt: skip
    r, ahead = np.hypot(*one.sites.T[:2]), np.abs(np.arctan2(one.sites[:, 1], one.sites[:, 0])) < 2.0
    edges = np.geomspace(16.0, 48.0, 6)
    size = [np.sqrt((forces[ahead & (r > low) & (r < high)] ** 2).sum(axis=1).mean()) for low, high in pairwise(edges)]
    slope = np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(size), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.3)


def test_the_rim_is_told_where_the_atoms_crack_lies():
    one = made()
    k = one.field.griffith(SURFACE)
    assert one.ahead(one.elastic(k, 0.5), k, 0.0) == pytest.approx(0.5, rel=0.1)
    tip = one.begin(k)
    assert abs(one.ahead(tip.displacement, k, tip.centre)) < 0.3
    # a rim that does not follow is far off: what a fixed one would hide
    assert abs(one.ahead(one.at_rest(one.begin(k), k, follows=0).displacement, k, 0.0)) > 0.5


def test_the_surface_that_griffith_pays_is_that_of_the_room_of_surfaces():
    from uqmsm.physics.alloy import plane_block, sites
    from uqmsm.physics.atomistic.layers import stacked
    from uqmsm.physics.atomistic.surfaces import surface_energies

    vectors = plane_block("bcc", "100", 2.0, 6.0)
    places = sites("bcc", vectors)
    stack = stacked(TUNGSTEN, np.zeros(len(places), dtype=np.int64), places, vectors, EDGE)
    cut = surface_energies(TUNGSTEN, stack, np.array([0])).relaxed[0] / 100.0  # mJ/m^2 to GPa A
    assert made().surface_energy == pytest.approx(cut, rel=1e-3)
    assert cut == pytest.approx(SURFACE, rel=1e-3)


def test_griffith_lies_where_the_lattice_traps_the_crack():
    found = toughness(made(), rows=2, step=0.04, fine=0.02)
    assert found.retreat < found.griffith < found.start <= found.critical
    assert not found.emits
    assert 0.1 < (found.start - found.retreat) / found.griffith < 0.6
    # the steps of the load choose no more than their own width (1.5 for two middles)
    other = toughness(made(), rows=2, step=0.01, fine=0.01)
    for name in ("retreat", "start", "critical"):
        assert abs(getattr(other, name) - getattr(found, name)) < 1.5 * 0.02 * found.griffith
    # negative control: with a surface that costs half or twice as much, Griffith's law is not that of these atoms
    assert not found.retreat < found.griffith * np.sqrt(0.5) < found.start
    assert not found.retreat < found.griffith * np.sqrt(2.0) < found.start


def test_a_tip_that_emits_is_not_called_brittle():
    tantalum = interpolate(tabulate(published(["Ta"]), points_r=3000, points_rho=3000))
    crystal = average_atom(published(["Ta"]).values, np.ones(1), "bcc")
    around = disc("(110)[001]", float(crystal.lattice_parameter), 18.0, tantalum.cutoff)
    stiffness = cubic_stiffness(*(float(getattr(crystal, name)) for name in ("C11", "C12", "C44")))
    found = toughness(specimen(tantalum, np.zeros(len(around.sites)), around, stiffness), rows=2, step=0.06, fine=0.06)
    assert found.emits
    assert found.critical == found.start > 1.5 * found.griffith


def test_loads_without_an_event_and_cracks_without_a_place_are_told():
    one = made()
    k = one.field.griffith(SURFACE)
    tip = one.begin(k)
    with pytest.raises(NotConverged, match="not passed 1 rows"):
        driven(one, tip, 1, origin_A=tip.place, step=0.02 * k, fine=0.02 * k, most=1.03 * k)
    with pytest.raises(NotConverged, match="does not stay in the disc"):
        toughness(replace(one, surface_energy=0.25 * SURFACE))
