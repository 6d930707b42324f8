"""The pictures say what the numbers say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from specimens import SOURCES, ancestors, first_yield, groups, whole

from uqmsm import results
from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.physics.potential.free import PER_ELEMENT, free_names
from uqmsm.questions.ledgers import ledgers
from uqmsm.report import ledger_figure, ledger_text
from uqmsm.report.axes import tick_labels, ticks
from uqmsm.report.comparison_picture import draw_comparisons
from uqmsm.report.draws_pictures import draw_pairs
from uqmsm.report.field_pictures import draw_field
from uqmsm.report.learnt_pictures import draw_contraction, draw_predictive, draw_spectrum
from uqmsm.report.legend import parameters
from uqmsm.report.lettering import folded, span, width_of
from uqmsm.report.posterior_facts import contraction, directions, informed, predictive, scalars
from uqmsm.report.posterior_section import posteriors

SVG = "{http://www.w3.org/2000/svg}"
BAR = 460.0
"""Width of 100 % in the wide picture."""


@pytest.fixture(scope="module")
def tree():
    return whole(64)


def rects(picture, height):
    found = ET.fromstring(picture).iter(f"{SVG}rect")  # noqa: S314 - our own picture
    return [r for r in found if r.attrib.get("height") == height and float(r.attrib["x"]) >= 300.0]


def test_bars_of_the_sources_are_as_long_as_their_shares(tree):
    table = tree["ledger"].to_dataset().sel(answer="first_yield")
    sources = table.sel(line=table["of"] == "source")
    bars = [r for r in rects(ledger_figure(tree, "first_yield"), "16") if float(r.attrib["x"]) == 300.0]
    drawn = np.array([float(r.attrib["width"]) for r in bars]) / BAR
    np.testing.assert_allclose(drawn, sources["alone"].values, atol=2e-4)
    assert not np.allclose(drawn, sources["alone"].values[::-1], atol=0.02), "the order of the ladder matters"


def test_the_stack_is_full_and_in_the_order_of_the_chain(tree):
    stack = rects(ledger_figure(tree, "first_yield"), "34")
    edges = np.array([[float(r.attrib["x"]), float(r.attrib["width"])] for r in stack])
    assert edges[0, 0] == 300.0
    np.testing.assert_allclose(edges[:-1].sum(axis=1), edges[1:, 0], atol=1.6)
    assert edges[-1].sum() == pytest.approx(300.0 + BAR, abs=1.6)
    kinds = [r.attrib["class"].removeprefix("k-") for r in stack if r.attrib["class"]]
    assert kinds == ["epistemic", "epistemic", "aleatoric", "numerical", "epistemic", "aleatoric", "aleatoric"]


def test_interactions_are_striped_and_an_additive_chain_has_none():
    still = rects(ledger_figure(whole(32), "first_yield"), "16")
    mixed = rects(ledger_figure(whole(32, interaction=0.8), "first_yield"), "16")
    assert [r for r in still if "url(#" in r.attrib.get("style", "")] == []
    striped = [r for r in mixed if "url(#" in r.attrib.get("style", "")]
    assert {re.search(r"-(\w+)\)", r.attrib["style"]).group(1) for r in striped} == {"epistemic", "aleatoric"}


def test_a_picture_that_stands_alone_carries_its_colours(tree):
    alone = ledger_figure(tree, "first_yield")
    assert "prefers-color-scheme:dark" in alone
    assert "MPa" in alone
    assert "<style>" not in ledger_figure(tree, "first_yield", standalone=False)
    assert 'viewBox="0 0 400 ' in ledger_figure(tree, "first_yield", narrow=True)


def test_an_answer_without_a_ledger_is_named(tree):
    with pytest.raises(StudyError, match="first_yield, displacement"):
        ledger_figure(tree, "hardness")


def test_a_heavy_tail_is_shared_out_on_the_log_scale():
    design = Design.of(SOURCES, 32, ancestors=ancestors())
    y = np.exp((first_yield(design.members.table) - 115.0) / 35.0)
    parts = groups(32)
    answers = parts["answers"].drop_vars("displacement").assign(first_yield=("member", y))
    tree = results.tree({"answers": answers, "ledger": ledgers(design, {"first_yield": y})}, {})
    assert "log first_yield" in ledger_figure(tree, "first_yield"), "the log ledger comes first"
    assert "log" not in ledger_figure(tree, "first_yield", scale="raw")
    with pytest.raises(StudyError, match="no ledger"):
        ledger_figure(tree, "first_yield", scale="rank")
    assert any("log first_yield" in line for line in ledger_text(tree))


def test_blocks_in_the_terminal_are_as_long_as_the_shares(tree):
    table = tree["ledger"].to_dataset().sel(answer="first_yield")
    lines = [line for line in ledger_text(tree, width=100) if "strength form" in line]
    fair = float(table["fair"].sel(line="strength.strength_form"))
    assert abs(lines[0].count("█") - 100.0 * fair) <= 1.0
    assert "epistemic" in lines[0]
    assert ledger_text(results.tree({"answers": groups(8)["answers"]}, {}))[1].strip().startswith("no ledger")


def test_ticks_are_round_inside_and_told_apart():
    rng = np.random.default_rng(5)
    for low, width in zip(rng.normal(size=200) * 100.0, 10.0 ** rng.uniform(-4, 4, 200), strict=True):
        found = ticks(low, low + width)
        assert 2 <= len(found) <= 7
        assert low - 1e-6 * width <= found[0] < found[-1] <= low + width * (1 + 1e-6)
        assert len({label for _, label in tick_labels(found)}) == len(found) or width < 1e-3


def gaussian(rng, sd, shape=(4, 4000)):
    return rng.normal(0.0, 1.0, shape) * sd


def test_contraction_and_directions_of_gaussians_are_exact():
    rng = np.random.default_rng(3)
    prior = {name: gaussian(rng, 1.0) for name in "abc"}
    common, small = gaussian(rng, 1.0), gaussian(rng, 0.05)
    posterior = {"a": common + small, "b": -common + small, "c": gaussian(rng, 0.3)}
    ratios = contraction(posterior, prior)
    assert ratios["c"] == pytest.approx(0.3, rel=0.05)  # 16 000 draws: 5 % is 9 standard errors
    assert ratios["a"] == pytest.approx(1.0, rel=0.05), "alone, a is not learnt ..."
    best = directions(posterior, prior)[0]
    assert best.ratio == pytest.approx(0.05 * np.sqrt(2.0), rel=0.05), "... but a + b is"
    assert abs(best.weights["a"] - best.weights["b"]) < 0.05
    assert abs(best.weights["c"]) < 0.05


def test_directions_need_enough_draws_of_the_prior():
    rng = np.random.default_rng(3)
    few = {name: gaussian(rng, 1.0, (1, 5)) for name in "abc"}
    assert directions(few, few) == []


def test_arrays_become_scalars_by_name():
    data = xr.Dataset(
        {"m": (("element", "chain", "draw"), np.arange(24.0).reshape(2, 3, 4)), "text": (("chain",), list("abc"))},
        {"element": ["Mo", "W"]},
    )
    found = scalars(data)
    assert list(found) == ["m[Mo]", "m[W]"]
    np.testing.assert_array_equal(found["m[W]"], 12.0 + np.arange(12.0).reshape(3, 4))


def test_each_datum_stands_beside_its_own_prediction():
    rng = np.random.default_rng(4)
    means = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    draws = xr.Dataset({"y": (("chain", "draw", "element", "constant"), means + 0.1 * rng.normal(size=(4, 500, 2, 3)))},
                       {"element": ["Mo", "W"], "constant": ["C11", "C12", "C44"]})  # fmt: skip
    observed = xr.Dataset({"y": (("constant", "element"), means.T + 0.01, {"units": "GPa"})},
                          {"element": ["Mo", "W"], "constant": ["C11", "C12", "C44"]})  # fmt: skip
    found = {name: (datum, mean) for name, datum, mean, _, _ in predictive(draws, observed)}
    assert len(found) == 6
    for datum, mean in found.values():
        assert abs(datum - mean) < 0.05  # transposed wrongly, the nearest would be off by 1
    assert found["C12, W"][0] == pytest.approx(20.01)


SIZES = {"tiny": 11.0, "mid": 12.0}


def cut(picture):
    """Return the words of a picture that run off its sheet, taking letters as wide as they can be expected to be."""
    root = ET.fromstring(picture)  # noqa: S314 - our own picture
    wide = float(root.attrib["viewBox"].split()[2])
    off = []
    for text in root.iter(f"{SVG}text"):
        size = SIZES.get(text.attrib["class"].split()[0] if text.attrib["class"] else "", 13.0)
        x, width = float(text.attrib["x"]), 0.58 * size * len(text.text)
        start = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib["text-anchor"]] * width
        if start < -1.0 or start + width > wide + 1.0:
            off.append(text.text)
    return off


def test_long_names_are_not_cut():
    names = ["Nb.ln_alpha_over_beta", "MoNbTaW.lattice_parameter", "Mo.ln_re", "W.ln_fe_ratio"]
    rng = np.random.default_rng(5)
    draws = {name: 1.05 + 1e-4 * rng.standard_normal((2, 200)) for name in names}
    rows = [(name, 1.0, 1.1, 0.2, "GPa") for name in names]
    pairs = draw_pairs(draws, names, prefix="a")
    for picture in (draw_contraction(dict.fromkeys(names, 0.5), prefix="b"), draw_predictive(rows, prefix="c"), pairs):
        assert cut(picture) == []
        assert "lattice_" in picture
    assert cut(pairs.replace('text-anchor="end"', 'text-anchor="start"').replace('x="', 'x="4')) != [], "it can fail"


def test_limits_of_an_axis_can_be_told_apart():
    assert span(1.0498, 1.0503) == ("1.04980", "1.05030")
    assert span(-0.1, 0.3) == ("−0.10", "0.30")
    assert span(120.0, 190.0) == ("120", "190")


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(1e-5, 1e4))
def test_span_keeps_a_tenth_of_the_range(low, width):
    shown = [float(text.replace("−", "-")) for text in span(low, low + width)]
    assert shown[1] - shown[0] == pytest.approx(width, rel=0.11)


def test_folded_names_keep_their_letters():
    lines = folded("Nb.ln_alpha_over_beta", 70.0)
    assert "".join(lines) == "Nb.ln_alpha_over_beta"
    assert max(width_of(line) for line in lines) <= 70.0
    assert folded("alpha", 5.0) == ["alpha"], "there is nowhere to break"


def test_the_line_of_agreement_does_not_run_through_words():
    row = {"predicted": 620.0, "predicted_sd": 80.0, "measured": 550.0, "unit": "MPa"}
    starts = []
    for what in ("yield", "yield strength of a cast alloy, kept out of the training"):
        root = ET.fromstring(draw_comparisons([{**row, "what": what}], prefix="d"))  # noqa: S314
        label = next(text for text in root.iter(f"{SVG}text") if text.text == what)
        rule = next(line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "rule")
        starts.append(float(rule.attrib["y1"]) - float(label.attrib["y"]))
    assert starts[0] < 0.0 < starts[1]


def test_a_learnt_law_is_drawn_over_its_axis():
    """Exact draws over temperature: a band and no chains; a sampled posterior (negative control) shows its chains."""
    rng = np.random.default_rng(3)
    at = {"temperature": ("temperature", [300.0, 600.0, 900.0], {"units": "K", "long_name": "temperature of the test"})}
    dims = ("chain", "draw", "temperature")
    words = {"units": "1", "long_name": "log(measured / theory)"}
    law = [xr.Dataset({"log_ratio": (dims, sd * rng.standard_normal((2, 90, 3)), words)}, at) for sd in (0.1, 1.0)]
    data = xr.Dataset({"MoNbTaW 298 K #0": ((), 1058.0), "MoNbTaW 298 K #9": ((), 996.0)})
    groups = {"posterior/strength": law[0], "prior/strength": law[1], "observed_data/strength": data}
    (found,) = posteriors(xr.DataTree.from_dict(groups))
    said = " ".join([*found["text"], *found["absent"], *(words for _, words in found["pictures"])])
    assert "mixes worst" not in said
    assert "exact and independent" in said
    assert "MoNbTaW 298 K (2 times)" in said
    assert any("temperature of the test [K]" in picture for picture, _ in found["pictures"])
    assert any("log_ratio[300 K]" in picture for picture, _ in found["pictures"])
    (sampled,) = posteriors(whole(16))
    assert any("mixes worst" in words for _, words in sampled["pictures"])
    assert all(cut(picture) == [] for picture, _ in found["pictures"])


def test_parameters_of_the_zhou_form_are_explained_and_others_are_not():
    assert [name for name, _ in parameters(["Mo.F3", "Nb.F3", "W.ln_fe_ratio", "C11"])] == ["F3", "ln_fe_ratio"]
    known = {name for name, _ in parameters(free_names(("Mo", "W")))}
    assert known == set(PER_ELEMENT)


def test_the_spectrum_stands_over_decades_and_does_not_draw_what_the_draws_cannot_tell(tree):
    """Normal laws with known ratios: information 1/r^2 - 1 within 15 % (2000 draws: sd of a variance 3 %)."""
    post, before = scalars(tree["posterior/potential"].to_dataset()), scalars(tree["prior/potential"].to_dataset())
    along = directions(post, before)
    values, least = informed(along, 2000)
    exact = sorted([1 / 0.1**2 - 1, 1 / 0.2**2 - 1, 1 / 0.5**2 - 1], reverse=True)
    found = [v for v, d in zip(values, along, strict=True) if next(iter(d.weights)).startswith("re") and v > 1]
    np.testing.assert_allclose(found, exact, rtol=0.15)
    assert 0.05 < least < 0.2
    picture = draw_spectrum([99.0, 0.99, 0.001], 0.1, prefix="s")
    boxes = [r for r in ET.fromstring(picture).iter(f"{SVG}rect") if r.attrib.get("class")]  # noqa: S314
    heights = [float(r.attrib["height"]) for r in boxes]
    assert heights[0] / heights[1] == pytest.approx((np.log10(99.0) + 1) / (np.log10(0.99) + 1), rel=0.01)
    assert heights[2] == 3.0
    assert boxes[2].attrib["class"] == "softfill"
    assert "none" in picture
    words = " ".join(posteriors(tree)[0]["text"])
    assert re.search(r"spans \d\.\d decades over \d of 6 directions", words), words


def test_a_field_is_as_dark_as_there_is_of_it():
    """Opacity of the patches against the linear field they show; the rim is drawn once, inner edges are not."""
    nodes = np.array([[x, y] for y in (0.0, 1.0) for x in (0.0, 1.0, 2.0)])
    corners = np.array([[0, 1, 4, 3], [1, 2, 5, 4]])
    picture = draw_field(nodes, corners, nodes[:, 0], "mean (MPa)", "k-aleatoric", of="stress", prefix="f")
    patches = re.findall(r'<path d="([^"]*)" class="k-aleatoric" fill-opacity="([^"]*)"', picture)
    left = {}
    for path, opacity in patches[:-20]:  # the last twenty are the bar
        for patch in path.split("M")[1:]:
            x = np.array([float(pair.split()[0].lstrip("L")) for pair in patch.rstrip("Z").split(" L")])
            left[round(float(x.mean()), 3)] = float(opacity)
    x, shade = np.array(sorted(left.items())).T
    assert len(left) == 12
    np.testing.assert_allclose(shade, (x - 4.0) / 190.0, atol=0.51 / 40 + 1e-9)
    assert len(re.findall(r'class="axis thin"', picture)) == 6
    assert "2 x 1 mm" in picture
