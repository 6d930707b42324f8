"""The page says what a posterior would have foretold, how far it overlaps with its prior, and who carries a share."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from specimens import attributes, groups

from uqmsm import results
from uqmsm.report import write
from uqmsm.report.alloy_section import pair_items
from uqmsm.report.held_out_section import foretold, overlaps, weakly
from uqmsm.report.parts_picture import draw_parts


def held(trusted=(1, 1, 0)):
    where = np.array([0.5, 0.2, 0.98, 0.6])
    of = [0, 0, 1, 2]
    each = {"k_hat": [0.3, 0.9, 1.1], "refitted": [0, 1, 0], "trusted": list(trusted), "score": [2.5, -1.0, 0.1]}
    columns = {name: (("datum",), np.array(values)[of]) for name, values in each.items()}
    names = np.array(["C11", "C44", "lattice_parameter"])[of].tolist()
    return xr.Dataset(
        {"place": (("datum",), where), "quantity": (("datum",), names), **columns},
        {"datum": ["Mo.C11", "W.C11", "W.C44", "Mo.lattice_parameter"]},
    )


def page(tmp_path, more):
    return write(results.tree(groups() | more, attributes()), tmp_path).read_text(encoding="utf-8")


def test_coverage_of_unseen_quantities_stands_on_the_page(tmp_path):
    text = page(tmp_path, {"held_out/potential": held()})
    assert "Of 3 data 2 lie in the 90 % interval of a posterior that has not seen their quantity" in text
    assert "Without lattice_parameter the posterior is another" in text
    assert "held_out: anew" in text
    assert "1 of 4 data lie outside the 90 % interval: W.C44." in text
    assert "sampled anew" in text
    assert "by weights, k-hat 1.1, not to be trusted" in text
    plain = page(tmp_path, {})  # control: a run that has not kept it
    assert "has not seen their quantity" not in plain
    sure = page(tmp_path, {"held_out/potential": held((1, 1, 1))})
    assert "held_out: anew" not in sure
    assert "Of 4 data 3 lie in" in sure
    none = page(tmp_path, {"held_out/potential": held((0, 0, 0))})
    assert "has not seen their quantity" not in none
    assert "held_out: anew" in none
    r_hat = xr.DataArray([np.nan, np.nan, 1.31, np.nan], dims="datum")
    late = page(tmp_path, {"held_out/potential": held((1, 0, 1)).assign(r_hat=r_hat)})
    assert "Chains without C44 have not come together (R-hat of 1.05 or more)" in late
    assert "sampled anew, R-hat 1.31, not to be trusted" in late
    assert "held_out: anew" not in late


def test_the_picture_names_who_lies_outside():
    told, pictures, rows = foretold(held(), 0)
    assert len(told) == 2
    assert [row["inside"] for row in rows] == ["2 of 2", "0 of 1", "1 of 1"]
    assert pictures[0][0].count("badfill") == 1
    assert foretold(None, 0) == ([], [], [])


def test_overlaps_stand_beside_the_contraction(tmp_path):
    names = list(groups()["posterior/potential"].data_vars)
    base = groups()
    table = base["diagnostics/potential"]
    with_overlap = table.assign(overlap=(("parameter",), [0.2, 0.9])).assign_coords(parameter=["alpha", "beta"])
    assert overlaps(with_overlap) == {"alpha": 0.2, "beta": 0.9}
    assert overlaps(table) == {}
    assert weakly({"alpha": 0.2, "beta": 0.9}).startswith("Prior and posterior overlap by more than 0.35 in 1 of 2")
    text = page(tmp_path, {"diagnostics/potential": with_overlap})
    assert "overlap by more than 0.35 in 1 of 2 parameters" in text
    assert "Overlap with the prior: alpha 0.20, beta 0.90." in text
    assert names


def test_pairs_of_elements_are_drawn_with_their_errors(tmp_path):
    rows = [("Mo-W", 0.5, 0.05), ("stiffness", 0.3, 0.1), ("rest", -0.02, 0.02)]
    table = xr.Dataset(
        {
            "share": (("answer", "part"), [[r[1] for r in rows]]),
            "share_se": (("answer", "part"), [[r[2] for r in rows]]),
        },
        {"answer": ["first_yield"], "part": [r[0] for r in rows]},
    )
    (item,) = pair_items(results.tree({"pairs": table}, {}))
    assert [row["part"] for row in item["rows"]] == ["Mo-W", "stiffness", "rest"]
    assert "Mo-W 50 ± 5 %" in item["picture"]
    text = page(tmp_path, {"pairs": table})
    assert "Parts of the potential" in text
    assert "stiffness 30 ± 10 %" in text


@pytest.mark.parametrize("largest", [0.004, 0.3, 1.4])
def test_bars_fit_their_frame(largest):
    picture = draw_parts([("a", largest, 0.001), ("b", 0.0, 0.001)], prefix="x")
    assert picture.count("<rect") >= 2
    assert "nan" not in picture
