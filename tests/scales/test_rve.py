"""The block of grains as operators: promises kept, boundary conditions in order, fields back inside the grains."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from uqmsm import check
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.averages import average_covariance
from uqmsm.physics.rve.grain_share import VORONOI
from uqmsm.quantity import Port
from uqmsm.scales.fe import ElasticPlate
from uqmsm.scales.rve import BlockSizes, Localized, LocalizedFlow, Polycrystal
from uqmsm.streams import Streams
from uqmsm.tensor_laws import log_components

CRYSTAL = {"C11": 196.0, "C12": 118.0, "C44": 129.0}


def block(index=0, **settings):
    operator = Polycrystal(grains=8, voxels=8, slip="fcc", **settings)
    return operator(CRYSTAL, Streams(3).call("rve", {"grains": index}))


@pytest.mark.parametrize(
    "operator",
    [
        Polycrystal(grains=5, voxels=6),
        Polycrystal(grains=5, voxels=6, boundary="kubc"),
        Polycrystal(grains=5, voxels=6, boundary="subc", keep_grains=True),
        BlockSizes(grains=(2, 4), blocks=(1, 1), voxels_per_grain=8, boundaries=("periodic",)),
        Localized(),
        Localized(driven_by="strain", keep_fields=False),
    ],
    ids=["periodic", "kubc", "subc", "sizes", "stress", "strain"],
)
def test_promises_are_kept(operator):
    made = block(keep_grains=True)
    given = CRYSTAL | made | {"mean_stress": np.array([0.1, 0, 0, 0, 0.02, 0]), "mean_strain": np.full(6, 1e-3)}
    report = check(operator, {port.name: given[port.name] for port in operator.inputs}, members=3)
    assert report.ok, str(report)
    operator.warm_up() if hasattr(operator, "warm_up") else None
    assert operator.cost() > 0
    assert operator.references()


def test_the_same_block_under_three_conditions():
    stiffness = {name: block(boundary=name)["stiffness"] for name in ("kubc", "periodic", "subc")}
    shear = {name: one[3:, 3:].trace() for name, one in stiffness.items()}
    assert shear["kubc"] > shear["periodic"] > shear["subc"]
    assert block(boundary="kubc")["hill_mandel_gap"] < 1e-10
    assert block(boundary="kubc")["taylor_factor"] == block()["taylor_factor"]  # the same grains
    with pytest.raises(StudyError, match="declared_grains with boundary: subc"):
        Polycrystal(declared_grains=10, boundary="subc")


def test_members_in_a_batch_have_the_bytes_that_they_have_alone():
    """Two of them fail, each for a reason of its own."""
    operator = Polycrystal(grains=8, voxels=8, slip="fcc", declared_grains=1)
    hard = {"C11": 1e3, "C12": 1.0, "C44": 1.0}  # rescaled from eight grains to one it is not stable
    givens = [CRYSTAL, CRYSTAL | {"C44": -1.0}, hard, CRYSTAL | {"C44": 60.0}]
    streams = [Streams(3).call("rve", {"grains": index}) for index in range(4)]
    together = Polycrystal.batch([operator] * 4, givens, streams)
    for index in (0, 3):
        alone = operator(givens[index], Streams(3).call("rve", {"grains": index}))
        assert all(np.array_equal(together[index][name], value) for name, value in alone.items())
    assert isinstance(together[1], MemberFailed)
    assert isinstance(together[2], MemberFailed)
    assert str(together[1]) != str(together[2])
    for boundary in ("kubc", "subc"):
        operator = Polycrystal(grains=4, voxels=5, slip="fcc", boundary=boundary)
        givens = [CRYSTAL, CRYSTAL | {"C44": -1.0}, CRYSTAL | {"C44": 60.0}]
        streams = [Streams(3).call("rve", {"grains": index}) for index in range(3)]
        together = Polycrystal.batch([operator] * 3, givens, streams)
        assert isinstance(together[1], MemberFailed)
        for index in (0, 2):
            alone = operator(givens[index], Streams(3).call("rve", {"grains": index}))
            assert all(np.array_equal(together[index][name], value) for name, value in alone.items())


def test_stress_of_a_point_goes_down_into_the_grains():
    made = block(keep_grains=True)
    pull = np.array([0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
    down = Localized()({**made, "mean_stress": pull}, {})
    assert down["stress_field"].mean(axis=(1, 2, 3)) == pytest.approx(pull, abs=1e-8)
    mean_strain = np.linalg.solve(made["stiffness"], pull)
    assert down["strain_field"].mean(axis=(1, 2, 3)) == pytest.approx(mean_strain, rel=1e-6, abs=1e-10)
    share = np.bincount(made["block_ids"].ravel(), minlength=8) / 512
    assert share @ np.nan_to_num(down["grain_stress"]) == pytest.approx(pull, abs=1e-8)
    assert 1.05 < down["stress_p99"] < 3.0
    by_strain = Localized(driven_by="strain", keep_fields=False)({**made, "mean_strain": mean_strain}, {})
    assert by_strain["grain_stress"] == pytest.approx(down["grain_stress"], abs=1e-8)
    assert "stress_field" not in by_strain
    work = np.sum(down["stress_field"] * down["strain_field"]) / 512
    assert work == pytest.approx(pull @ mean_strain, rel=1e-6)
    assert down["hill_mandel_gap_localized"] < 1e-12
    assert down["stress_p99_design"] == pytest.approx(200.0 * down["stress_p99"], rel=1e-6)


def test_the_hot_spot_of_the_plate_comes_down_into_its_grains():
    made = block(keep_grains=True)
    plate = ElasticPlate(refinement=4)
    carried = plate(made, {})
    stress = carried["mean_stress"]
    whole = np.sqrt(0.5 * ((stress[0] - stress[1]) ** 2 + stress[0] ** 2 + stress[1] ** 2) + 3 * stress[5] ** 2)
    assert 1e3 * whole == pytest.approx(carried["stress_concentration"] * plate.design_stress, rel=1e-9)
    assert stress[0] * stress[1] == pytest.approx(stress[5] ** 2, abs=1e-12)  # uniaxial along a free edge
    assert made["stiffness"] @ carried["mean_strain"] == pytest.approx(stress, abs=1e-12)
    down = Localized()({**made, **carried}, {})
    assert down["grain_fraction"] @ down["grain_stress"] == pytest.approx(stress, abs=1e-8)
    assert down["hill_mandel_gap_localized"] < 1e-12
    by_strain = Localized(driven_by="strain")({**made, **carried}, {})
    assert by_strain["stress_field"] == pytest.approx(down["stress_field"], abs=1e-7 * stress[0])


def test_a_chosen_point_far_away_carries_the_nominal_stress():
    made = block()
    far = ElasticPlate(refinement=4, point=(80.0, 40.0))(made, {})["mean_stress"]
    assert far == pytest.approx([0.1, 0, 0, 0, 0, 0], abs=2e-3)
    near = ElasticPlate(refinement=4, point=(0.0, 6.0))(made, {})["mean_stress"]
    assert near[0] > 0.2
    for point in ((3.0, 0.0), (101.0, 0.0), (0.0, 51.0)):
        with pytest.raises(StudyError, match="in the hole or beside the plate"):
            ElasticPlate(point=point)


def test_the_elements_of_a_plate_have_the_grains_that_lie_in_them():
    made = block()
    plate = ElasticPlate(refinement=4, stiffness_field="grains", field_refinement=4, grain_diameter=400.0)
    report = check(plate, {name: made[name] for name in ("stiffness", "grain_share")}, members=3)
    assert report.ok, str(report)
    streams = [Streams(4).call("fe", {"stiffness_field": k}) for k in range(40)]
    drawn = np.array([plate.stiffness(made, one) for one in streams])
    mesh = plate.mesh()
    # the 40 draws of 128 elements: the sum of variances of a component has a relative error of about 2 %
    covariance = average_covariance(mesh, VORONOI * 0.4**3).diagonal()
    spread = np.var(log_components(drawn), axis=0, ddof=1).sum(axis=1)
    assert np.mean(spread / covariance) == pytest.approx(float(made["grain_share"]), rel=0.1)
    coarse = [plate(made, one) for one in streams[:8]]
    assert np.std([one["stress_concentration"] for one in coarse]) > 1e-3
    alone = Polycrystal(grains=8, voxels=8, slip="fcc")
    scattered = [alone(CRYSTAL, Streams(3).call("rve", {"grains": k}))["stiffness"] for k in range(8)]
    one_block = np.std([plate.answered(plate.solved(each), each)["elongation"] for each in scattered])
    assert np.std([one["elongation"] for one in coarse]) < 0.05 * one_block  # a plate averages over its grains
    with pytest.raises(MemberFailed, match="coarser mesh"):
        replace(plate, refinement=8, field_refinement=8, grain_diameter=2000.0)(made, streams[0])
    textured = {"anneal": SimpleNamespace(texture="fibre", outputs=(Port("grain_ids", "1"),))}
    assert "without texture" in next(iter(plate.consistent(textured)))
    assert not list(ElasticPlate().consistent(textured))


def test_grains_slip_under_the_stress_of_a_point():
    made, crss = block(keep_grains=True), {"crss": np.array(100.0)}
    law = {"slip": "fcc", "hardening": 800.0, "saturation": 3.0, "latent": 1.4, "exponent": 30.0}
    known = CRYSTAL | made | crss | {"mean_stress": np.array([0.18, 0.0, 0.0, 0.0, 0.0, 0.02])}
    report = check(LocalizedFlow(loads=2, load=0.2, **law), known, members=2)
    assert report.ok, str(report)
    # far below yield: the elastic block under the same stress
    low = LocalizedFlow(load=0.05, loads=1, keep_fields=True, **law)(known, {})
    elastic = Localized()({**made, "mean_stress": 0.05 * known["mean_stress"]}, {})
    assert low["slipped_share"] == 0.0
    assert low["flow_stress_field"] / 1e3 == pytest.approx(elastic["stress_field"], abs=1e-6)
    assert low["history_strain"][-1] == pytest.approx(elastic["strain_field"].mean(axis=(1, 2, 3)), rel=1e-5, abs=1e-9)
    # some grains slip long before the block does, and more of them further up
    half, whole = (LocalizedFlow(load=load, loads=4, **law)(known, {}) for load in (1.2, 1.5))
    assert 0.0 < half["slipped_share"] < whole["slipped_share"]
    assert np.all(np.diff(whole["history_slip"]) >= 0.0)
    assert whole["slip_p99"] > whole["history_slip"][-1]
    assert max(half["hill_mandel_gap_flow"], whole["hill_mandel_gap_flow"]) <= 1e-10
    with pytest.raises(StudyError, match="loads = 0 must be positive"):
        LocalizedFlow(loads=0)


def test_blocks_of_several_sizes_are_the_same_under_every_condition():
    sizes = BlockSizes(grains=(2, 4), blocks=(3, 1), voxels_per_grain=32)
    made = sizes(CRYSTAL, Streams(3).call("rve", {"grains": 1}))
    assert made["block_grains"].tolist() == [2, 2, 2, 4]
    periodic, kubc, subc = made["apparent_shear"].T
    assert np.all((kubc > periodic) & (periodic > subc))
    assert made["bracket"] == pytest.approx(kubc[3] / subc[3] - 1)
    again = BlockSizes(crystal=(196.0, 118.0, 129.0), grains=(2, 4), blocks=(3, 1), voxels_per_grain=32)
    assert again({}, Streams(3).call("rve", {"grains": 1}))["apparent_c11"] == pytest.approx(made["apparent_c11"])
    assert sizes.sizes_of("apparent_c11") == ((2, 2, 2, 4), ("periodic", "kubc", "subc"))
    assert sizes.sizes_of("bracket") is None
    for wrong in ({"grains": (8, 8)}, {"blocks": (1, 1)}, {"boundaries": ()}, {"voxels_per_grain": 4}):
        with pytest.raises(StudyError):
            BlockSizes(**wrong)


def test_a_point_at_rest_has_no_ratio():
    made = block(keep_grains=True)
    with pytest.raises(MemberFailed, match="carries no shear"):
        Localized()({**made, "mean_stress": np.zeros(6)}, {})
    with pytest.raises(StudyError, match="tolerance"):
        Localized(tolerance=2.0)
