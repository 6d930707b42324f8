"""The scales: every operator keeps its promises, and the laws that only scales have."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))
from ladder_specimens import ALLOY, ELEMENTS, STATICS, learnt, step, upto

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.softening import alloy_softening, element_softening, warmth_K
from uqmsm.physics.tensors import isotropic_stiffness
from uqmsm.promises import check
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import Service
from uqmsm.scales.fe import PlateWithHole
from uqmsm.scales.rve import Polycrystal
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal

OPERATORS = {
    "alloy": ALLOY,
    "statics": STATICS,
    "service": Service(temperature=Aleatoric(Normal(1073.0, 25.0))),
    "strength": learnt(),
    "rve": Polycrystal(grains=20, voxels=12),
    "fe": PlateWithHole(hall_petch=Epistemic(Normal(240.0, 60.0)), refinement=4),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_keeps_its_promises(name):
    given = upto(name)
    operator = OPERATORS[name]
    report = check(operator, {port.name: given[port.name] for port in operator.inputs}, members=3)
    assert report.ok, str(report)
    assert report.rerolled == ()


def test_the_scales_fit_each_other():
    ladder = [Stage(name, operator) for name, operator in OPERATORS.items() if name in {"alloy", "rve", "fe"}]
    with pytest.raises(StudyError, match="no stage before it gives"):
        Chain(tuple(ladder))  # grains need a crystal


def test_taylor_factor_and_stiffness_scatter_as_the_root_of_the_grains():
    """Over 200 cells a size, four times the grains: the variance falls to a quarter; false-alarm rate 1e-6 a side."""
    crystal = {"C11": np.array(300.0), "C12": np.array(165.0), "C44": np.array(95.0)}

    def cells(**settings):
        operator = Polycrystal(voxels=12, **settings)
        found = [step(operator, crystal, "rve", i) for i in range(200)]
        return np.array([[one["taylor_factor"], one["stiffness"][0, 0], one["stiffness"][3, 3]] for one in found])

    few, declared, many = cells(grains=15), cells(grains=15, declared_grains=60), cells(grains=60)
    low, high = stats.f.ppf([1e-6, 1 - 1e-6], 199, 199)
    for k in range(3):
        assert low < many[:, k].var(ddof=1) / declared[:, k].var(ddof=1) < high
        assert not low < many[:, k].var(ddof=1) / few[:, k].var(ddof=1) < high  # negative control: without the law
        error = np.hypot(declared[:, k].std(), many[:, k].std()) / 200**0.5
        assert declared[:, k].mean() == pytest.approx(many[:, k].mean(), abs=5 * error)


def test_a_rescaled_stiffness_keeps_the_bulk_modulus_and_stays_stable():
    nickel = {"C11": np.array(247.0), "C12": np.array(147.0), "C44": np.array(125.0)}
    for declared in (4, 400):
        C = step(Polycrystal(grains=20, voxels=12, declared_grains=declared), nickel, "rve")["stiffness"]
        assert C[:3, :3].sum() / 9 == pytest.approx((247 + 2 * 147) / 3, rel=1e-4)
        assert np.linalg.eigvalsh(C)[0] > 0
    soft = {"C11": np.array(100.0), "C12": np.array(99.0), "C44": np.array(100.0)}
    with pytest.raises(MemberFailed, match="as many grains as are declared"):
        step(Polycrystal(grains=512, voxels=16, declared_grains=1), soft, "rve")


def test_the_stress_concentration_does_not_depend_on_an_isotropic_stiffness():
    """A theorem for a plate with a free hole; what is left is discretisation, and goes at least as h^2."""
    spread = {}
    for refinement in (8, 16):
        plate = PlateWithHole(refinement=refinement)
        known = {"taylor_factor": np.array(2.75), "crss": np.array(150.0)}
        solids = ((220.0, 85.0), (60.0, 20.0), (100.0, 100.0))
        found = [step(plate, known | {"stiffness": isotropic_stiffness(K, G)}) for K, G in solids]
        factors = [float(one["stress_concentration"]) for one in found]
        spread[refinement] = np.ptp(factors) / factors[0]
        assert float(found[0]["elongation"]) != pytest.approx(float(found[1]["elongation"]), rel=0.5)
    assert spread[8] < 5e-4
    assert spread[16] < spread[8] / 4


def test_yield_load_is_strength_over_concentration():
    given = upto("fe")
    plate = PlateWithHole(refinement=4, hall_petch=240.0, grain_diameter=100.0)
    found = step(plate, given)
    by_hand = float(given["taylor_factor"]) * float(given["crss"]) + 24.0
    assert float(found["yield_strength"]) == pytest.approx(by_hand, rel=1e-12)
    assert float(found["yield_load"]) == pytest.approx(by_hand / float(found["stress_concentration"]), rel=1e-12)


def test_misfit_volumes_balance_and_the_discrepancy_keeps_them_balanced():
    given = upto("strength")
    assert abs(given["composition"] @ given["static_misfit_volumes"]) < 1e-12
    assert abs(given["composition"] @ given["misfit_volumes"]) < 1e-12


def test_without_discrepancy_and_at_0_K_service_changes_nothing():
    given = upto("service") | {"discrepancy_sd": np.zeros(5)}
    found = step(Service(temperature=0.0, softening=0.0), given)
    for name in ("C11", "C12", "C44", "lattice_parameter"):
        assert float(found[name]) == pytest.approx(float(given[f"static_{name}"]), rel=1e-12)


def test_doubt_in_the_expansion_reaches_the_lattice_parameter():
    given = upto("service") | {"discrepancy_sd": np.zeros(5)}
    law = alloy_softening(element_softening(ELEMENTS), given["composition"])
    length, wider = (float(step(Service(softening=z), given)["lattice_parameter"]) for z in (0.0, 1.0))
    by_hand = float(given["static_lattice_parameter"]) * law.expansion_sd_per_K * warmth_K(1073.0, law.einstein_K)
    assert wider - length == pytest.approx(float(by_hand), rel=1e-9)


def test_wrong_input_is_refused_or_recorded():
    with pytest.raises(StudyError, match="fractions must be"):
        RandomAlloy(("Mo", "W"), (0.7, 0.7))
    with pytest.raises(StudyError, match="'Xx' is unknown"):
        RandomAlloy(("Mo", "Xx"), (0.5, 0.5))
    with pytest.raises(StudyError, match="voxels a grain"):
        Polycrystal(grains=1000, voxels=8)
    with pytest.raises(StudyError, match="the hole must be"):
        PlateWithHole(radius=60.0)
    lacking = upto("statics") | {"potential_elements": np.array([42, 41, 73, 23])}
    with pytest.raises(MemberFailed, match="no parameters for W"):
        step(STATICS, lacking)
