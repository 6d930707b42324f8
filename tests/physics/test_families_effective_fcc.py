"""Effective fcc elements: nickel scaled, exactly; the random Cantor cell that it gives before any calibration."""

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.statics import statics
from uqmsm.physics.potential import free_from, published, pure_crystals, tabulate, zhou_from_free
from uqmsm.physics.potential.effective_fcc import effective_fcc, scales, whole_cutoff

CANTOR = ("Co", "Cr", "Fe", "Mn", "Ni")
VOLUMES = {"Co": 11.12, "Cr": 12.27, "Fe": 12.09, "Mn": 12.60, "Ni": 10.94}


def test_a_scaled_crystal_is_nickel_in_other_units():
    """Lengths by s and energies by e: moduli go by e / s^3, to rounding."""
    own, nickel = pure_crystals(effective_fcc(CANTOR).values, "fcc"), pure_crystals(published(("Ni",)).values, "fcc")
    of = scales(CANTOR)
    assert own.lattice_parameter**3 / 4 == pytest.approx([VOLUMES[one] for one in CANTOR], rel=1e-9)
    assert own.cohesive_energy == pytest.approx(of.energy * nickel.cohesive_energy[0], rel=1e-12)
    for constant in ("C11", "C12", "C44"):
        expected = getattr(nickel, constant)[0] * of.energy / of.length**3
        assert getattr(own, constant) == pytest.approx(expected, rel=1e-9)


def test_the_free_parameters_give_the_same_potential_again():
    zhou = effective_fcc(CANTOR)
    again = zhou_from_free(CANTOR, free_from(zhou, "fcc"), "fcc")
    one, other = pure_crystals(zhou.values, "fcc"), pure_crystals(again, "fcc")
    for name in ("lattice_parameter", "cohesive_energy", "C11", "C12", "C44"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-6)


def test_the_random_cantor_cell_before_calibration():
    """3.611 A and 203, 123, 103 GPa were computed with another code in another cell; cells scatter by about 1 %."""
    zhou, cells = effective_fcc(CANTOR), (5, 5, 5)
    rng = np.random.default_rng(1)
    crystal = statics(
        tabulate(zhou, cutoff_angstrom=whole_cutoff(zhou.values)),
        configuration((0.2,) * 5, cells, "fcc", rng),
        (0.2,) * 5,
        sites("fcc", cells),
        cells=cells,
        a_guess_A=3.6,
        rng=rng,
        n_families=0,
    )
    assert crystal.lattice_parameter == pytest.approx(3.611, abs=0.002)
    found = np.array([crystal.C11, crystal.C12, crystal.C44])
    assert found == pytest.approx(np.array([203.0, 123.0, 103.0]), rel=0.015)


def test_strangers_are_refused_by_name():
    with pytest.raises(StudyError, match=r"Cu: no effective fcc element.*Co, Cr, Fe, Mn, Ni"):
        effective_fcc(("Ni", "Cu"))
