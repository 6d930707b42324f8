"""The strengthening theory against published numbers, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm import tables
from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.strength import (
    INTERPOLATIONS,
    MODULUS_RULES,
    THEORIES,
    effective_moduli,
    is_stable,
    solute_strength,
    yield_stress_MPa,
)

FCC, BCC = THEORIES["fcc_varvenne_2016"], THEORIES["bcc_edge_maresca_2020"]
COLD = {"temperature_K": 0.0, "strain_rate_per_s": 1e-3}


def volumes(elements, phase):
    table = {
        r["material"]: float(r["value"])
        for r in tables.rows("reference.csv")
        if r["quantity"] == "atomic_volume_for_misfit" and r["phase"].startswith(phase)
    }
    return np.array([table[e] for e in elements])


def alloy_stress(elements, theory, mu, nu, temperature_K, **choices):
    cells, phase = (4, "fcc") if theory is FCC else (2, "bcc")
    V = volumes(elements, phase)
    burgers = np.cbrt(cells * V.mean()) * theory.burgers_per_a
    c = np.full(len(V), 1 / len(V))
    found = solute_strength(
        mu, nu, burgers, c, V - V.mean(), temperature_K=temperature_K, strain_rate_per_s=1e-3, theory=theory, **choices
    )
    return 3.06 * found.tau_MPa


def test_monbtavw_meets_the_published_curve():
    sigma = alloy_stress(["Mo", "Nb", "Ta", "V", "W"], BCC, 92, 0.433, [873, 1273])
    np.testing.assert_allclose(sigma, [924, 658], rtol=0.005)


def test_cocrfeni_over_temperature():
    sigma = alloy_stress(["Co", "Cr", "Fe", "Ni"], FCC, 84, 0.28, [0, 203, 292, 473, 673])
    np.testing.assert_allclose(sigma, [231, 136, 115, 75, 47], atol=0.8)


def test_cantor_alloy_at_room_temperature():
    sigma = alloy_stress(["Co", "Cr", "Fe", "Mn", "Ni"], FCC, 80, 0.265, 293)
    np.testing.assert_allclose(sigma, [121], atol=0.5)


def test_the_two_interpolations_differ_by_at_most_seven_percent():
    T = np.linspace(1, 2000, 500)
    two, one = (
        alloy_stress(["Mo", "Nb", "Ta", "V", "W"], BCC, 92, 0.433, T, interpolation=name) for name in INTERPOLATIONS
    )
    gap = np.abs(np.log(one / two)).max()
    assert 0.02 < gap < 0.07
    assert np.all(np.diff(one) < 0)


def test_scaling_laws():
    c, dV = np.full(4, 0.25), np.array([-1.0, 0.5, 1.5, -1.0])
    ref = solute_strength(80, 0.3, 2.8, c, dV, **COLD, theory=BCC)
    doubled = solute_strength(80, 0.3, 2.8, c, 2 * dV, **COLD, theory=BCC)
    stiff = solute_strength(160, 0.3, 2.8, c, dV, **COLD, theory=BCC)
    np.testing.assert_allclose(doubled.tau_y0_MPa / ref.tau_y0_MPa, 2 ** (4 / 3), rtol=1e-13)
    np.testing.assert_allclose(doubled.barrier_eV / ref.barrier_eV, 2 ** (2 / 3), rtol=1e-13)
    np.testing.assert_allclose(stiff.barrier_eV / ref.barrier_eV, 2, rtol=1e-13)
    np.testing.assert_array_equal(ref.tau_MPa, ref.tau_y0_MPa)  # 0 K
    fast = solute_strength(
        80, 0.3, 2.8, c, dV, temperature_K=1500, strain_rate_per_s=BCC.reference_rate_per_s, theory=BCC
    )
    np.testing.assert_array_equal(fast.tau_MPa, fast.tau_y0_MPa)  # the attempt rate itself
    spread = solute_strength(80, 0.3, 2.8, c, 0 * dV, **COLD, theory=BCC, misfit_spread_A3=np.sqrt(c @ dV**2))
    np.testing.assert_allclose(spread.tau_y0_MPa, ref.tau_y0_MPa, rtol=1e-13)


def test_barrier_in_electronvolt_from_joules():
    c, dV = np.full(2, 0.5), np.array([1.0, -1.0])
    found = solute_strength(100, 0.25, 2.5, c, dV, **COLD, theory=FCC).barrier_eV
    q = 1.0 / 2.5**6
    joule = 1.5618 * 0.123 ** (1 / 3) * 100e9 * 2.5e-10**3 * (1.25 / 0.75) ** (2 / 3) * q ** (1 / 3)
    np.testing.assert_allclose(found, joule / 1.602176634e-19, rtol=1e-12)


def test_no_misfit_no_strength():
    found = solute_strength(
        80, 0.3, 2.8, [0.5, 0.5], [0.0, 0.0], temperature_K=[0, 900], strain_rate_per_s=1e-3, theory=BCC
    )
    assert np.all(found.tau_MPa == 0)


@pytest.mark.parametrize("rule", MODULUS_RULES)
def test_all_rules_agree_on_an_isotropic_crystal(rule):
    C12, C44 = 120.0, 80.0
    m = effective_moduli(C12 + 2 * C44, C12, C44, rule)
    np.testing.assert_allclose(m.shear_GPa, C44, rtol=1e-13)
    np.testing.assert_allclose(m.poisson, C12 / (2 * (C12 + C44)), rtol=1e-13)


def test_hill_lies_between_the_bounds_and_meets_cantor():
    m = effective_moduli(195.9, 117.7, 129.3, "hill")
    young = 2 * m.shear_GPa * (1 + m.poisson)
    np.testing.assert_allclose([m.shear_GPa[0], young[0]], [80, 203], atol=0.6)


def test_unstable_members_are_named():
    assert is_stable([200.0, 100.0], [100.0, 110.0], [80.0, 80.0]).tolist() == [True, False]
    with pytest.raises(Unstable, match=r"1 of 2 .* member 1 .*100\.0, 110\.0"):
        effective_moduli([200.0, 100.0], [100.0, 110.0], 80.0, "voigt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature_K": -1}, "temperature_K of member 0 is -1"),
        ({"poisson": 0.5}, "poisson"),
        ({"strain_rate_per_s": 0}, "strain_rate_per_s"),
        ({"fractions": [0.5, 0.4]}, "sum to 1"),
        ({"interpolation": "linear"}, "two_branch, smooth"),
    ],
)
def test_bad_input_is_refused(change, words):
    good = {
        "shear_GPa": 80,
        "poisson": 0.3,
        "burgers_A": 2.8,
        "fractions": [0.5, 0.5],
        "misfit_volumes_A3": [1, -1],
        "temperature_K": 300,
        "strain_rate_per_s": 1e-3,
        "theory": BCC,
    }
    with pytest.raises(StudyError, match=words):
        solute_strength(**(good | change))
    with pytest.raises(StudyError, match="cubic_edge"):
        effective_moduli(200, 100, 80, "reuss")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from(INTERPOLATIONS))
def test_a_member_does_not_know_its_batch_mates(seed, members, interpolation):
    rng = np.random.default_rng(seed)
    C44, C12 = rng.uniform(50, 150, (2, members))
    C11 = C12 + rng.uniform(20, 200, members)
    c = rng.dirichlet(np.ones(4), members)
    dV, T = rng.normal(0, 1, (members, 4)), rng.uniform(0, 2000, members)

    def tau(sel):
        m = effective_moduli(C11[sel], C12[sel], C44[sel], "hill")
        found = solute_strength(
            m.shear_GPa,
            m.poisson,
            2.8,
            c[sel],
            dV[sel],
            temperature_K=T[sel],
            strain_rate_per_s=1e-3,
            theory=BCC,
            interpolation=interpolation,
        )
        return yield_stress_MPa(found.tau_MPa, 3.06, 300.0, 50.0)

    together = tau(np.arange(members))
    order = rng.permutation(members)
    alone = np.concatenate([tau(np.array([i])) for i in range(members)])
    assert together.tobytes() == alone.tobytes()
    assert together[order].tobytes() == tau(order).tobytes()


def test_hall_petch():
    np.testing.assert_allclose(yield_stress_MPa(100, 3, 276, [4.0, np.inf]), [438, 300])
    with pytest.raises(StudyError, match="grain_size_um"):
        yield_stress_MPa(100, 3, 276, 0.0)
