"""Past the peak: loads that fall, displacements that fall with them, closed forms all the way, and Newton's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.fracture import Brittle, strength_MPa
from uqmsm.physics.fe.growth import grow
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.loads import traction_loads
from uqmsm.physics.fe.materials.solid import Response
from uqmsm.physics.fe.materials.von_mises import von_mises
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.newton import Load
from uqmsm.physics.fe.path import Arcs, trace

E, LONG = 1e5, 10.0  # MPa; mm, of which the first is weak


@dataclass(frozen=True)
class Weak:
    """A bar of Poisson's ratio zero whose weak points carry what `curve` says; strains there must not shrink."""

    weak: np.ndarray
    curve: object  # strain -> stress, slope
    false: float = 1.0
    symmetric: bool = True

    def virgin(self, points):
        return np.zeros(points)

    def respond(self, strain, memory, step_s):
        stress = E * strain
        tangent = np.tile(E * np.eye(6), (len(strain), 1, 1))
        stress[self.weak, 0], tangent[self.weak, 0, 0] = self.curve(strain[self.weak, 0])
        return Response(stress, self.false * tangent, strain[:, 0])


def kinked(e, first=1e-3, fade=2e-3):
    """Linear up to a strength, exponential beyond: nothing warns of the peak."""
    beyond = e > first
    stress = np.where(beyond, E * first * np.exp(-(e - first) / fade), E * e)
    return stress, np.where(beyond, -stress / fade, E)


def smooth(e, scale=2e-3):
    return E * e * np.exp(-e / scale), E * (1.0 - e / scale) * np.exp(-e / scale)


def bar(curve, **more):
    mesh = grid_mesh((10, 1), "quad4", lambda x: x * [LONG, 1.0])
    of = discretise(mesh, "plane_strain")
    held = np.concatenate([held_dofs(of, mesh.on("left"), 0), held_dofs(of, mesh.on("bottom"), 1)])
    pull = traction_loads(of, mesh.edges["right"], lambda _, n: n)
    weak = np.repeat(of.positions_mm.mean(axis=1)[:, 0] < 1.0, of.points[1])
    return system(of, held), Weak(weak, curve, **more), Load(forces_N=pull)


def read(equations, found):
    """Strain of the weak part, displacement of the end, and load, point by point."""
    mesh = equations.of.mesh
    moved = np.array([one.step.state.displacement_mm[:, 0] for one in found])
    return moved[:, mesh.nearest(1.0, 0.0)], moved[:, mesh.nearest(LONG, 0.0)], np.array([one.factor for one in found])


@pytest.mark.parametrize(("curve", "whole"), [(kinked, False), (smooth, False), (smooth, True)])
def test_a_bar_that_softens_snaps_back_along_its_closed_form(curve, whole):
    """In series: u = e + 9 s(e) / E; load and displacement fall together, on to a tenth of the peak."""
    equations, solid, pull = bar(curve)
    row = np.zeros((1, equations.of.size))
    row[0, 2 * equations.of.mesh.nearest(1.0, 0.0)] = 1.0
    arcs = Arcs(2e-4, 1e-3, 400) if whole else Arcs(1e-4, 5e-4, 60, row)
    peak = [0.0]

    def fallen(one):
        peak[0] = max(peak[0], one.factor)
        return one.factor < 0.1 * peak[0]

    found = trace(equations, solid, pull, arcs, enough=fallen)
    weak, end, load = read(equations, found)
    assert len(found) < arcs.most
    np.testing.assert_allclose(load, curve(weak)[0], rtol=1e-7)
    np.testing.assert_allclose(end, weak + (LONG - 1.0) * curve(weak)[0] / E, rtol=1e-7)
    turned = (np.diff(load) < 0.0) & (np.diff(end) < 0.0)
    assert turned.sum() >= 4
    assert end[np.argmax(turned) :].min() < 0.85 * end.max()


@pytest.mark.parametrize("led", ["force", "end"])
def test_arcs_converge_in_the_second_order_and_with_a_false_tangent_in_the_first(led):
    def slope(false):
        equations, solid, pull = bar(smooth, false=false)
        if led == "end":
            mesh = equations.of.mesh
            equations = system(equations.of, np.union1d(equations.held, held_dofs(equations.of, mesh.on("right"), 0)))
            end = np.zeros_like(mesh.nodes_mm)
            end[mesh.on("right"), 0] = 1.0
            pull = Load(displacement_mm=end)
        orders = []
        for one in trace(equations, solid, pull, Arcs(2e-3, 2e-3, 10)):
            fall = np.log([r for r in one.step.residuals if 1e-13 < r < 0.3])
            if len(fall) > 2:
                orders.append(np.diff(fall)[-1] / np.diff(fall)[-2])
        return np.median(orders)

    assert slope(1.0) > 1.8
    assert slope(1.1) < 1.2


def test_a_tube_under_true_pressure_collapses_at_the_load_of_the_theory():
    """(2 / sqrt 3) s0 ln(b/a) by forces alone: where the load ends no displacement had to be prescribed."""
    a, b, strength = 50.0, 100.0, 250.0
    mesh = grid_mesh((8, 1), "quad8", lambda x: x * [b - a, 10.0] + [a, 0.0])
    of = discretise(mesh, "axisymmetric", level=2)
    equations = system(of, np.concatenate([held_dofs(of, mesh.on(side), 1) for side in ("bottom", "top")]))
    pressure = Load(forces_N=traction_loads(of, mesh.edges["left"], lambda _, n: -n))
    loads = [0.0]

    def flat(one):
        loads.append(one.factor)
        return loads[-1] - loads[-2] < 1e-3 * loads[-1]

    trace(equations, von_mises(160.0, 80.0, strength), pressure, Arcs(0.1, 2.0, 60), enough=flat)
    assert np.all(np.diff(loads) > 0.0)
    assert abs(loads[-1] / (2 / np.sqrt(3) * strength * np.log(b / a)) - 1.0) < 5e-4


def test_what_leads_nowhere_is_refused():
    equations, solid, pull = bar(smooth)
    with pytest.raises(StudyError, match="forces or displacements"):
        trace(equations, solid, Load(), Arcs(1.0))
    with pytest.raises(StudyError, match="longer"):
        Arcs(1.0, 0.5)
    still = np.zeros((1, equations.of.size))
    with pytest.raises(MemberFailed, match="does not move"):
        trace(equations, solid, pull, Arcs(1e-3, measure=still))
    brittle = Brittle(E / 3e3, E / 2e3, 2.7, 0.1)
    with pytest.raises(StudyError, match="let them rise"):
        grow(equations, brittle, pull, [0.2, 0.1])
    with pytest.raises(StudyError, match="multiply"):
        grow(equations, brittle, Load(), [0.1])


def half_crack(share):
    """AT1 bar at a share of its strength, by quadrature: what one side of its crack has opened and cost.

    The first integral of the damage is ``(l d')^2 = d - (s^2 / 2) ((1 - d)^-2 - 1)``; units (strength / E) l and Gc.
    """

    def square(d):
        return d - share**2 / 2 * ((1 - d) ** -2 - 1)

    top = brentq(square, 1e-9, 1 - 1e-12)

    def over(of):  # d = top sin^2 takes the roots off both ends
        def inner(angle):
            d = top * np.sin(angle) ** 2
            return of(d) * top * np.sin(2 * angle) / np.sqrt(square(d))

        return quad(inner, 1e-7, np.pi / 2 - 1e-7, limit=200)[0]

    return share * over(lambda d: (1 - d) ** -2 - 1), 3 / 8 * over(lambda d: d + square(d))


def parting(cells):
    """Lead a bar of six lengths through energies of a crack at its end; share of strength, displacement, energy."""
    tough, length, young = 2.7, 0.1, 200.0
    size = 6 * length
    mesh = grid_mesh((cells, 1), "quad4", lambda x: x * [size, size / cells])
    of = discretise(mesh, "plane_strain")
    ends = np.union1d(mesh.on("left"), mesh.on("right"))
    held = np.concatenate([held_dofs(of, ends, 0), held_dofs(of, mesh.on("bottom"), 1)])
    pull = np.zeros_like(mesh.nodes_mm)
    pull[mesh.on("right"), 0] = 1.0
    near = np.clip(0.3 - 1.5 * mesh.nodes_mm[:, 0] / size, 0.0, 1.0)
    law = Brittle(young / 3, young / 2, tough, length, "AT1", rest=1e-9)
    section = tough * size / cells
    energies = section * np.array([0.1, 0.2, 0.3, 0.38])
    found = grow(system(of, held), law, Load(displacement_mm=pull), energies, guess=near, tolerance=1e-5)
    top = strength_MPa(young, tough, length, "AT1")
    stress = [one.crack.step.reaction_N[mesh.on("right"), 0].sum() * cells / size for one in found]
    spent = [one.crack.surface_mJ / section for one in found]
    end = [one.factor * 1e3 * young / top / length for one in found]
    return np.array([np.array(stress) / top, end, spent])


def test_a_bar_parts_along_its_closed_form_and_snaps_back():
    """Stress and displacement fall together as the crack costs more; two meshes tell where finer ones go."""
    coarse, fine = parting(40), parting(80)
    share, end, spent = 2 * fine - coarse
    closed = np.array([half_crack(one) for one in share])
    np.testing.assert_allclose(end, 6 * share + closed[:, 0], rtol=3e-3)
    np.testing.assert_allclose(spent, closed[:, 1], rtol=3e-3)
    assert np.all(np.diff(share) < 0.0)
    assert np.all(np.diff(end) < 0.0)
    # negative control: the bar of a length that is a tenth longer is another one
    assert np.abs(1.1 * spent / closed[:, 1] - 1.0).min() > 0.05
