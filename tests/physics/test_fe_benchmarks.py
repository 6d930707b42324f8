"""Components with a published answer: Cook's membrane, NAFEMS, turning discs, cracks; meshes drawn and read."""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np
import pytest
from fe_oracles import elastic, solve

from uqmsm.errors import StudyError
from uqmsm.physics.fe.assemble import stiffness_blocks, strains
from uqmsm.physics.fe.at_nodes import at_nodes
from uqmsm.physics.fe.contour import j_integral_N_per_mm
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.elements import ELEMENTS, element, shape
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.loads import body_loads, traction_loads
from uqmsm.physics.fe.materials.elastic import Elastic, in_plane, plane_stress
from uqmsm.physics.fe.materials.von_mises import von_mises
from uqmsm.physics.fe.meshes.compact import PIN, compact_tension_mesh, stress_intensity_factor
from uqmsm.physics.fe.meshes.disc import disc_mesh
from uqmsm.physics.fe.meshes.files import read_mesh
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.notched import notched_bar_mesh
from uqmsm.physics.fe.newton import Load, equilibrate, virgin
from uqmsm.physics.fe.results import write_pvd, write_vtu
from uqmsm.physics.tensors import mandel_to_voigt

FLAT = [name for name, kind in ELEMENTS.items() if kind.form in {"tri", "quad"}]


def flat(young, poisson):
    return in_plane(1e3 * plane_stress(mandel_to_voigt(elastic(young / 1e3, poisson))))


def cook(x):
    low, high = 44 * x[:, 0], 44 + 16 * x[:, 0]
    return np.stack([48 * x[:, 0], low + x[:, 1] * (high - low)], axis=-1)


@pytest.mark.parametrize(("kind", "n"), [("quad4", 48), ("quad8", 16), ("quad9", 16), ("tri6", 16)])
def test_cooks_membrane(kind, n):
    """A tapered panel sheared at its end, whose middle rises by 23.96 (E = 1, nu = 1/3, F = 1, plane stress)."""
    mesh = grid_mesh((n, n), kind, cook)
    of = discretise(mesh, "plane_stress")
    loads = traction_loads(of, mesh.edges["right"], lambda _, n: np.broadcast_to([0.0, 1 / 16], n.shape))
    _, u, _ = solve(mesh, "plane_stress", flat(1.0, 1 / 3), loads, held_dofs(of, mesh.on("left"), 0, 1))
    assert abs(u[mesh.nearest(48.0, 52.0), 1] / 23.96 - 1) < 3e-3


def test_cooks_membrane_locks_without_a_remedy_where_volume_is_kept():
    """Plane strain, nu = 0.499: averaging the volume change frees first-order quadrilaterals, triangles stay locked."""

    def tip(kind, n, **settings):
        mesh = grid_mesh((n, n), kind, cook)
        of = discretise(mesh, "plane_strain")
        loads = traction_loads(of, mesh.edges["right"], lambda _, n: np.broadcast_to([0.0, 1 / 16], n.shape))
        held = held_dofs(of, mesh.on("left"), 0, 1)
        _, u, _ = solve(mesh, "plane_strain", elastic(1.0, 0.499), loads, held, 1e-7, **settings)
        return u[mesh.nearest(48.0, 52.0), 1]

    best = tip("quad9", 32, level=3)
    assert abs(tip("quad4", 24, mean_dilatation=True) / best - 1) < 0.02
    assert abs(tip("quad8", 12, level=2) / best - 1) < 0.02
    assert tip("quad4", 24) < 0.75 * best


def ellipses(counts, kind, height=None):
    """NAFEMS's quarter between the ellipses (2, 1) and (3.25, 2.75), in metres."""

    def bend(x):
        angle = np.pi / 2 * x[:, 1]
        a, b = 2 + 1.25 * x[:, 0], 1 + 1.75 * x[:, 0]
        at = [a * np.cos(angle), b * np.sin(angle)]
        return np.stack(at if height is None else [*at, height * x[:, 2]], axis=-1)

    return grid_mesh(counts, kind, bend, thickness_mm=0.1)


@pytest.mark.parametrize("kind", ["quad8", "quad9", "tri6"])
def test_nafems_le1(kind):
    """Elliptic membrane under outward pressure of 10 MPa: 92.7 MPa along the edge at D (NAFEMS Benchmarks, 1990)."""
    mesh = ellipses((12, 20), kind)
    of = discretise(mesh, "plane_stress")
    held = np.concatenate([held_dofs(of, mesh.on("bottom"), 1), held_dofs(of, mesh.on("top"), 0)])
    loads = traction_loads(of, mesh.edges["right"], lambda _, n: 10.0 * n)
    D = flat(210e3, 0.3)
    _, u, _ = solve(mesh, "plane_stress", D, loads, held)
    # at D, on a free edge, the only stress is that along it: read from the stretch of the edge there
    at = mesh.on("left")
    near = at[np.argsort(mesh.nodes_mm[at, 1])][:3]
    y, v = mesh.nodes_mm[near, 1], u[near, 1]
    slope = np.polyfit(y, v, 2)[1]
    assert abs(210e3 * slope / 92.7 - 1) < 0.01


def test_nafems_le10():
    """Thick elliptic plate under a pressure of 1 MPa on its upper face: -5.38 MPa along y at D, (2, 0) on that face."""
    mesh = ellipses((8, 12, 4), "hex20", 0.6)
    of = discretise(mesh, "solid")
    outer = mesh.on("right")
    middle = outer[np.abs(mesh.nodes_mm[outer, 2] - 0.3) < 1e-9]
    held = [held_dofs(of, mesh.on("bottom"), 1), held_dofs(of, mesh.on("top"), 0), held_dofs(of, outer, 0, 1)]
    loads = traction_loads(of, mesh.edges["front"], lambda _, n: -n)
    D = elastic(210e3, 0.3)
    _, u, _ = solve(mesh, "solid", D, loads, np.concatenate([*held, held_dofs(of, middle, 2)]))
    fine = discretise(mesh, "solid", level=2)
    stress = strains(fine, u) @ D
    corner = next(e for e in range(len(mesh.elements)) if mesh.nearest(2.0, 0.0, 0.6) in mesh.elements[e, :8])
    # from the Barlow points of the corner element to its node
    value, _ = shape("hex8", np.sqrt(3) * np.array(ELEMENTS["hex8"].nodes))
    order = np.lexsort(np.array(ELEMENTS["hex8"].nodes).T[::-1])
    nodal = value[:, order] @ stress[corner]
    at = list(mesh.elements[corner, :8]).index(mesh.nearest(2.0, 0.0, 0.6))
    assert abs(nodal[at, 1] / -5.38 - 1) < 0.03


def cylinder_taper_sphere(n):
    """NAFEMS's section in metres, r and z: a sphere, a taper and a cylinder round a bore of a sphere and a cylinder."""
    corner, outside = np.sqrt(0.5), 1.4 * np.array([np.cos(np.pi / 6), 0.5])
    bore = np.array([[corner, corner], [corner, 1.25], [corner, 1.79]])
    skin = np.array([outside, (outside + np.array([1.0, 1.39])) / 2, [1.0, 1.39], [1.0, 1.79]])

    def along(place, radius, turn, line):
        """Follow an arc, then a broken line, one of four equal pieces after the other."""
        arcs = 5 - len(line)
        angle = turn * np.minimum(place / arcs, 1.0)
        beyond = np.maximum(place - arcs, 0.0)
        straight = [np.interp(beyond, np.arange(len(line)), line[:, axis]) for axis in (0, 1)]
        round_ = [radius * np.cos(angle), radius * np.sin(angle)]
        return np.where(place[:, None] < arcs, np.transpose(round_), np.transpose(straight))

    def bend(x):
        inner, outer = along(4 * x[:, 1], 1.0, np.pi / 4, bore), along(4 * x[:, 1], 1.4, np.pi / 6, skin)
        return inner + x[:, :1] * (outer - inner)

    return grid_mesh((n, 4 * n), "quad8", bend)


def test_nafems_le11():
    """A solid of revolution heated by T = r + z between two planes that hold it: -105 MPa along z at A, (1, 0)."""
    mesh = cylinder_taper_sphere(12)
    of = discretise(mesh, "axisymmetric")
    warm = 2.3e-4 * of.positions_mm.sum(axis=-1)[..., None] * [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    held = np.concatenate([held_dofs(of, mesh.on(side), 1) for side in ("bottom", "top")])
    solid = Elastic(elastic(210e3, 0.3))
    equations = system(of, held)
    step = equilibrate(equations, solid, virgin(equations, solid), Load(free_strain=warm))
    axial = at_nodes(of, step.state.stress_MPa[..., 1])[mesh.nearest(1.0, 0.0)]
    assert abs(axial / -105.0 - 1) < 0.01


@pytest.mark.parametrize("kind", ["quad8", "tri6"])
def test_a_turning_disc_is_that_of_the_books(kind):
    """Thin ring, no load but its own: hoop stress at the bore (3 + nu)/4 rho w^2 (b^2 + (1 - nu)/(3 + nu) a^2)."""
    a, b, nu, rho, turn = 40.0, 200.0, 0.3, 8.2e-9, 1500.0  # t/mm^3, rad/s
    mesh = disc_mesh((a, b), (4.0, 4.0), 1, kind)
    of = discretise(mesh, "axisymmetric")
    push = np.zeros((*of.points, 2))
    push[..., 0] = rho * turn**2 * of.positions_mm[..., 0]
    _, u, _ = solve(mesh, "axisymmetric", elastic(210e3, nu), body_loads(of, push), held_dofs(of, mesh.on("middle"), 1))
    hoop = 210e3 * u[mesh.on("bore"), 0].mean() / a  # the bore is free: uniaxial
    closed = (3 + nu) / 4 * rho * turn**2 * (b**2 + (1 - nu) / (3 + nu) * a**2)
    assert abs(hoop / closed - 1) < 2e-3


def test_discs_have_their_volume_and_their_sides():
    mesh = disc_mesh((40.0, 60.0, 150.0, 170.0), (60.0, 20.0, 20.0, 35.0), 4)
    of = discretise(mesh, "axisymmetric")
    cones = [(40, 60, 60, 20), (60, 150, 20, 20), (150, 170, 20, 35)]
    # 2 pi int r h dr with h straight between the radii
    exact = sum(2 * np.pi * ((b - a) / 6) * (a * (2 * p + q) + b * (p + 2 * q)) for a, b, p, q in cones)
    np.testing.assert_allclose(of.volume_mm3.sum(), exact / 2, rtol=1e-10)
    assert np.all(mesh.nodes_mm[mesh.on("middle"), 1] == 0)
    with pytest.raises(StudyError, match="ascend"):
        disc_mesh((60.0, 40.0), (1.0, 1.0))


@pytest.mark.parametrize(("depth", "root"), [(2.0, 2.0), (4.0, 1.0), (1.0, 0.5)])
@pytest.mark.parametrize("kind", FLAT)
def test_notched_bars_have_no_folds(depth, root, kind):
    mesh = notched_bar_mesh(8.0, 30.0, depth, root, 8, kind)
    for kinematics in ("axisymmetric", "plane_strain"):
        assert discretise(mesh, kinematics).volume_mm3.min() > 0
    area = discretise(mesh, "plane_strain").volume_mm3.sum()
    removed = (depth - root) * root + np.pi / 4 * root**2
    assert abs(area - (8 * 30 - removed)) < (0.02 if element(kind).order == 1 else 1e-4) * root**2
    on = mesh.nodes_mm[mesh.on("surface")]
    round_ = on[(on[:, 0] < 8 - depth + root) & (on[:, 1] < root * (1 - 1e-9))]
    np.testing.assert_allclose(np.hypot(round_[:, 0] - (8 - depth + root), round_[:, 1]), root, rtol=1e-9)


def test_a_shallow_notch_concentrates_as_a_half_circle():
    """A small semicircular edge notch in a wide flat bar: K_t = 3.065 on the gross section (Peterson)."""
    mesh = notched_bar_mesh(50.0, 150.0, 0.5, 0.5, 12)
    of = discretise(mesh, "plane_stress")
    held = np.concatenate([held_dofs(of, mesh.on("axis"), 0), held_dofs(of, mesh.on("ligament"), 1)])
    loads = traction_loads(of, mesh.edges["end"], lambda _, n: n)
    D = flat(200e3, 0.3)
    _, u, _ = solve(mesh, "plane_stress", D, loads, held)
    root = mesh.on("surface")
    near = root[np.argsort(mesh.nodes_mm[root, 1])][:3]
    angle = np.arctan2(mesh.nodes_mm[near, 1], 50.0 - mesh.nodes_mm[near, 0])
    along = np.polyfit(mesh.nodes_mm[near, 1], u[near, 1], 2)[1]
    assert abs(angle[0]) < 1e-12
    assert abs(200e3 * along / 3.065 - 1) < 0.01


@pytest.mark.parametrize("ratio", [0.4, 0.5, 0.6])
def test_the_j_integral_of_a_compact_specimen_does_not_depend_on_its_ring(ratio):
    W, force, young, nu = 50.0, 1000.0, 200e3, 0.3
    mesh = compact_tension_mesh(W, ratio * W, 16)
    of = discretise(mesh, "plane_strain", level=2)
    held = np.append(held_dofs(of, mesh.on("ligament"), 1), 2 * mesh.nearest(W, 0.0))
    loads = np.zeros_like(mesh.nodes_mm)
    loads[mesh.nearest(0.0, PIN * W), 1] = force
    D = elastic(young, nu)
    of, u, _ = solve(mesh, "plane_strain", D, loads, held, level=2)
    strain = strains(of, u)
    stress = strain @ D
    energy = 0.5 * (stress * strain).sum(axis=-1)
    tip, room = (ratio * W, 0.0), min(ratio, 1 - ratio) * W
    rings = [(0.1, 0.3), (0.3, 0.5), (0.2, 0.8), (0.5, 0.9)]
    found = [j_integral_N_per_mm(of, u, stress, energy, tip, (a * room, b * room), half=True) for a, b in rings]
    assert np.ptp(found) < 0.002 * np.mean(found)
    K = stress_intensity_factor(force, 1.0, W, ratio * W)
    closed = K**2 * (1 - nu**2) / young
    assert abs(np.mean(found) / closed - 1) < 0.02
    # negative control: without the energy it is not a J-integral, and rings differ
    wrong = [j_integral_N_per_mm(of, u, stress, 0 * energy, tip, (a * room, b * room), half=True) for a, b in rings]
    assert np.ptp(wrong) > 0.02 * np.mean(wrong)


@pytest.mark.parametrize("kind", [name for name in ELEMENTS if element(name).form != "line"])
def test_meshes_written_and_read_are_the_same(kind, tmp_path):
    d = element(kind).dimension
    mesh = grid_mesh((2, 3, 2)[:d], kind, lambda x: x * np.array([1.0, 2.0, 3.0])[:d])
    number = np.arange(len(mesh.elements)) * 1.0
    write_vtu(tmp_path / "one.vtu", mesh, nodes={"displacement_mm": mesh.nodes_mm}, cells={"p": number})
    again = read_mesh(tmp_path / "one.vtu", scale_mm=10.0)
    assert again.kind == kind
    kinematics = "solid" if d == 3 else "plane_strain"
    volume = discretise(again, kinematics).volume_mm3.sum()
    np.testing.assert_allclose(volume, 10.0**d * discretise(mesh, kinematics).volume_mm3.sum(), rtol=1e-12)
    stored = meshio.read(tmp_path / "one.vtu")
    assert stored.point_data["displacement_mm"].shape == (len(mesh.nodes_mm), 3)
    np.testing.assert_array_equal(stored.cell_data["p"][0], np.arange(len(mesh.elements)))


GMSH = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
3
1 7 "wall"
1 8 "open"
2 9 "plate"
$EndPhysicalNames
$Nodes
7
1 0 0 0
2 2 0 0
3 2 1 0
4 0 1 0
5 1 0 0
6 1 1 0
7 9 9 0
$EndNodes
$Elements
5
1 1 2 7 1 1 4
2 1 2 8 2 3 2
3 1 2 7 3 5 6
4 3 2 9 1 1 5 6 4
5 3 2 9 1 5 2 3 6
$EndElements
"""


def test_groups_of_gmsh_become_boundaries_and_regions(tmp_path):
    """Faces are turned outwards, whichever way the file has them; those inside bound nothing; loose nodes go."""
    file = tmp_path / "plate.msh"
    file.write_text(GMSH)
    mesh = read_mesh(file, thickness_mm=2.0)
    assert mesh.kind == "quad4"
    assert len(mesh.nodes_mm) == 6
    assert set(mesh.edges) == {"wall", "open"}
    assert list(mesh.regions) == ["plate"]
    of = discretise(mesh, "plane_stress")
    np.testing.assert_allclose(of.volume_mm3.sum(), 4.0, rtol=1e-14)
    push = traction_loads(of, mesh.edges["open"], lambda _, n: n)
    np.testing.assert_allclose(push.sum(axis=0), [2.0, 0.0], atol=1e-14)
    push = traction_loads(of, mesh.edges["wall"], lambda _, n: n)
    np.testing.assert_allclose(push.sum(axis=0), [-2.0, 0.0], atol=1e-14)


def test_regions_of_gmsh_have_solids_of_their_own():
    """Two blocks in series, meshed and written by gmsh 4.15 (its own format 4.1): elongation F (2 / E1 + 1 / E2).

    Exchanged, they are another body; and where only the soft one is weak, it alone flows.
    """
    mesh = read_mesh(Path(__file__).parents[1] / "data" / "two_regions.msh")
    assert mesh.kind == "tri3"
    assert set(mesh.regions) == {"soft", "stiff"}
    assert set(mesh.edges) == {"left", "right", "bottom"}  # the joint lies inside
    of = discretise(mesh, "plane_strain")
    np.testing.assert_allclose([of.volume_mm3[mesh.regions[name]].sum() for name in ("soft", "stiff")], [2.0, 1.0])
    held = np.concatenate([held_dofs(of, mesh.on("left"), 0), held_dofs(of, mesh.on("bottom"), 1)])
    loads = traction_loads(of, mesh.edges["right"], lambda _, n: 100.0 * n)
    end = mesh.nearest(3.0, 1.0)
    young = {"soft": 50e3, "stiff": 200e3}
    for names, closed in ((("soft", "stiff"), 100.0 * (2 / 50e3 + 1 / 200e3)), (("stiff", "soft"), 100.0 * 3e-5)):
        stiffness = mesh.in_regions(dict(zip(young, (elastic(young[name], 0.0) for name in names), strict=True)))
        u, _ = system(of, held).solve(stiffness_blocks(of, stiffness[:, None]), loads)
        assert abs(u[end, 0] / closed - 1) < 1e-12
    bulk, shear = (mesh.in_regions({name: E / k / 1e3 for name, E in young.items()}) for k in (3.0, 2.0))
    strength = mesh.in_regions({"soft": 80.0, "stiff": 1000.0})
    solid = von_mises(bulk, shear, strength, hardening_MPa=5e3)  # one point in an element
    step = equilibrate(system(of, held), solid, virgin(system(of, held), solid), Load(loads))
    flowed = step.state.memory[:, 6]
    assert flowed[mesh.regions["soft"]].min() > 5e-4
    assert flowed[mesh.regions["stiff"]].max() == 0.0
    with pytest.raises(StudyError, match="its regions are soft, stiff"):
        mesh.in_regions({"soft": 1.0})
    with pytest.raises(StudyError, match="its regions are none"):
        grid_mesh((2, 2), "quad4").in_regions({"soft": 1.0})


def test_files_that_are_no_component_are_refused(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_mesh(tmp_path / "nothing.vtu")
    mixed = GMSH.replace("5 3 2 9 1 5 2 3 6", "5 2 2 9 1 5 2 3")
    (tmp_path / "mixed.msh").write_text(mixed)
    with pytest.raises(StudyError, match="one kind"):
        read_mesh(tmp_path / "mixed.msh")
    mesh = grid_mesh((2, 2), "quad4")
    with pytest.raises(StudyError, match="rows"):
        write_vtu(tmp_path / "a.vtu", mesh, nodes={"x": np.zeros(3)})
    write_pvd(tmp_path / "all.pvd", [(0.5, tmp_path / "a.vtu")])
    assert 'timestep="0.5"' in (tmp_path / "all.pvd").read_text()
    assert 'file="a.vtu"' in (tmp_path / "all.pvd").read_text()
