"""The block of grains as operators: promises kept, boundary conditions in order, fields back inside the grains."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm import check
from uqmsm.errors import StudyError
from uqmsm.scales.rve import Localized, Polycrystal
from uqmsm.streams import Streams

CRYSTAL = {"C11": 196.0, "C12": 118.0, "C44": 129.0}


def block(index=0, **settings):
    operator = Polycrystal(grains=8, voxels=8, slip="fcc", **settings)
    return operator(CRYSTAL, Streams(3).call("rve", {"grains": index}))


@pytest.mark.parametrize(
    "operator",
    [
        Polycrystal(grains=5, voxels=6, boundary="kubc"),
        Polycrystal(grains=5, voxels=6, boundary="subc", keep_grains=True),
        Localized(),
        Localized(driven_by="strain", keep_fields=False),
    ],
    ids=["kubc", "subc", "stress", "strain"],
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


def test_a_point_at_rest_has_no_ratio():
    made = block(keep_grains=True)
    assert np.isnan(Localized()({**made, "mean_stress": np.zeros(6)}, {})["stress_p99"])
    with pytest.raises(StudyError, match="tolerance"):
        Localized(tolerance=2.0)
