"""Sectors that repeat round an axis: beside closed forms, beside the whole disc, elastic and flowing, every solver."""

from __future__ import annotations

import numpy as np
import pytest
from fe_oracles import elastic

from uqmsm.errors import StudyError
from uqmsm.physics.fe.assemble import stiffness_blocks, strains
from uqmsm.physics.fe.at_nodes import at_nodes
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.fracture import Brittle, crack
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.loads import traction_loads
from uqmsm.physics.fe.materials.von_mises import von_mises
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.sector import SectorShape, sector_mesh
from uqmsm.physics.fe.newton import Load, follow
from uqmsm.physics.fe.path import Arcs, trace
from uqmsm.physics.fe.ring import Ring, burst_speed, ring_stress
from uqmsm.physics.fe.ring import von_mises as mises_of
from uqmsm.physics.fe.ties import cyclic
from uqmsm.physics.fe.turning import turning_sector

BULK, SHEAR, RHO, BLADES = 160.0, 80.0, 8000.0, 40.0
NU = (3 * BULK - 2 * SHEAR) / (2 * (3 * BULK + SHEAR))
RING = Ring(60.0, 200.0, BLADES)


@pytest.mark.parametrize("kind", ["hex8", "hex20", "hex27", "tet4", "tet10"])
def test_sectors_have_their_volume_and_their_sides(kind):
    """A profile of three cones, cells at every given radius; arcs of second order, so that volumes are closer."""
    radii, thick, sectors = (40.0, 60.0, 150.0, 170.0), (60.0, 20.0, 20.0, 35.0), 12
    mesh = sector_mesh(SectorShape(radii, thick, sectors, (10, 2, 2)), kind)
    of = discretise(mesh, "solid")
    cones = zip(radii, radii[1:], thick, thick[1:], strict=False)
    # 2 pi int r h dr with h straight between the radii
    exact = sum(2 * np.pi * ((b - a) / 6) * (a * (2 * p + q) + b * (p + 2 * q)) for a, b, p, q in cones) / 2 / sectors
    np.testing.assert_allclose(of.volume_mm3.sum(), exact, rtol=0.02 if kind in {"hex8", "tet4"} else 2e-5)
    radius = np.hypot(*mesh.nodes_mm.T[:2])
    for r in radii:
        assert np.isclose(radius, r, rtol=1e-12).any()
    np.testing.assert_allclose(radius[mesh.on("bore")], 40.0, rtol=1e-12)
    np.testing.assert_allclose(radius[mesh.on("rim")], 170.0, rtol=1e-12)
    assert np.all(mesh.nodes_mm[mesh.on("middle"), 2] == 0.0)
    assert np.all(np.abs(mesh.nodes_mm[mesh.on("start"), 1]) < 1e-12)


def test_cells_grow_from_bore_to_rim():
    mesh = sector_mesh(SectorShape((50.0, 200.0), (10.0, 10.0), 24))
    corners = np.unique(np.round(np.hypot(*mesh.nodes_mm.T[:2]), 9))[::2]
    steps = np.diff(corners)
    assert len(steps) == 12
    np.testing.assert_allclose(steps[-1] / steps[0], 3.0, rtol=1e-6)
    assert np.all(np.diff(steps) > 0)


def off_closed_form(kind, n):
    """Root mean square over the points of the error of radial and hoop stress of a thin ring, over the mean hoop."""
    shape = SectorShape((60.0, 200.0), (1.0, 1.0), 12, (n, n // 2, 1), grading=2.0)
    sector = turning_sector(shape, kind, pull="even")
    turned = sector.turned(BULK, SHEAR, RHO, BLADES)
    x = sector.of.positions_mm
    r = np.hypot(x[..., 0], x[..., 1])
    c, s = x[..., 0] / r, x[..., 1] / r
    xx, yy, xy = turned.stress_MPa[..., 0], turned.stress_MPa[..., 1], np.sqrt(2) * turned.stress_MPa[..., 5]
    found = np.stack([c * c * xx + s * s * yy + c * s * xy, s * s * xx + c * c * yy - c * s * xy])
    closed = ring_stress(RING, r, NU, RHO, 1.0)
    return float(
        np.sqrt(((found - closed) ** 2 * sector.of.volume_mm3).sum() / (closed[1] ** 2 * sector.of.volume_mm3).sum())
    )


@pytest.mark.parametrize(
    ("kind", "order", "within"), [("hex8", 1.1, 0.042), ("hex20", 2.9, 1.2e-4), ("hex27", 1.9, 3.0e-3)]
)
def test_a_turning_sector_is_the_ring_of_the_books(kind, order, within):
    """Plane stress with blades (Timoshenko and Goodier), at the order of the element; hex20 at its best points."""
    coarse, fine = off_closed_form(kind, 4), off_closed_form(kind, 8)
    assert np.log2(coarse / fine) > order - 0.1
    assert fine < within


def test_stresses_at_places_of_the_whole_disc():
    """Nodes and places between them, in any sector and on either side; the bore; what bursts the disc."""
    sector = turning_sector(SectorShape((60.0, 200.0), (2.0, 2.0), 12, (24, 2, 1)), pull="even")
    turned = sector.turned(BULK, SHEAR, RHO, BLADES)
    bore = ring_stress(RING, np.array([60.0]), NU, RHO, 1.0)[1, 0]
    np.testing.assert_allclose(turned.hoop_MPa()[sector.of.mesh.on("bore")], bore, rtol=2e-3)
    radius, angle, height = (
        np.array([60.0, 61.0, 90.0, 199.0]),
        np.array([0.0, 2.0, -3.0, 6.28]),
        np.array([1, -1, 0.3, 0]),
    )
    closed = mises_of(ring_stress(RING, radius, NU, RHO, 1.0))
    np.testing.assert_allclose(turned.mises_at(radius, angle, height), closed, rtol=5e-3)
    np.testing.assert_allclose(turned.mean_hoop_MPa, burst_speed(RING, 1.0, RHO) ** -2, rtol=1e-4)
    # half a whole disc is in balance: its section carries what pulls at it
    section = turned.nodal_MPa[:, 1].reshape(-1)[sector.of.mesh.on("start")]
    r = np.hypot(*sector.of.mesh.nodes_mm[sector.of.mesh.on("start")].T[:2])
    lines = np.unique(np.round(r, 6))
    mean = [section[np.isclose(r, line, atol=1e-5)].mean() for line in lines]
    np.testing.assert_allclose(np.trapezoid(mean, lines) / 140.0, turned.mean_hoop_MPa, rtol=3e-3)


def whole_disc(blades, method=None):
    """Displacements of a whole disc, cut and closed, under the pull of its blades; and those of one sector."""
    radii, thick, counts = (60.0, 120.0, 200.0), (30.0, 8.0, 20.0), (4, 2, 1)
    sector = turning_sector(SectorShape(radii, thick, blades, counts, grading=1.0), method=method)
    mesh = sector_mesh(SectorShape(radii, thick, 1, (counts[0], blades * counts[1], counts[2]), grading=1.0))
    of = discretise(mesh, "solid", level=2)
    ties = cyclic(of, mesh.on("start"), mesh.on("end"), 2 * np.pi)
    middle = np.setdiff1d(mesh.on("middle"), mesh.on("end"))
    # one dof against turning, and two against shifts, which the symmetry of a sector already forbids
    first, quarter, across = (mesh.nearest(*at, 0.0) for at in ((60.0, 0.0), (0.0, 60.0), (-60.0, 0.0)))
    held = np.append(held_dofs(of, middle, 2), [3 * first + 1, 3 * across + 1, 3 * quarter])

    def rim(x, _):
        angle = np.arctan2(x[..., 1], x[..., 0])
        return (1.0 - np.cos(blades * angle))[..., None] * x * [1.0, 1.0, 0.0]

    u, _ = system(of, held, ties=ties).solve(
        stiffness_blocks(of, elastic(200e3, 0.3)), traction_loads(of, mesh.edges["rim"], rim)
    )
    pushed = traction_loads(sector.of, sector.of.mesh.edges["rim"], rim)
    v, _ = sector.equations.solve(stiffness_blocks(sector.of, elastic(200e3, 0.3)), pushed)
    return mesh.nodes_mm, u, sector.of.mesh.nodes_mm, v, sector, pushed


def test_one_sector_is_a_sector_of_the_whole_disc():
    """Six blades whose pull is uneven: the same displacements to rounding; faces that are cut free are another body."""
    places, u, mine, v, sector, pushed = whole_disc(6)
    at = [int(np.argmin(((places - p) ** 2).sum(axis=1))) for p in mine]
    np.testing.assert_allclose(places[at], mine, atol=1e-9)
    np.testing.assert_allclose(u[at], v, atol=1e-9 * np.abs(v).max())
    around = np.hypot(*v[sector.of.mesh.on("rim")].T[:2])
    assert around.max() > 1.1 * around.min()  # it is uneven
    # negative control
    cut = system(sector.of, sector.equations.held[:-1])
    assert cut.ties is None
    corner = 3 * sector.of.mesh.nearest(60.0, 0.0, 0.0)
    fixed = np.append(cut.held, [corner, corner + 1, 3 * sector.of.mesh.nearest(200.0, 0.0, 0.0) + 1])
    w, _ = system(sector.of, fixed).solve(stiffness_blocks(sector.of, elastic(200e3, 0.3)), pushed)
    assert np.abs(w - v).max() > np.abs(v).max()


def test_multigrid_solves_a_sector_too():
    """On the same equations, to the tolerance asked; follower dofs keep their leaders, turned."""
    sector = turning_sector(SectorShape((60.0, 200.0), (30.0, 30.0), 8, (5, 2, 2)), "hex8")
    of, equations = sector.of, sector.equations
    blocks = stiffness_blocks(of, elastic(200e3, 0.3))
    u, _ = equations.solve(blocks, sector.rim_N)
    grids = system(of, equations.held, method="multigrid", ties=equations.ties, tolerance=1e-10)
    v, _ = grids.solve(blocks, sector.rim_N)
    np.testing.assert_allclose(v, u, atol=1e-8 * np.abs(u).max())
    lead = of.mesh.nearest(200.0, 0.0, 15.0)
    pitch = 2 * np.pi / 8
    follow_ = of.mesh.nearest(200.0 * np.cos(pitch), 200.0 * np.sin(pitch), 15.0)
    turn = np.array([[np.cos(pitch), -np.sin(pitch)], [np.sin(pitch), np.cos(pitch)]])
    np.testing.assert_allclose(u[follow_, :2], turn @ u[lead, :2], atol=1e-12 * np.abs(u).max())


A, B, SY = 50.0, 100.0, 250.0


def tube_sector(turn=np.pi / 3):
    """Sixty degrees of a thick tube whose cut faces follow each other, plane strain."""

    def bend(x):
        r, t = (
            A + (B - A) * x[:, 0],
            turn * (x[:, 1] + 0.1 * np.sin(np.pi * x[:, 0])),
        )  # cut along curves, not along rays
        return np.stack([r * np.cos(t), r * np.sin(t)], axis=-1)

    mesh = grid_mesh((6, 4), "quad8", bend)
    of = discretise(mesh, "plane_strain", level=2)
    return mesh, of, cyclic(of, mesh.on("bottom"), mesh.on("top"), turn)


def test_a_sector_that_flows_collapses_as_the_tube():
    """(2 / sqrt 3) s0 ln(b/a), led by the displacement of the bore, and by arcs under true pressure."""
    mesh, of, ties = tube_sector()
    limit = 2 / np.sqrt(3) * SY * np.log(B / A)
    bore = np.setdiff1d(mesh.on("left"), mesh.on("top"))
    equations = system(of, held_dofs(of, bore, 0, 1), ties=ties)
    out = mesh.nodes_mm / np.hypot(*mesh.nodes_mm.T)[:, None]
    steps = follow(equations, von_mises(160.0, 80.0, SY), [Load(displacement_mm=u * out) for u in (0.05, 0.2, 1.0)])
    assert len(steps[-1].residuals) < 12
    push = (steps[-1].reaction_N * out).sum() / (A * np.pi / 3)
    np.testing.assert_allclose(push, limit, rtol=1e-3)
    led = system(of, np.array([2 * mesh.nearest(A, 0.0) + 1]), ties=ties)
    pressure = Load(forces_N=traction_loads(of, mesh.edges["left"], lambda _, n: -n))
    loads = [0.0]

    def flat(one):
        loads.append(one.factor)
        return loads[-1] - loads[-2] < 1e-3 * loads[-1]

    trace(led, von_mises(160.0, 80.0, SY), pressure, Arcs(0.5, 10.0, 60), enough=flat)
    np.testing.assert_allclose(loads[-1], limit, rtol=1e-3)


def test_planes_may_be_fitted_along_other_coordinates():
    """A field linear in the angle, on bent cells: exact at the nodes along radius and angle, and not along x and y."""
    mesh, of, _ = tube_sector()

    def along(x):
        return np.stack([np.hypot(x[..., 0], x[..., 1]), np.arctan2(x[..., 1], x[..., 0])], axis=-1)

    field = along(of.positions_mm) @ [0.01, 2.0]
    closed = along(mesh.nodes_mm) @ [0.01, 2.0]
    np.testing.assert_allclose(at_nodes(of, field, along), closed, atol=1e-12)
    assert np.abs(at_nodes(of, field) - closed).max() > 1e-3


def test_what_cannot_be_tied_is_refused():
    mesh, of, ties = tube_sector()
    with pytest.raises(StudyError, match=r"apart when the first face is turned by 45 degrees"):
        cyclic(of, mesh.on("bottom"), mesh.on("top"), np.pi / 4)
    with pytest.raises(StudyError, match="share nodes"):
        cyclic(of, mesh.on("bottom"), mesh.on("left"), np.pi / 3)
    with pytest.raises(StudyError, match="hold those that lead"):
        system(of, held_dofs(of, mesh.on("top"), 0), ties=ties)
    with pytest.raises(StudyError, match="method 'cholesky'"):
        system(of, np.array([0]), method="cholesky")
    axial = discretise(mesh, "axisymmetric")
    with pytest.raises(StudyError, match="round an axis"):
        cyclic(axial, mesh.on("bottom"), mesh.on("top"), np.pi / 3)
    with pytest.raises(StudyError, match="without ties"):
        crack(system(of, np.array([0, 1, 3]), ties=ties), Brittle(160.0, 80.0, 2.7, 0.1), [Load(forces_N=1.0)])
    for wrong in (((60.0, 40.0), (1.0, 1.0), 6), ((0.0, 40.0), (1.0, 1.0), 6), ((20.0, 40.0), (1.0, 0.0), 6)):
        with pytest.raises(StudyError, match="ascend"):
            SectorShape(*wrong)
    with pytest.raises(StudyError, match="6 cells round"):
        SectorShape((20.0, 40.0), (1.0, 1.0), 2, (4, 2, 1))
    with pytest.raises(StudyError, match="two or more, of hexahedra"):
        turning_sector(SectorShape((20.0, 40.0), (1.0, 1.0), 12), "tet10")
    assert np.abs(strains(of, np.zeros_like(mesh.nodes_mm))).max() == 0.0
