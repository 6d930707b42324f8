"""Bounds and estimates: their order, their common points, and second ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.rve import bounds, random_orientations
from uqmsm.physics.rve.laminate import laminate_GPa
from uqmsm.physics.tensors import (
    cubic_stiffness,
    isotropic_moduli,
    isotropic_stiffness,
    rotate_stiffness,
    voigt_to_mandel,
)

moduli = st.floats(1.0, 500.0)
CANTOR_LIKE = (196.0, 118.0, 129.0)


def cubic(bulk: float, first: float, second: float) -> tuple[float, float, float]:
    return bulk + 4.0 * first / 3.0, bulk - 2.0 * first / 3.0, second


@given(moduli, moduli, moduli)
def test_estimates_of_a_cubic_polycrystal_are_ordered(bulk, first, second):
    crystal = cubic(bulk, first, second)
    voigt, reuss = bounds.cubic_voigt_reuss_GPa(*crystal)
    lower, upper = bounds.cubic_hashin_shtrikman_GPa(*crystal)
    middle = bounds.cubic_self_consistent_GPa(*crystal)
    chain = np.array([reuss, lower, middle, upper, voigt])
    assert np.all(np.diff(chain) >= -1e-9 * voigt)
    assume(abs(first - second) > 0.01 * first)
    assert np.all(np.diff(chain) > 0)


@given(moduli, moduli)
def test_an_isotropic_crystal_leaves_no_doubt(bulk, shear):
    crystal = cubic(bulk, shear, shear)
    found = [*bounds.cubic_voigt_reuss_GPa(*crystal), *bounds.cubic_hashin_shtrikman_GPa(*crystal)]
    assert [*found, bounds.cubic_self_consistent_GPa(*crystal)] == pytest.approx([shear] * 5, rel=1e-9)
    assert bounds.universal_anisotropy(cubic_stiffness(*crystal)) == pytest.approx(0.0, abs=1e-10)


@given(moduli, moduli, moduli)
def test_self_consistent_is_a_sphere_of_crystal_in_the_polycrystal(bulk, first, second):
    shear = bounds.cubic_self_consistent_GPa(*cubic(bulk, first, second))
    beta = 6 * (bulk + 2 * shear) / (5 * (3 * bulk + 4 * shear))  # Eshelby's tensor of a sphere, deviatoric part
    left_over = sum(
        share * (own - shear) / (1 + beta * (own / shear - 1)) for share, own in ((0.4, first), (0.6, second))
    )
    assert left_over == pytest.approx(0.0, abs=1e-8 * max(first, second))


def test_published_case_of_a_cantor_like_crystal():
    voigt, reuss = bounds.cubic_voigt_reuss_GPa(*CANTOR_LIKE)
    lower, upper = bounds.cubic_hashin_shtrikman_GPa(*CANTOR_LIKE)
    found = [reuss, lower, bounds.cubic_self_consistent_GPa(*CANTOR_LIKE), upper, voigt]
    assert found == pytest.approx([67.08, 77.08, 80.90, 83.26, 93.0], abs=0.005)


def test_voigt_and_reuss_of_many_orientations_are_the_closed_forms():
    turned = rotate_stiffness(cubic_stiffness(*CANTOR_LIKE), random_orientations(np.random.default_rng(1), 4000))
    stiff, soft = bounds.voigt_reuss_GPa(turned, np.full(4000, 1 / 4000))
    expected = bounds.cubic_voigt_reuss_GPa(*CANTOR_LIKE)
    # The isotropic part of the average is the average of the isotropic parts, and so exact for any sample; the
    # Reuss average is inverted afterwards, which leaves a remainder of the second order in the residual texture.
    assert float(isotropic_moduli(stiff)[1]) == pytest.approx(expected[0], rel=1e-12)
    assert np.linalg.inv(soft)[:3, :3].sum() == pytest.approx(1 / 144.0, rel=1e-12)
    assert float(isotropic_moduli(soft)[1]) == pytest.approx(expected[1], abs=0.4)


@given(moduli, moduli, moduli)
def test_universal_anisotropy_of_a_cubic_crystal(bulk, first, second):
    crystal = cubic(bulk, first, second)
    voigt, reuss = bounds.cubic_voigt_reuss_GPa(*crystal)
    index = bounds.universal_anisotropy(cubic_stiffness(*crystal))
    assert index == pytest.approx(5 * voigt / reuss - 5, rel=1e-6, abs=1e-9)


@given(moduli, moduli, st.floats(1.0, 20.0), st.floats(1.0, 20.0), st.floats(0.0, 1.0))
def test_two_phase_bounds_lie_between_voigt_and_reuss(bulk, shear, bulk_ratio, shear_ratio, share):
    bulks, shears = (bulk, bulk * bulk_ratio), (shear, shear * shear_ratio)
    for pair, (lower, upper) in zip(
        (bulks, shears), bounds.two_phase_hashin_shtrikman_GPa(bulks, shears, share), strict=True
    ):
        reuss = 1 / ((1 - share) / pair[0] + share / pair[1])
        voigt = (1 - share) * pair[0] + share * pair[1]
        slack = 1e-12 * voigt
        assert reuss - slack <= lower <= upper + slack <= voigt + 2 * slack


@given(moduli, moduli, moduli, st.floats(0.0, 1.0))
def test_two_phase_bounds_close_on_hills_exact_case(bulk, other, shear, share):
    expected = bounds.hill_uniform_shear_GPa(np.array([bulk, other]), np.array([1 - share, share]), shear)
    (lower, upper), shears = bounds.two_phase_hashin_shtrikman_GPa((bulk, other), (shear, shear), share)
    assert [lower, upper] == pytest.approx([expected] * 2, rel=1e-10)
    assert shears == pytest.approx((shear, shear), rel=1e-12)


@given(moduli, moduli, st.floats(1.1, 20.0), st.floats(1.1, 20.0))
def test_few_spheres_are_the_tangent_of_the_lower_bound(bulk, shear, bulk_ratio, shear_ratio):
    bulks, shears, share = (bulk, bulk * bulk_ratio), (shear, shear * shear_ratio), 1e-5
    lower = [pair[0] for pair in bounds.two_phase_hashin_shtrikman_GPa(bulks, shears, share)]
    dilute = bounds.dilute_spheres_GPa(bulks, shears, share)
    gains = np.array(lower) - [bulk, shear]
    assert np.array(dilute) - [bulk, shear] == pytest.approx(gains, rel=1e-3)


def test_isotropic_layers_have_backus_closed_form():
    bulk, shear = np.array([100.0, 30.0, 160.0]), np.array([60.0, 5.0, 80.0])
    share = np.array([0.5, 0.2, 0.3])
    layers = np.array([isotropic_stiffness(k, g) for k, g in zip(bulk, shear, strict=True)])
    stack = laminate_GPa(layers, share, 2)

    def mean(values):
        return float(share @ values)

    c11, c13, c33 = bulk + 4 * shear / 3, bulk - 2 * shear / 3, bulk + 4 * shear / 3
    across = 1 / mean(1 / c33)
    assert stack[2, 2] == pytest.approx(across, rel=1e-13)
    assert stack[3, 3] == pytest.approx(1 / mean(1 / shear), rel=1e-13)
    assert stack[5, 5] == pytest.approx(mean(shear), rel=1e-13)
    assert stack[0, 2] == pytest.approx(mean(c13 / c33) * across, rel=1e-13)
    assert stack[0, 0] == pytest.approx(mean(c11 - c13**2 / c33) + mean(c13 / c33) ** 2 * across, rel=1e-13)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_laminates_obey_voigt_and_reuss(axis):
    turns = random_orientations(np.random.default_rng(2), 4)
    layers, share = rotate_stiffness(cubic_stiffness(*CANTOR_LIKE), turns), np.array([0.1, 0.2, 0.3, 0.4])
    stiff, soft = bounds.voigt_reuss_GPa(layers, share)
    stack = laminate_GPa(layers, share, axis)
    assert np.linalg.eigvalsh(voigt_to_mandel(stiff - stack)).min() > -1e-10
    assert np.linalg.eigvalsh(voigt_to_mandel(stack - soft)).min() > -1e-10
    assert laminate_GPa(layers[[0, 0]], np.array([0.5, 0.5]), axis) == pytest.approx(layers[0], rel=1e-12)


def test_bad_input():
    with pytest.raises(StudyError, match="Born"):
        bounds.cubic_self_consistent_GPa(100.0, 110.0, 50.0)
    with pytest.raises(StudyError, match="well ordered"):
        bounds.two_phase_hashin_shtrikman_GPa((10.0, 20.0), (10.0, 5.0), 0.5)
    with pytest.raises(StudyError, match="lie in"):
        bounds.two_phase_hashin_shtrikman_GPa((10.0, 20.0), (5.0, 10.0), 1.5)
    with pytest.raises(StudyError, match="normal_axis"):
        laminate_GPa(np.eye(6)[None], np.ones(1), 3)
    with pytest.raises(StudyError, match="sum to"):
        laminate_GPa(np.eye(6)[None], np.full(1, 0.9), 2)
