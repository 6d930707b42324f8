"""Derivatives of crystal properties: against differences of the independent code that has none, and against laws."""

import numpy as np
import pytest

from uqmsm.physics.potential import PER_ELEMENT, average_atom, free_from, free_names, published, zhou_from_free
from uqmsm.physics.potential.crystal import _crystal_at, shells
from uqmsm.physics.potential.sensitivity import column_slopes, sensitivity
from uqmsm.physics.potential.slopes import crystal_slopes
from uqmsm.physics.potential.zhou import FE, RHOE, RHOS

FOUR = ("Mo", "Nb", "Ta", "W")
SPREAD = (0.05, 0.1, 0.1, 0.04, 0.05, 0.2, 0.2, 0.08, 0.08, 0.1)


def around(elements, lattice, draws, seed):
    rng = np.random.default_rng(seed)
    names = free_names(elements)
    of = dict(zip(PER_ELEMENT, SPREAD, strict=True))
    width = np.array([of[name.partition(".")[2]] for name in names])
    return free_from(published(elements), lattice) + width * rng.standard_normal((draws, len(names)))


def answers(elements, vectors, composition, lattice):
    """Return logarithms of the properties, at an equilibrium two Newton steps sharper than `average_atom` leaves it.

    What it leaves (1e-10) is a smooth function of the parameters too, whose slope would be the largest error here.
    """
    values, of = zhou_from_free(elements, vectors, lattice), shells(lattice)
    found = average_atom(values, composition, lattice, with_misfits=False)
    out = []
    for rows, a, fine in zip(values, found.lattice_parameter, found.status == 0, strict=True):
        at = (rows, np.array(composition), of.table(), of.atoms)
        for _ in range(2):
            now = _crystal_at(*at, a)
            a -= now[1] / now[2]  # noqa: PLW2901 - the same lattice, sharper
        now = _crystal_at(*at, a)
        out.append([a, -now[0], *now[3:6]] if fine else [np.nan] * 5)
    return np.log(out)


def differences(function, x, k, step):
    """Central differences of fourth order."""
    move = np.zeros(x.shape[-1])
    move[k] = step
    one, two = (function(x + f * move) - function(x - f * move) for f in (1, 2))
    return (8 * one - two) / (12 * step)


@pytest.mark.parametrize(
    ("elements", "composition", "lattice"),
    [
        (("W",), [1.0], "bcc"),
        (("Ni",), [1.0], "fcc"),
        (FOUR, [0.25] * 4, "bcc"),
        (FOUR, [0.1, 0.5, 0.4, 0.0], "bcc"),
        (("Ta", "W"), [0.0, 1.0], "bcc"),
        (("Ni", "Al"), [0.6, 0.4], "fcc"),
    ],
)
def test_slopes_are_those_of_differences(elements, composition, lattice):
    x = around(elements, lattice, 4, 3)
    found = sensitivity(elements, x, composition, lattice)
    exact = answers(elements, x, composition, lattice)
    fine = np.isfinite(exact).all(axis=1)
    assert fine.sum() >= 2
    assert np.allclose(found.logs[fine], exact[fine], rtol=0, atol=1e-8)
    for k in range(x.shape[1]):
        near = differences(lambda y: answers(elements, y, composition, lattice), x[fine], k, 4e-4)
        assert np.allclose(found.slopes[fine][:, :, k], near, rtol=1e-6, atol=1e-6), free_names(elements)[k]


def test_lattice_and_energy_of_an_element_are_parameters_of_their_own():
    found = sensitivity(("W",), around(("W",), "bcc", 5, 8), [1.0], "bcc")
    assert np.allclose(found.slopes[:, :2], np.eye(9)[:2], atol=1e-9)


def test_a_density_ratio_says_nothing_of_a_pure_element_and_something_of_the_alloy():
    names = free_names(("Ta", "W"))
    x, ratio = around(("Ta", "W"), "bcc", 3, 2), names.index("W.ln_fe_ratio")
    pure = sensitivity(("Ta", "W"), x, [0.0, 1.0], "bcc").slopes
    assert np.abs(pure[..., ratio]).max() < 1e-9
    assert np.abs(pure[..., [n.startswith("Ta") for n in names]]).max() < 1e-9
    assert np.abs(sensitivity(("Ta", "W"), x, [0.5, 0.5], "bcc").slopes[:, 2:, ratio]).min() > 1e-3


def test_scaling_all_densities_changes_nothing():
    values, _ = column_slopes(FOUR, around(FOUR, "bcc", 3, 4), "bcc")
    found, slopes = crystal_slopes(values, [0.25] * 4, "bcc")
    scaled = (slopes * values[:, None])[..., [FE, RHOE, RHOS]].sum(axis=(2, 3))
    assert np.abs(scaled / found).max() < 1e-9


def test_negative_control_a_lattice_that_stays_gives_other_stiffness_slopes():
    """What the equilibrium's own move contributes is not small: without it the comparison above would fail."""
    x = around(("W",), "bcc", 1, 3)
    values, _ = column_slopes(("W",), x, "bcc")
    answers_, slopes = crystal_slopes(values, [1.0], "bcc")
    assert np.abs(slopes[0, 0] / answers_[0, 0]).max() > 0.01


def test_draws_without_a_crystal_have_no_slopes_and_leave_others_alone():
    x = around(("W",), "bcc", 3, 3)
    alone = sensitivity(("W",), x[:1], [1.0], "bcc").slopes
    x[1, 6] = -50.0  # no upper branch
    found = sensitivity(("W",), x, [1.0], "bcc")
    assert np.isnan(found.slopes[1]).all()
    assert np.array_equal(found.slopes[:1], alone)
