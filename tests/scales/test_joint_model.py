"""Functional by functional: an independent transcription of the likelihood, and ratios that are what they say."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from uqmsm.errors import StudyError
from uqmsm.physics.dft.chosen import quantities_of
from uqmsm.physics.potential import arrangement, free_from, published, pure_crystals, undistorted, zhou_from_free
from uqmsm.scales.potential.first_principles import KINDS, FirstPrinciples, first_principles
from uqmsm.scales.potential.joint import Functionals, JointModel
from uqmsm.scales.potential.model import CalibrationModel, RelaxedRatio
from uqmsm.scales.potential.targets import targets

PAIR = ("Mo", "W")
EQUAL = (0.5, 0.5)
CUBE = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
B2 = arrangement("bcc", CUBE, [[0, 0, 0], [0.5, 0.5, 0.5]], [0, 1], 2)
B32 = arrangement(
    "bcc",
    [[1, 1, 0], [0, 1, 1], [1, 0, 1]],
    [[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1], [0.5, 0.5, 1.5]],
    [0, 0, 1, 1],
    2,
)
RATIO = RelaxedRatio((0.0, -0.01, -0.01, -0.03), (0.001, 0.02, 0.02, 0.02))


def said(count=3, spread=1.0):
    rng = np.random.default_rng(4)
    centre = np.array([0.001, -0.02, 0.002, -0.03])
    values = centre + spread * rng.standard_normal((count, 4)) * np.array([0.001, 0.01, 0.001, 0.01])
    return FirstPrinciples(
        functionals=tuple(range(count)),
        cells=(B2, B32),
        cell=np.array([0, 0, 1, 1]),
        kind=np.array([0, 1, 0, 1]),
        values=values,
        numerical_sd=np.array([5e-4, 2e-3, 5e-4, 2e-3]),
        labels=("B2 lattice", "B2 energy", "B32 lattice", "B32 energy"),
    )


PLAIN = CalibrationModel(PAIR, EQUAL, "bcc", targets(PAIR, EQUAL, "bcc"), RATIO)
JOINT = JointModel(PAIR, EQUAL, "bcc", PLAIN.data, RATIO, said=said())


def points(count, seed=0):
    start = np.concatenate([free_from(published(PAIR), "bcc"), JOINT.prior_mean[-5:]])
    return start + 0.01 * np.random.default_rng(seed).standard_normal((count, len(start)))


def test_b32_has_eight_unlike_second_neighbours_and_none_among_the_first():
    assert B32.counts.shape[0] == 4
    assert B32.counts[0, 0].tolist() == [4.0, 4.0]
    assert B2.counts[0, 0].tolist() == [0.0, 8.0]


@pytest.mark.parametrize("functional", [None, 0, 2])
def test_the_density_is_prior_times_likelihood_as_written_down(functional):
    model = replace(JOINT, functional=functional)
    data = said()
    for point in points(4):
        values = zhou_from_free(PAIR, point[None, : model.free_count], "bcc")
        pure = pure_crystals(values, "bcc")
        expected = PLAIN.log_density(point[None, :-1])[0][0]
        expected += stats.norm.logpdf(point[-1], np.log(0.02), 1.0)
        f, s = np.empty(4), np.empty(4)
        for n in range(4):
            found = undistorted(values, (B2, B32)[n // 2])
            if n % 2 == 0:
                f[n] = np.log(found.lattice_parameter[0] / pure.lattice_parameter[0].mean())
                s[n] = np.exp(point[-5])
            else:
                f[n], s[n] = found.energy[0] + pure.cohesive_energy[0].mean(), np.exp(point[-1])
        y = data.values.mean(axis=0) if functional is None else data.values[functional]
        extra = np.cov(data.values.T) if functional is None else np.zeros((4, 4))
        expected += stats.multivariate_normal.logpdf(y, f, np.diag(s**2 + data.numerical_sd**2) + extra)
        value, reason = model.log_density(point[None])
        assert reason[0] == 0
        assert value[0] == pytest.approx(expected, abs=1e-9)


def test_the_ratios_are_those_of_the_densities():
    family = Functionals(JOINT)
    at = points(6, seed=3)
    base = JOINT.log_density(at)[0]
    direct = np.stack([family.given(k).log_density(at)[0] - base for k in range(len(family))])
    assert np.allclose(family.log_ratios(at), direct, atol=1e-9)


def test_functionals_that_agree_leave_no_trace():
    family = Functionals(replace(JOINT, said=said(spread=0.0)))
    assert np.abs(family.log_ratios(points(5))).max() < 1e-12


def test_a_draw_does_not_depend_on_its_mates():
    at = points(5)
    together = JOINT.log_density(at)[0]
    assert [JOINT.log_density(one[None])[0][0] for one in at] == together.tolist()


def test_data_without_an_error_or_with_holes_are_refused():
    data = said()
    with pytest.raises(StudyError, match="numerical error"):
        replace(data, numerical_sd=np.zeros(4))
    with pytest.raises(StudyError, match="finite"):
        replace(data, values=np.full((3, 4), np.nan))


def with_constants():
    """Return the same with C44 of both elements, relative to their mean."""
    plain = said()
    rng = np.random.default_rng(9)
    apart = 0.2 + 0.05 * rng.standard_normal((3, 1))
    return replace(
        plain,
        cell=np.append(plain.cell, [0, 1]),
        kind=np.append(plain.kind, [KINDS.index("C44")] * 2),
        values=np.concatenate([plain.values, -apart, apart], axis=1),
        numerical_sd=np.append(plain.numerical_sd, [0.02, 0.03]),
        labels=(*plain.labels, "Mo.C44 relative", "W.C44 relative"),
    )


def test_elastic_constants_enter_relative_to_the_mean_of_the_elements():
    """Their inadequacy has the width of their class, and a factor common to all metals changes nothing."""
    model = replace(JOINT, said=with_constants(), functional=1)
    at = points(3, seed=5)
    values = zhou_from_free(PAIR, at[:, : model.free_count], "bcc")
    logs = np.log(pure_crystals(values, "bcc").C44)
    predicted, own = model.missed(at)
    assert predicted[:, 4:] == pytest.approx(logs - logs.mean(axis=1, keepdims=True))
    assert own[:, 4] == pytest.approx(np.exp(2 * at[:, model.names.index("ln_s_C44")]))
    assert own[:, 3] == pytest.approx(np.exp(2 * at[:, -1]))
    plain = replace(JOINT, functional=1)
    extra = model.log_density(at)[0] - plain.log_density(at)[0]
    miss = with_constants().values[1, 4:] - predicted[:, 4:]
    expected = stats.norm.logpdf(miss, 0, np.sqrt(own[:, 4:] + np.array([0.02, 0.03]) ** 2)).sum(axis=1)
    assert extra == pytest.approx(expected)


def test_independent_errors_about_an_unknown_offset_are_counted_by_deviations_from_the_mean():
    """The marginal likelihood over a flat common offset, by quadrature, is that over deviations, up to a constant."""
    sd = 0.03
    grid = np.linspace(-1, 1, 40_001)
    found = []
    for miss in np.array([[0.02, -0.01, 0.03], [0.10, -0.05, 0.01], [0.0, 0.0, 0.0]]):
        inside = stats.norm.logpdf(miss[:, None] - grid, 0, sd).sum(axis=0)
        marginal = np.log(np.trapezoid(np.exp(inside), grid))
        found.append(marginal - stats.norm.logpdf(miss - miss.mean(), 0, sd).sum())
    assert np.ptp(found) < 1e-9


def test_constants_follow_from_the_table_where_all_elements_were_strained():
    elements = ("Mo", "Nb", "Ta", "W")
    labels = first_principles(elements, "bcc", 4).labels
    for kind in ("C11", "C12", "C44"):
        there = [f"{element}.{kind} relative" in labels for element in elements]
        assert all(there) == any(there) == (kind in quantities_of(elements))


def test_a_tempered_likelihood_of_cells_is_flattened_too():
    cold, warm = (replace(JOINT, temperature=t, functional=0) for t in (1.0, 7.0))
    at = points(3)[:, : cold.free_count]
    one, seven = (
        m.log_density(at)[0] + 0.5 * (((at - m.prior_mean) / m.prior_sd) ** 2).sum(axis=1) for m in (cold, warm)
    )
    assert np.allclose(np.diff(seven), np.diff(one) / 7, rtol=1e-9)
    family = Functionals(replace(JOINT, temperature=7.0))
    direct = family.given(1).log_density(at)[0] - family.reference.log_density(at)[0]
    assert np.allclose(family.log_ratios(at)[1], direct, atol=1e-9)
