"""Data for the potential: what counts as data, how wide, and the way to 0 K and back."""

import numpy as np
import pytest

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.softening import alloy_softening, element_softening, lattice_at, moduli_at
from uqmsm.scales.potential import targets as module
from uqmsm.scales.potential.targets import QUANTITIES, targets

ALLOY = ("Mo", "Nb", "Ta", "W")
EQUAL = (0.25,) * 4


def by_label(elements=ALLOY, composition=EQUAL, lattice="bcc"):
    return {target.label: target for target in targets(elements, composition, lattice)}


def test_five_numbers_per_element_and_four_of_the_alloy():
    found = by_label()
    assert len(found) == 24
    assert {f"{element}.{quantity}" for element in ALLOY for quantity in QUANTITIES} < set(found)
    assert {label for label in found if label.startswith("MoNbTaW")} == {
        "MoNbTaW.lattice_parameter", "MoNbTaW.C11", "MoNbTaW.C12", "MoNbTaW.C44",
    }  # fmt: skip
    assert found["MoNbTaW.C44"].kind == "dft"
    assert found["MoNbTaW.C44"].measured == 69.0


def test_numbers_computed_with_potentials_are_never_data():
    assert {target.kind for target in by_label().values()} <= {"exp", "dft"}
    assert any(row["kind"] == "eam" and row["material"] == "MoNbTaW" for row in tables.rows("reference.csv"))


def test_numbers_from_memory_enter_at_least_twice_as_wide():
    for label, target in by_label().items():
        assert not target.verified
        if "C" in label.partition(".")[2]:
            assert target.sd_printed >= 0.05
    found = by_label()
    assert found["W.lattice_parameter"].sd_printed == pytest.approx(2 * 0.002 / 3.165)
    assert found["W.cohesive_energy"].sd_printed == pytest.approx(2 * 0.05 / 8.9)
    assert found["W.C11"].sd_printed == pytest.approx(2 * 0.04)  # the upper end of 2-4 %
    assert found["MoNbTaW.C44"].sd_printed == pytest.approx(2 * 0.10)


def test_a_verified_row_is_preferred_and_taken_as_printed(monkeypatch):
    row = {
        "material": "W", "phase": "bcc", "quantity": "C11", "value": "530", "unit": "GPa", "uncertainty": "1%",
        "temperature_K": "0", "kind": "exp", "verified": "yes", "source": "read",
    }  # fmt: skip
    original = tables.rows

    def with_row(name):
        return [*original(name), row] if name == "reference.csv" else original(name)

    monkeypatch.setattr(module.tables, "rows", with_row)
    target = by_label(("W",), (1.0,))["W.C11"]
    assert (target.measured, target.sd_printed, target.verified) == (530.0, 0.01, True)
    row["uncertainty"] = "small"
    with pytest.raises(StudyError, match=r"W C11.*'small' is no number"):
        by_label(("W",), (1.0,))


def test_room_temperature_data_come_back_from_zero_kelvin():
    found = by_label()
    law = alloy_softening(element_softening(ALLOY), EQUAL)
    target = found["MoNbTaW.lattice_parameter"]
    assert lattice_at(target.value, 298.0, law.einstein_K, law.expansion_per_K) == pytest.approx(3.2134, rel=1e-12)
    assert 0.9980 < target.to_zero < 0.9995
    law = alloy_softening(element_softening(("W",)), (1.0,))
    cold = [found[f"W.{c}"].value for c in ("C11", "C12", "C44")]
    assert moduli_at(cold, 298.0, law.einstein_K, law.slope_per_K) == pytest.approx([522.4, 204.4, 160.6], rel=1e-12)
    assert found["W.C11"].sd_correction > 0


def test_a_lattice_at_rest_is_brought_to_zero_kelvin_with_zero_point_motion():
    """Half an Einstein quantum softens: C(0 K) lies on the line between rest and the hot limit."""
    target = by_label()["MoNbTaW.C44"]
    law = alloy_softening(element_softening(ALLOY), EQUAL)
    quantum = float(law.einstein_K) / 2
    assert target.value < target.measured
    rest = target.value * (1 - float(law.slope_per_K[2]) * -quantum)
    assert rest == pytest.approx(69.0)


def test_the_composition_decides_which_data_apply():
    assert not any(label.startswith("MoNbTaW") for label in by_label(composition=(0.3, 0.2, 0.25, 0.25)))
    assert by_label(("W", "Ta", "Nb", "Mo"))["MoNbTaW.C11"].measured == 377.0


def test_an_element_of_unknown_size_is_refused():
    with pytest.raises(StudyError, match="lattice parameter of Co in fcc, so its size would be a guess"):
        targets(("Co", "Ni"), (0.5, 0.5), "fcc")


def test_corrections_carry_an_uncertainty_that_grows_with_temperature():
    law = alloy_softening(element_softening(("Ta",)), (1.0,))
    doubts = [module._to_zero("C44", "exp", t, law)[1] for t in (77.0, 298.0, 600.0)]
    assert np.all(np.diff(doubts) > 0)
