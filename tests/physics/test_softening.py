"""The laws of softening and expansion: limits, tables, averages."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.softening import alloy_softening, element_softening, lattice_at, moduli_at, warmth_K

REFRACTORY = ("Mo", "Nb", "Ta", "W")


def test_warmth_is_flat_when_cold_and_linear_when_hot():
    t = 300.0
    assert warmth_K(0.0, t) == 0.0
    assert warmth_K(10.0, t) < 1e-9
    hot = np.array([3000.0, 6000.0])
    np.testing.assert_allclose(warmth_K(hot, t), hot - t / 2 + t**2 / (12 * hot), rtol=1e-5)


def test_expansion_at_298_K_is_the_measured_one():
    found = element_softening(REFRACTORY)
    h = 0.01
    up, down = (lattice_at(1.0, 298 + s * h, found.einstein_K, found.expansion_per_K) for s in (1, -1))
    table = {
        r["material"]: float(r["value"])
        for r in tables.rows("reference.csv")
        if r["quantity"] == "linear_thermal_expansion"
    }
    np.testing.assert_allclose((up - down) / (2 * h), [1e-6 * table[e] for e in REFRACTORY], rtol=1e-6)
    np.testing.assert_allclose(found.expansion_sd_per_K / found.expansion_per_K, 0.06)  # 3 %, unverified: twice


def test_moduli_soften_by_the_slope_per_kelvin_when_hot():
    law = alloy_softening(element_softening(REFRACTORY), np.full(4, 0.25))
    C0 = np.array([350.0, 169.0, 93.0])
    one, two = (moduli_at(C0, T, law.einstein_K, law.slope_per_K) for T in (2000.0, 2001.0))
    np.testing.assert_allclose((one - two) / C0, law.slope_per_K, rtol=2e-3)
    np.testing.assert_array_equal(moduli_at(C0, 0.0, law.einstein_K, law.slope_per_K), C0)
    np.testing.assert_allclose(law.slope_per_K, [1.025e-4, 0.175e-4, 1.2e-4], rtol=1e-12)


def test_spread_is_averaged_not_shrunk_by_the_number_of_elements():
    of = element_softening(REFRACTORY)
    law = alloy_softening(of, np.full(4, 0.25))
    np.testing.assert_allclose(law.slope_sd_per_K, of.slope_sd_per_K.mean(axis=0), rtol=1e-14)


def test_every_slope_is_wide_and_says_where_it_comes_from():
    for row in tables.rows("moduli_softening.csv"):
        assert row["verified"] == "no"
        assert len(row["source"]) > 20
        assert all(float(row[f"{c}_slope_sd"]) >= 0.25 * float(row[f"{c}_slope"]) for c in ("C11", "C12", "C44"))


def test_a_member_does_not_know_its_batch_mates():
    rng = np.random.default_rng(5)
    of = element_softening(REFRACTORY)
    c, T = rng.dirichlet(np.ones(4), 23), rng.uniform(0, 2000, 23)

    def run(sel):
        law = alloy_softening(of, c[sel])
        return moduli_at(np.full((len(sel), 3), 100.0), T[sel], law.einstein_K, law.slope_per_K)

    together = run(np.arange(23))
    alone = np.concatenate([run(np.array([i])) for i in range(23)])
    assert together.tobytes() == alone.tobytes()


def test_unknown_element_and_negative_temperature():
    with pytest.raises(StudyError, match="'Xx'"):
        element_softening(["Mo", "Xx"])
    with pytest.raises(StudyError, match="kelvin"):
        warmth_K(-1.0, 300.0)
    with pytest.raises(StudyError, match="3 fractions for 4"):
        alloy_softening(element_softening(REFRACTORY), [0.5, 0.2, 0.3])


def test_one_deviate_moves_slopes_and_expansion_by_their_standard_deviations():
    law = alloy_softening(element_softening(("Mo", "W")), [[0.5, 0.5], [0.2, 0.8]])
    z = np.array([1.5, -2.0])
    moved = law.deviated(z)
    np.testing.assert_allclose(
        (moved.slope_per_K - law.slope_per_K) / law.slope_sd_per_K, np.repeat(z, 3).reshape(2, 3)
    )
    np.testing.assert_allclose((moved.expansion_per_K - law.expansion_per_K) / law.expansion_sd_per_K, z)
    assert np.all(law.expansion_sd_per_K > 0)
    assert law.deviated(0.0).expansion_per_K.tobytes() == law.expansion_per_K.tobytes()
