"""A bar stretched and heated to and fro: what heat takes off, what hardening does from cycle to cycle, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import uqmsm
from uqmsm.errors import StudyError
from uqmsm.physics.fe.bar import notched_bar
from uqmsm.physics.tensors import isotropic_stiffness
from uqmsm.scales.fe import CycledBar
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Normal

GIVEN = {
    "stiffness": isotropic_stiffness(160.0, 80.0),
    "first_yield": np.array(250.0),
    "linear_hardening": np.array(3000.0),
    "voce_rise": np.array(0.0),
    "voce_rate": np.array(0.0),
}
SMALL = {"refinement": 2, "loads": 3}


def led(given=GIVEN, **settings):
    bar = CycledBar(**SMALL, **settings)
    assert bar.sources == ()
    return evaluate(bar, given, Streams(1).call("bar", {}))


def test_small_cycles_are_elastic_and_in_proportion():
    one, two = (led(stretch=s, kinematic_share=0.5) for s in (1e-4, 2e-4))
    assert float(two["plastic_range"]) == 0.0
    np.testing.assert_allclose(two["stress_range"], 2 * one["stress_range"], rtol=1e-7)
    np.testing.assert_allclose(two["cycle_stress_range"], float(two["stress_range"]), rtol=1e-7)


def test_heat_strains_for_nothing_and_what_is_held_back_stresses():
    """Heat that expands the bar by its stretch leaves no stress; twice as much is the stretch the other way round."""
    expansion = 1e-5
    free = led(stretch=2e-3, heating=200.0, expansion=expansion, kinematic_share=0.5)
    assert abs(float(free["stress_range"])) < 1e-6
    assert float(free["flowed"]) == 0.0
    cold = led(stretch=2e-3, kinematic_share=0.5)
    twice = led(stretch=2e-3, heating=400.0, expansion=expansion, kinematic_share=0.5)
    assert float(cold["plastic_range"]) > 1e-3
    np.testing.assert_allclose(twice["plastic_range"], cold["plastic_range"], rtol=1e-6)
    np.testing.assert_allclose(twice["stress_range"], -cold["stress_range"], rtol=1e-6)


def test_kinematic_hardening_repeats_itself_and_isotropic_shakes_down():
    """Linear hardening that moves with the strain closes its loops, to 2 %; the other lets less flow in every cycle."""
    kinematic, isotropic = (led(stretch=2e-3, kinematic_share=share, cycles=4) for share in (1.0, 0.0))
    loops = kinematic["cycle_plastic_range"]
    np.testing.assert_allclose(loops[1:], loops[-1], rtol=0.02)
    assert np.all(np.diff(isotropic["cycle_plastic_range"]) < -0.1 * isotropic["cycle_plastic_range"][:-1])
    assert np.all(np.diff(isotropic["cycle_stress_range"]) > 0.0)
    assert float(isotropic["plastic_range"]) < 0.5 * float(kinematic["plastic_range"])
    # accumulated: no less than the ranges of the way down in every cycle
    assert float(kinematic["flowed"]) > loops.sum()


def test_voces_rise_hardens_too():
    harder = led(GIVEN | {"voce_rise": np.array(100.0), "voce_rate": np.array(50.0)}, stretch=2e-3, kinematic_share=0.5)
    soft = led(stretch=2e-3, kinematic_share=0.5)
    assert float(harder["plastic_range"]) < 0.9 * float(soft["plastic_range"])


def test_members_share_one_bar_and_its_patterns():
    """What the mesh fixes is found once; the tangent is symmetric, where grains own the points it is not said to be."""
    bar = CycledBar(**SMALL).bar()
    assert bar is CycledBar(**SMALL, stretch=1e-3).bar()
    assert bar.equations.symmetric
    grains = notched_bar(8.0, 30.0, 3.0, 2.0, 2)
    assert grains is not bar
    assert not grains.equations.symmetric


def test_it_keeps_its_promises():
    bar = CycledBar(refinement=2, loads=2, cycles=1, stretch=Aleatoric(Normal(1e-3, 5e-5)))
    assert {source.name for source in bar.sources} == {"stretch", "kinematic_share"}
    uqmsm.check(bar, given=GIVEN)


def test_what_tells_nothing_is_refused():
    for wrong, words in (
        ({"heating": 100.0}, "expansion: "),
        ({"kinematic_share": 1.5}, "from 0 to 1"),
        ({"stretch": 0.2}, "strains are small"),
        ({"depth": 1.0}, "root_radius <= depth"),
        ({"cycles": 0}, "write 2, 1 and 2"),
    ):
        with pytest.raises(StudyError, match=words):
            CycledBar(**wrong)
