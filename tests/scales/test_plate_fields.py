"""Fields of grains in the plate: one field for all meshes, and a weakest place that no mesh moves."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstest

from uqmsm.errors import StudyError
from uqmsm.physics.fe.averages import average_covariance, field_factor
from uqmsm.physics.fe.initiation import highest_in_places
from uqmsm.physics.fe.meshes.overlaps import plate_overlaps
from uqmsm.physics.fe.meshes.plate import plate_mesh
from uqmsm.physics.tensors import isotropic_stiffness
from uqmsm.promises import check
from uqmsm.quantity import Port
from uqmsm.scales.fe import PlateWithHole
from uqmsm.scales.fe.places import strength_field
from uqmsm.streams import Streams

GIVEN = {
    "stiffness": isotropic_stiffness(170.0, 60.0),
    "grain_share": np.array(0.3),
    "taylor_mean": np.array(2.75),
    "taylor_scatter": np.array(0.118),
    "taylor_factor": np.array(2.75),
    "crss": np.array(200.0),
}
FIELDS = PlateWithHole(refinement=4, stiffness_field="grains", strength_field="grains", field_refinement=8)


def streams(index):
    return Streams(3).call("fe", {"stiffness_field": index, "strength_field": index})


def mesh(refinement):
    return plate_mesh(100.0, 200.0, 5.0, refinement, thickness_mm=2.0)


def test_elements_share_what_their_areas_share():
    fine, coarse = mesh(16), mesh(8)
    shared = plate_overlaps(coarse, fine)
    assert shared.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert (np.count_nonzero(shared, axis=1) == 4).all()  # whole elements of the finer mesh: nothing is cut
    centres = [one.nodes_mm[one.elements[:, 4:]].mean(axis=1) for one in (coarse, fine)]
    apart = np.linalg.norm(shared @ centres[1] - centres[0], axis=1)
    assert (apart < 0.1 * np.linalg.norm(np.ptp(coarse.nodes_mm[coarse.elements], axis=1), axis=1)).all()
    assert np.allclose(plate_overlaps(coarse, coarse), np.eye(len(coarse.elements)), atol=1e-12)
    cut = plate_overlaps(mesh(6), coarse)  # not nested: still every area is found
    assert cut.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(StudyError, match="one plate"):
        plate_overlaps(coarse, plate_mesh(100.0, 200.0, 6.0, 8))


def test_a_mesh_that_averages_the_finer_field_has_the_law_of_its_own():
    long = 0.6**3
    factor, direct = field_factor(mesh(8), mesh(16), long), average_covariance(mesh(8), long)
    through = factor @ factor.T
    assert through.diagonal() == pytest.approx(direct.diagonal(), rel=0.05)
    assert through.sum() == pytest.approx(direct.sum(), rel=0.01)


def test_refinements_see_one_and_the_same_plate():
    """The shift of a finer mesh scatters far less where both average one field than where each draws its own.

    Six pairs: the ratio of two standard deviations is uncertain by a factor of 1.4, a factor of ten is no accident.
    """

    def scatter(coarse, fine):
        pairs = [[float(one(GIVEN, streams(k))["elongation"]) for one in (coarse, fine)] for k in range(6)]
        return np.std([np.log(b / a) for a, b in pairs])

    fine = replace(FIELDS, refinement=8)
    assert scatter(FIELDS, fine) < 0.1 * scatter(replace(FIELDS, field_refinement=4), fine)


def test_the_weakest_place_does_not_move_with_the_mesh():
    """Same grains, mesh halved twice: the load changes by the error of the stress alone, without a trend."""
    plates = [replace(FIELDS, stiffness_field="uniform", refinement=n) for n in (4, 8, 16)]
    loads = np.array([[float(one(GIVEN, streams(k))["yield_load"]) for one in plates] for k in range(3)])
    steps = np.abs(np.diff(np.log(loads), axis=1))
    assert steps[:, 0].max() < 1.5e-2
    assert steps[:, 1].max() < 2.5e-3
    # negative control: strength averaged over elements instead falls with every refinement, by far more
    rng = np.random.default_rng(5)
    least = [np.mean([rng.normal(1.0, 0.118 * np.sqrt(n / 64), 4 * n).min() for _ in range(50)]) for n in (4, 8, 16)]
    assert least[0] - least[2] > 0.02


def test_the_weakest_of_many_places_under_one_stress_is_the_closed_form():
    """P(all places hold) = (1 - Phi)^n of nearly independent places; 400 draws, Kolmogorov, false alarm 1 in 1000.

    Negative control: twice as many places are refused.
    """
    law = strength_field(5.0, 1.0, 125, 200.0)
    assert (law.places.around, law.places.through) == (31, 1)
    even = SimpleNamespace(
        edge=SimpleNamespace(angle_rad=np.linspace(-0.25, 1.75, 64, endpoint=False) * np.pi, hoop_MPa=np.full(64, 2.0)),
        nominal_stress_MPa=1.0, von_mises_concentration=2.0, peak_angle_rad=0.0,
    )  # fmt: skip
    rng = np.random.default_rng(11)
    drawn = [law.of_normals(rng.normal(size=law.field.numbers)) for _ in range(400)]
    loads = np.array([PlateWithHole.first_yield(even, 100.0 * (1.0 + one))[0] for one in drawn])
    assert PlateWithHole.first_yield(even, np.full((31, 1), 100.0)) == (50.0, 100.0)
    assert law.sd == pytest.approx((1.18 / 125) ** 0.5, rel=0.2)  # the law of size, edges of cubes left out

    def doubt(count):
        return kstest(loads, lambda load: 1.0 - (1.0 - ndtr((load / 50.0 - 1.0) / law.sd)) ** count).pvalue

    assert doubt(31) > 1e-3
    assert doubt(62) < 1e-3


def test_stress_in_a_place_is_the_highest_along_its_arc():
    angle = np.linspace(-np.pi / 4, 7 * np.pi / 4, 64, endpoint=False)
    hoop = 1.0 - 2.0 * np.cos(2.0 * angle)  # Kirsch
    found = highest_in_places(angle, hoop, 12)
    centre = 2.0 * np.pi / 12 * np.arange(12)
    fine = np.abs(1.0 - 2.0 * np.cos(2.0 * (centre[:, None] + np.linspace(-np.pi / 12, np.pi / 12, 2001)))).max(axis=1)
    assert found == pytest.approx(fine, rel=2e-3)
    assert found[3] == pytest.approx(3.0, rel=1e-4)


def test_without_scatter_the_answer_is_that_of_one_strength():
    uniform = replace(FIELDS, strength_field="uniform")(GIVEN, streams(0))
    even = FIELDS(GIVEN | {"taylor_scatter": np.array(0.0)}, streams(0))
    assert float(even["yield_load"]) == pytest.approx(float(uniform["yield_load"]), rel=1e-12)
    assert float(even["weakest_place"]) == 1.0
    drawn = FIELDS(GIVEN, streams(0))
    assert float(drawn["weakest_place"]) < 1.0 or drawn["yield_load"] > uniform["yield_load"]


def test_it_keeps_its_promises_and_refuses_what_has_no_field():
    report = check(FIELDS, GIVEN, members=2)
    assert report.ok, str(report)
    with pytest.raises(StudyError, match="finest refinement"):
        replace(FIELDS, refinement=12)
    with pytest.raises(StudyError, match="1 or more"):
        replace(FIELDS, initiation_grains=0)
    with pytest.raises(StudyError, match="no room for four"):
        replace(FIELDS, initiation_grains=100_000)
    textured = {"anneal": SimpleNamespace(texture="fibre", outputs=(Port("grain_ids", "1"),))}
    assert "strength_field: uniform" in list(FIELDS.consistent(textured))[-1]


def test_every_point_is_told_what_it_carries():
    """Beside the answers as before: stress and use of every point; nodes of this coarse mesh meet the peak to 10 %."""
    even = replace(FIELDS, strength_field="uniform")
    bare, kept = even(GIVEN, streams(0)), replace(even, keep_fields=True)
    found = kept(GIVEN, streams(0))
    assert all(np.array_equal(found[name], bare[name]) for name in bare)
    np.testing.assert_allclose(found["point_use"], found["point_mises"] / found["yield_strength"], rtol=1e-14)
    drawn = kept.drawn()
    assert drawn.limits == {"point_mises": None, "point_use": 1.0}
    nodal = drawn.nodal(found["point_mises"])
    assert nodal.shape == (len(drawn.mesh.nodes_mm),)
    assert nodal.max() / 100.0 == pytest.approx(found["stress_concentration"], rel=0.1)
    names = {port.name for port in kept.outputs} - {port.name for port in even.outputs}
    assert names == {"point_mises", "point_use"}
    # places with a strength of their own are no points of the mesh: nothing is said of their use
    many = replace(FIELDS, keep_fields=True)
    assert many.drawn().limits == {"point_mises": None}
    assert "point_use" not in many(GIVEN, streams(0))
    assert FIELDS.drawn() is None
