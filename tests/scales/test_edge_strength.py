"""The strength of a member: what the measured neighbours take back, and what they do not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from ladder_specimens import ELEMENTS, learnt, step, upto

from uqmsm import results
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.average_atom import average_atom
from uqmsm.physics.potential.zhou import published
from uqmsm.scales.strength import EdgeStrength, LearntForm, MeasuredElsewhere
from uqmsm.scales.strength.crystal import at_training_composition, member
from uqmsm.scales.strength.form import GRID_K
from uqmsm.scales.strength.recipe import published_crystal
from uqmsm.uncertainty import Epistemic, LearnableLaw, Normal

EQUAL = (0.25,) * 4
HEATS = [(0.7, 0.1, 0.1, 0.1), (0.1, 0.1, 0.7, 0.1), (0.1, 0.1, 0.1, 0.7)]


def crystal_ports(composition, deviate=0.0, stiffer=1.0, wider=1.0, elements=ELEMENTS):
    """Return what the ladder would hand on for an average atom of the published potential, with doubt put on top."""
    values = published(elements).values
    found = average_atom(values[None], np.array(composition), "bcc")
    return {
        "elements": np.array([atomic_numbers[symbol] for symbol in elements]),
        "composition": np.array(composition, dtype=float),
        "misfit_volumes": wider * found.misfit_volumes[0],
        "temperature": np.array(1073.0),
        "cold_moduli": stiffer * np.array([found.C11[0], found.C12[0], found.C44[0]]),
        "cold_lattice_parameter": np.array(found.lattice_parameter[0]),
        "softening_deviate": np.array(deviate),
        "softening_offset": np.zeros(3),
        "expansion_offset": np.array(0.0),
        "potential_elements": np.array([atomic_numbers[symbol] for symbol in elements]),
        "potential_parameters": values,
    }


def logs(operator, ports):
    found = step(operator, ports, "strength")
    return float(np.log(found["crss_theory"])), float(np.log(found["crss"]))


def moved(operator, one, other):
    """Return how far theory and prediction move, in logarithms, from one member to another with the same streams."""
    (theory, crss), (theory_, crss_) = logs(operator, one), logs(operator, other)
    return theory_ - theory, crss_ - crss


@pytest.mark.parametrize("heat", HEATS)
def test_the_heats_composition_acts_fully(heat):
    theory, crss = moved(learnt(), crystal_ports(EQUAL), crystal_ports(heat))
    assert abs(theory) > 0.1  # a heat that matters
    assert crss == pytest.approx(theory, abs=1e-9)


@pytest.mark.parametrize("heat", HEATS)
def test_negative_control_rows_at_the_heats_composition_would_take_it_back(heat):
    """What the test above would see if the rows, which are equimolar, were given the heat's composition."""
    operator = learnt()
    law, recipe = operator.strength_form.law, operator.recipe
    zero = np.zeros(GRID_K.size)
    crss = []
    for composition in (EQUAL, heat):
        own = member(crystal_ports(composition))
        at_heat = np.array([recipe.stress(own, row_K)[0] for row_K in law.rows_K])
        log_ratio = np.interp(1073.0, GRID_K, law.function(at_heat, zero))
        crss.append(np.log(recipe.stress(own, 1073.0)[0]) + log_ratio)
    theory, _ = moved(operator, crystal_ports(EQUAL), crystal_ports(heat))
    assert abs(crss[1] - crss[0]) < 0.2 * abs(theory)


@pytest.mark.parametrize("doubt", [{"stiffer": 1.2}, {"wider": 1.3}, {"deviate": 1.5}])
@pytest.mark.parametrize("heat", [EQUAL, HEATS[0]])
def test_doubt_about_the_same_alloy_is_taken_back_by_the_rows(heat, doubt):
    """The negative control is the same doubt with the error stated as a number: it goes through whole."""
    before, after = crystal_ports(heat), crystal_ports(heat, **doubt)
    theory, crss = moved(learnt(), before, after)
    assert abs(theory) > 0.05
    assert abs(crss) < 0.25 * abs(theory)
    theory, crss = moved(EdgeStrength(strength_form=0.5), before, after)
    assert crss == pytest.approx(theory, abs=1e-12)


def test_a_common_factor_cancels_up_to_the_gain():
    law = learnt().strength_form.law
    zero = np.zeros(GRID_K.size)
    change = law.function(1.2 * law.published_MPa, zero) - law.function(law.published_MPa, zero)
    np.testing.assert_allclose(change, -np.log(1.2) * law.gain.sum(axis=1), rtol=1e-12)
    near, far = (int(np.abs(GRID_K - at).argmin()) for at in (1073.0, 200.0))
    assert 0.9 < law.gain[near].sum() < 1.0
    assert abs(law.gain[far].sum() - law.gain[near].sum()) > 1e-4  # the rows do not speak of all temperatures alike


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4), st.floats(0.8, 1.25), st.floats(0.8, 1.25))
def test_the_member_at_the_training_composition_does_not_depend_on_its_heat(parts, stiffer, wider):
    heat = np.array(parts) / sum(parts)
    ports = crystal_ports(heat, 0.7, stiffer, wider)
    found = at_training_composition(member(ports), ports, "MoNbTaW", "bcc")
    exact = member(crystal_ports(EQUAL, 0.7, stiffer, wider))
    np.testing.assert_allclose(found.moduli, exact.moduli, rtol=1e-10)
    np.testing.assert_allclose(found.misfit_volumes, exact.misfit_volumes, rtol=1e-10)
    assert found.lattice_parameter == pytest.approx(exact.lattice_parameter, rel=1e-12)
    np.testing.assert_allclose(found.softening.slope_per_K, exact.softening.slope_per_K, rtol=1e-12)


def test_the_order_of_elements_does_not_matter():
    ports = crystal_ports((0.4, 0.3, 0.2, 0.1))
    other = crystal_ports((0.1, 0.2, 0.3, 0.4), elements=ELEMENTS[::-1])
    other |= {name: ports[name] for name in ("potential_elements", "potential_parameters")}
    np.testing.assert_allclose(logs(learnt(), other), logs(learnt(), ports), rtol=1e-9)


def test_the_theory_is_judged_elsewhere():
    """The row at 1073 K is not trained on; leaving out more of the alloy's rows must show."""
    operator = learnt()
    law = operator.strength_form.law
    assert 1073.0 not in law.rows_K
    assert [row.temperature_K for row in operator.elsewhere.left_out] == [1073.0]
    assert [one["measured"] for one in operator.comparisons()] == [552.0]
    wide = learnt(window=1e4).strength_form.law
    assert len(wide.rows_K) == 3
    assert np.abs(wide.mean - law.mean).max() > 0.01
    assert wide.at(1073.0)[1] > 1.5 * law.at(1073.0)[1]  # the alloy never seen is less certain


def test_learning_keeps_a_record_that_results_can_read(tmp_path):
    said, stored = [], tmp_path / "strength.strength_form.nc"
    law = EdgeStrength().strength_form.law
    assert isinstance(law, LearnableLaw)
    found = law.learn(map, 7, stored, said.append)
    assert found.fingerprint == law.fingerprint
    assert said[0].startswith("log(measured / theory) from 10 rows")
    kept = results.load(stored)
    assert kept.attrs["fingerprint"] == law.fingerprint
    data = kept["observed_data"].to_dataset()
    assert len(data.data_vars) == len(found.rows_K)
    assert all(
        {"units", "long_name", "note", "verified", "log_sd"} <= set(one.attrs) for one in data.data_vars.values()
    )
    drawn, prior = kept["posterior/log_ratio"], kept["prior/log_ratio"]
    assert drawn.dims == ("chain", "draw", "temperature")
    # a thousand draws at six temperatures: five standard errors, false-alarm rate 4e-6
    for k, at in enumerate(drawn["temperature"].values):
        mean, sd = found.at(float(at))
        assert abs(float(drawn[..., k].mean()) - mean) < 5 * sd / 1000**0.5
        assert float(drawn[..., k].std()) == pytest.approx(sd, rel=5 / 2000**0.5)
        assert float(prior[..., k].std()) > 2 * sd
    written = stored.read_bytes()
    law.learn(map, 7, stored, said.append)
    assert stored.read_bytes() == written  # same fingerprint: left as it is


def test_the_fingerprint_knows_recipe_and_settings():
    one = EdgeStrength().strength_form.law.fingerprint
    assert EdgeStrength().strength_form.law.fingerprint == one
    assert EdgeStrength(interpolation="two_branch").strength_form.law.fingerprint != one
    other = EdgeStrength(strength_form=Epistemic(MeasuredElsewhere(window=160.0)))
    assert other.strength_form.law.fingerprint != one


def test_a_refinement_of_the_recipe_learns_again():
    finer = replace(learnt(), interpolation="two_branch")
    law = finer.strength_form.law
    assert isinstance(law, LearntForm)
    assert law.elsewhere.recipe.interpolation == "two_branch"
    assert np.abs(law.mean - learnt().strength_form.law.mean).max() > 1e-3


def test_what_cannot_be_learnt_is_refused():
    with pytest.raises(StudyError, match="alloy = NbTaTi"):
        MeasuredElsewhere(alloy="NbTaTi")
    with pytest.raises(StudyError, match="is for fcc crystals"):
        EdgeStrength(theory="fcc_varvenne_2016")
    assert EdgeStrength(theory="fcc_varvenne_2016", strength_form=Epistemic(Normal(0.0, 0.2))).elsewhere is None
    with pytest.raises(StudyError, match="told its theory"):
        _ = MeasuredElsewhere().fingerprint
    with pytest.raises(StudyError, match="strain_rate"):
        EdgeStrength(strain_rate=0.0)
    with pytest.raises(StudyError, match="no computable fcc"):
        published_crystal("MoNbTaW", "fcc")
    with pytest.raises(StudyError, match="window = -1"):
        MeasuredElsewhere(window=-1.0)
    lacking = upto("strength") | {"potential_elements": np.array([42, 41, 73, 23])}
    with pytest.raises(MemberFailed, match="no parameters for W"):
        step(learnt(), lacking)
    with pytest.raises(MemberFailed, match="the member has no Nb, Ta"):
        step(learnt(), crystal_ports((0.5, 0.5), elements=("Mo", "W")))
    with pytest.raises(MemberFailed, match="no misfit"):
        step(learnt(), crystal_ports((1.0, 0.0, 0.0, 0.0)))
