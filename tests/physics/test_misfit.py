"""Misfit volumes: exact laws of swaps, twins without misfit, and the average atom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.misfit import misfit_volumes, swaps
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.statics import statics
from uqmsm.physics.potential import tabulated, zhou
from uqmsm.physics.potential.average_atom import average_atom

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
TABLES = tabulated.tabulate(zhou.published(ELEMENTS))
POTENTIAL = interpolate(TABLES)


def at_rest(composition, cells, seed, potential=POTENTIAL):
    species = configuration(composition, cells, "bcc", np.random.default_rng(seed))
    cell = np.diag(3.22 * np.array(cells, dtype=float))
    return relax(potential, Crystal(species, sites("bcc", cells) @ cell, cell))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 6), min_size=2, max_size=5), st.floats(0.03, 0.2))
def test_swaps_step_equally_to_and_from_each_element(seed, parts, step):
    composition = np.array(parts) / sum(parts)
    rng = np.random.default_rng(seed)
    species = configuration(composition, (4, 4, 4), "bcc", rng)
    k = len(composition)
    for target, towards, away in swaps(species, composition, step, rng.permutation(128)):
        here, plus, minus = (np.bincount(s, minlength=k) for s in (species, towards, away))
        assert np.array_equal(plus - here, here - minus)
        assert (plus - here)[target] > 0
        # towards the target, the others give way in proportion to their shares, to within an atom
        others = np.arange(k) != target
        fair = composition[others] / composition[others].sum() * (plus - here)[target]
        assert np.abs((here - plus)[others] - fair).max() <= 1.0
        assert ((towards != species) <= (towards == target)).all()
        assert ((away != species) <= (species == target)).all()


def test_twins_have_no_misfit_and_a_third_sees_them_alike():
    # Two names for one element: a random alloy of them is a perfect crystal and nothing may swell.
    pair = TABLES.pair[:1, :1]
    twins = replace(
        TABLES,
        elements=("Mo", "Mo'"),
        density=TABLES.density[[0, 0]],
        pair=np.tile(pair, (2, 2, 1)),
        embedding=TABLES.embedding[[0, 0]],
    )
    potential = interpolate(twins)
    rest = at_rest([0.5, 0.5], (3, 3, 3), 0, potential)
    found = misfit_volumes(potential, rest, [0.5, 0.5], np.random.default_rng(1), n_families=2)
    assert np.abs(found.volumes).max() < 1e-9


@pytest.mark.parametrize("composition", [(0.25, 0.25, 0.25, 0.25), (0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.0, 0.0)])
def test_misfits_sum_to_zero_exactly(composition):
    rest = at_rest(composition, (3, 3, 3), 2)
    found = misfit_volumes(POTENTIAL, rest, composition, np.random.default_rng(3), n_families=2)
    assert abs(np.dot(composition, found.volumes)) < 1e-15
    assert np.abs(found.families @ np.array(composition)).max() < 1e-14
    assert np.isfinite(found.standard_errors).all()


def test_misfits_agree_with_the_average_atom():
    # The average atom leaves out local distortion, which for these refractory metals moves misfits by one or two per
    # cent of the largest; beyond that only chance may separate them (4 standard errors of 4 families).
    composition, cells = np.full(4, 0.25), (5, 5, 5)
    rng = np.random.default_rng(4)
    species = configuration(composition, cells, "bcc", rng)
    found = statics(TABLES, species, composition, sites("bcc", cells), cells=cells, a_guess_A=3.22, rng=rng)
    theory = average_atom(zhou.published(ELEMENTS).values, composition, "bcc")
    largest = np.abs(theory.misfit_volumes).max()
    assert (
        np.abs(found.misfit_volumes - theory.misfit_volumes).max() < 0.03 * largest + 4 * found.misfit_volumes_se.max()
    )
    assert (np.sign(found.misfit_volumes) == [-1, 1, 1, -1]).all()
    assert (found.misfit_volumes_se < 0.02 * largest).all()


def test_standard_errors_tell_the_scatter_between_streams():
    # 12 independent estimates of one crystal's misfits; their scatter over the mean stated error follows F with
    # (11, 24) degrees: the band below has a false-alarm rate of about 1e-3 per element.
    rest = at_rest(np.full(4, 0.25), (3, 3, 3), 5)
    runs = [
        misfit_volumes(POTENTIAL, rest, np.full(4, 0.25), np.random.default_rng((6, k)), n_families=3)
        for k in range(12)
    ]
    seen = np.var([r.volumes for r in runs], axis=0, ddof=1)
    stated = np.mean([r.standard_errors**2 for r in runs], axis=0)
    assert (seen / stated < 4.6).all()
    assert (seen / stated > 0.12).all()


def test_the_result_does_not_depend_on_the_step():
    # central differences: the curvature of v(c) cancels, so steps of 1/16 and 1/6 differ by chance alone (4 errors)
    rest = at_rest(np.full(4, 0.25), (4, 4, 4), 7)
    fine, coarse = (
        misfit_volumes(POTENTIAL, rest, np.full(4, 0.25), np.random.default_rng(8), n_families=4, step=s)
        for s in (1 / 16, 1 / 6)
    )
    error = np.hypot(fine.standard_errors, coarse.standard_errors)
    assert (np.abs(fine.volumes - coarse.volumes) < 4 * error + 0.005).all()


def test_one_family_has_no_error_and_wrong_input_is_refused():
    rest = at_rest(np.full(4, 0.25), (2, 2, 2), 9)
    assert np.isnan(
        misfit_volumes(POTENTIAL, rest, np.full(4, 0.25), np.random.default_rng(0), n_families=1).standard_errors
    ).all()
    with pytest.raises(StudyError, match="4 atomic fractions"):
        misfit_volumes(POTENTIAL, rest, [0.5, 0.5], np.random.default_rng(0))
