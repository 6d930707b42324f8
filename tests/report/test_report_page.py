"""The page: whole, self-contained, the same bytes for the same results, honest about what is absent."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from specimens import attributes, groups, whole

from uqmsm import results
from uqmsm.errors import StudyError
from uqmsm.questions.allocate import shortfalls
from uqmsm.report import ledger_text, write
from uqmsm.report.checks import checks, overall, verdict
from uqmsm.report.evidence_sections import shift_rows
from uqmsm.report.facts import answers

SECTIONS = (
    "converged", "ledger", "fields", "bias", "distribution", "probability", "experiment", "posterior", "chain",
    "failures", "inputs", "provenance",
)  # fmt: skip


class Outline(HTMLParser):
    """Collects tags, links and ids, and complains about tags that do not close."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for key, value in attrs:
            if key in {"src", "href", "xlink:href", "srcset", "action"}:
                self.links.append(value)
            if key == "id":
                self.ids.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def tree():
    return whole(32)


@pytest.fixture(scope="module")
def small():
    return whole(16)


@pytest.fixture(scope="module")
def page(tree, tmp_path_factory):
    return write(tree, tmp_path_factory.mktemp("run")).read_text(encoding="utf-8")


def pictures(text):
    return [ET.fromstring(found) for found in re.findall(r"<svg .*?</svg>", text, re.DOTALL)]  # noqa: S314 - our own page


def test_the_page_needs_nothing_else(page):
    outline = Outline(page)
    assert outline.open == []
    assert "script" not in outline.tags
    assert [link for link in outline.links if not link.startswith(("#", "data:,"))] == []
    assert re.findall(r"url\((?!#)", page) == []
    assert "@import" not in page


def test_every_link_has_its_section_and_every_id_is_unique(page):
    outline = Outline(page)
    assert len(set(outline.ids)) == len(outline.ids)
    assert {link.removeprefix("#") for link in outline.links if link.startswith("#")} == set(SECTIONS)
    assert set(SECTIONS) <= set(outline.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(outline.ids)


def test_every_picture_has_words_for_those_who_cannot_see_it(page):
    found = pictures(page)
    assert len(found) >= 12
    for picture in found:
        names = picture.attrib["aria-labelledby"].split()
        words = {child.attrib["id"]: child.text for child in picture if "id" in child.attrib}
        assert all(len(words[name]) > 10 for name in names)


def test_no_coordinate_is_missing(page):
    inside = re.findall(r'="([^"]*)"', page) + re.findall(r">([^<]*)<", page)
    assert [text for text in inside if re.search(r"(?<![A-Za-z])(nan|inf|None(?! of))(?![A-Za-z])", text)] == []


def test_same_results_same_bytes_other_results_other_bytes(tree, page, tmp_path):
    (tmp_path / "one").mkdir()
    run = re.search(r"<dt>run</dt><dd>([^<]*)</dd>", page).group(1)
    (tmp_path / run).mkdir()
    again = write(tree, tmp_path / run).read_text(encoding="utf-8")
    assert again == page
    moved = tree.copy(deep=True)
    moved["answers"]["first_yield"].values[0] += 60.0
    assert write(moved, tmp_path / run).read_text(encoding="utf-8") != page


def test_the_file_on_disk_gives_the_same_page_as_the_tree_in_memory(tree, page, tmp_path):
    run = tmp_path / re.search(r"<dt>run</dt><dd>([^<]*)</dd>", page).group(1)
    run.mkdir()
    results.save(tree, run / "results.nc")
    assert write(results.load(run), run).read_text(encoding="utf-8") == page


def test_the_terminal_tells_the_probability_that_the_page_tells(tree, page):
    (said,) = [line.strip() for line in ledger_text(tree) if "with probability" in line]
    found = re.fullmatch(r"below 80 MPa with probability (.*); what we do not know puts it between (.*) and (.*)", said)
    assert found, said
    for part in found.groups():
        assert part.replace(" ", "\u00a0") in page
    none = xr.DataTree.from_dict({k: v for k, v in tree.to_dict().items() if "probability" not in k})
    assert not any("with probability" in line for line in ledger_text(none))


def test_a_shift_of_the_arithmetic_is_not_written_out(tree):
    given = answers(tree)
    (seen,) = shift_rows(tree, given)
    assert re.fullmatch(r"[+−][0-9.]+ ± [0-9.]+ MPa", seen["shift"])
    assert seen["part"].endswith(" %")
    moved = tree.copy(deep=True)
    for name in ("shift", "shift_se", "in_sd"):
        moved["shifts"][name].values[:] *= 1e-9
    (none,) = shift_rows(moved, given)
    assert (none["shift"], none["part"], none["left"]) == ("under 1e−6 sd", "", "under 1e−6")
    assert none["told"] == ""


def test_the_answer_comes_first_with_its_numbers(tree, page):
    summary = tree["summary"].to_dataset().sel(answer="first_yield")
    value = re.search(r'class="value">([^<]*)<', page).group(1)
    assert value == f"{float(summary['mean']):.0f} ± {float(summary['sd']):.0f} MPa"
    assert page.index(value) < page.index('id="converged"')
    assert "the strengthening theory&#39;s own form" in page[: page.index('id="converged"')]


def test_a_field_is_told_and_shown_by_kind(page):
    """The most loaded place in words, a picture for every part that is not nothing, and where ParaView finds it."""
    text = page[page.index('<section id="fields">') : page.index('<section id="bias">')]
    assert "Stress along the pull" in text
    assert "0 from numerics" in text
    assert "fields/fe.vtu" in text
    titles = re.findall(r"<title[^>]*>([^<]*)</title>", text)
    assert titles == [
        "stress: mean (MPa)",
        "stress: scatter from chance (MPa)",
        "stress: scatter from what is not known (MPa)",
        "stress: probability of more than 105 MPa",
    ]


def test_only_answers_are_needed_and_the_page_says_what_is_absent(tmp_path):
    bare = results.tree({"answers": groups(8)["answers"]}, {})
    text = write(bare, tmp_path).read_text(encoding="utf-8")
    assert text.count('class="absent"') >= 6
    assert "This run has no ledger" in text
    assert "no ledger" in text[: text.index('id="converged"')]
    assert Outline(text).open == []


def test_who_did_not_ask_where_it_comes_from_is_not_told_to_add_members(small, tmp_path):
    partial = small.copy()
    partial["ledger"] = xr.DataTree(small["ledger"].to_dataset().sel(answer=["first_yield"]))
    text = write(partial, tmp_path).read_text(encoding="utf-8")
    head = text[: text.index('id="converged"')]
    assert "does not ask where it comes from" in head
    assert "To learn where it comes from" not in head
    assert any("ledger: false" in line for line in ledger_text(partial))


@pytest.mark.parametrize(
    "name",
    ["summary", "ledger", "probability", "shifts", "members", "posterior", "prior", "posterior_predictive",
     "observed_data", "diagnostics", "fields", "outcomes"],
)  # fmt: skip
def test_any_group_may_be_absent(name, small, tmp_path):
    less = small.copy()
    del less[name]
    text = write(less, tmp_path).read_text(encoding="utf-8")
    assert Outline(text).open == []
    if name != "outcomes":
        assert text != write(small, tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize("key", sorted(attributes()))
def test_any_attribute_may_be_absent(key, small, tmp_path):
    less = small.copy()
    del less.attrs[key]
    assert Outline(write(less, tmp_path).read_text(encoding="utf-8")).open == []


def test_without_answers_there_is_no_page(tmp_path):
    with pytest.raises(StudyError, match="uqmsm resume"):
        write(results.tree({"outcomes/fe": groups(8)["outcomes/fe"]}, {}), tmp_path)


def test_words_of_the_study_are_words_and_never_markup(tree, tmp_path):
    evil = "<script>alert(1)</script> & <b>"
    other = tree.copy()
    other.attrs |= {"title": evil, "about": evil, "study": evil, "chain": evil}
    text = write(other, tmp_path).read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4
    assert Outline(text).open == []


def test_misses_and_unverified_data_stay_in(page):
    section = page[page.index('id="experiment"') : page.index('id="posterior"')]
    assert section.count("missed</span>") == 1, "405 MPa lies 3.1 sd from 190 ± 70; 1058 lies 1.1 sd from 810 ± 220"
    assert "not verified" in section
    assert "Ta C11 265 GPa" in page


def test_failures_are_counted_and_can_be_replayed(tmp_path):
    tree = whole(24, failing=0.05)
    text = write(tree, tmp_path).read_text(encoding="utf-8")
    status = tree["members"]["status"].values
    failed = int((status == "failed").sum())
    assert failed > 0
    assert f"{failed} of {status.size} members failed" in text
    address = str(tree["members"]["address"].values[np.flatnonzero(status == "failed")[0]])
    assert f"uqmsm replay {tmp_path} {address}" in text
    assert "which members fail" in text


def test_inner_members_of_a_band_are_not_counted_twice(tree):
    table = tree["answers"].to_dataset()
    inner = table.isel(member=[0, 1, 2]).copy(deep=True)
    inner["rve.grains"] = inner["rve.grains"] + 2**31
    both = results.tree({"answers": xr.concat([table, inner], "member")}, {})
    assert [a.values.size for a in answers(both)] == [table.sizes["member"]] * 2


def light(tree, what):
    return next(check for check in checks(tree) if what in check.what + check.found)


def test_lights_follow_their_thresholds(tree):
    assert light(tree, "R-hat").state == "bad"
    table = tree["diagnostics/potential"].to_dataset()
    for value, state in ((1.005, "good"), (1.009, "care"), (1.015, "bad"), (1.2, "bad")):
        other = tree.copy()
        other["diagnostics/potential"] = table.assign(r_hat=table["r_hat"] * 0.0 + value)
        assert light(other, "R-hat").state == state
        found = checks(other)
        assert overall(found) == max((check.state for check in found), key=("good", "care", "bad").index)
        assert overall([light(other, "R-hat")]) == state
    for value, state in ((500.0, "good"), (410.0, "care"), (300.0, "bad"), (50.0, "bad")):
        other = tree.copy()
        other["diagnostics/potential"] = table.assign(ess_tail=table["ess_tail"] * 0 + value)
        assert light(other, "tail ESS").state == state


def test_a_tighter_target_turns_the_light(tree):
    ledger = tree["ledger"].to_dataset().sel(answer="first_yield")
    worst = float(ledger["fair_se"].where(ledger["verdict"].isin(["estimated", "bounded"])).max())
    for factor, state in ((1.5, "good"), (1.01, "care"), (0.7, "bad"), (0.4, "bad")):
        other = tree.copy()
        other.attrs["target_se"] = str(worst * factor)
        found = light(other, "Shares of first yield")
        assert found.state == state
        assert ("extend RUN --members " in found.todo) is (state == "bad")
        wanted = results.tree({"ledger": ledger.expand_dims("answer")}, {})["ledger"].to_dataset()
        assert bool(shortfalls(wanted, 32, worst * factor)) is (state == "bad"), "the page says what the exit code says"
        said = verdict([found])
        assert said[0].startswith("■ Not yet" if state == "bad" else "● Yes")
        assert (f"{1 / factor:.1f}" in said[1]) is (state == "bad")


def test_the_package_imports_without_heavy_libraries():
    code = (
        "import sys, uqmsm.report; print([n for n in ('matplotlib', 'jinja2', 'arviz', 'scipy') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_source_that_acts_only_through_others_is_a_light(tree):
    """The light is lit by the advice of /checks alone: without it (negative control) there is none."""
    table = tree["ledger"].to_dataset()
    advice = np.full((table.sizes["answer"], 1), "", dtype=object)
    advice[0, 0] = "declare given"
    found = xr.Dataset({"advice": (("answer", "line"), advice)}, {"line": ["strength.strength_form"]})
    lit = xr.DataTree.from_dict(
        {"checks": found, **{k: v.to_dataset() for k, v in tree.children.items() if v.has_data}}
    )
    lit.attrs.update(tree.attrs)
    assert light(lit, "Outcomes of strength form").state == "care"
    assert not any(check.what.startswith("Outcomes of") for check in checks(tree))


def all_failed():
    """Return a tree in which no member succeeded."""
    parts = groups(16)
    answers_ = parts["answers"].map(lambda one: one * np.nan, keep_attrs=True)
    fates = parts["members"].assign(
        status=parts["members"]["status"].copy(data=["failed"] * parts["members"].sizes["member"])
    )
    fates = fates.assign(reason=fates["reason"].copy(data=["alloy: too hot"] * fates.sizes["member"]))
    return results.tree({"answers": answers_, "members": fates}, attributes())


def test_a_run_without_a_member_says_so_and_why(tmp_path):
    text = write(all_failed(), tmp_path).read_text(encoding="utf-8")
    top = text[: text.index('id="converged"')]
    assert "does not vary" not in text
    assert "No member gave it" in top
    assert "alloy: too hot" in top
    assert f"uqmsm replay {tmp_path} potential.posterior=" in top
    assert overall(checks(all_failed())) == "bad"


def test_no_failure_is_tolerated_where_the_study_says_so():
    """Zero is a limit, not an absent one; with the limit of the specimen (negative control) the light is no red one."""
    other = whole(32, failing=0.01)
    assert light(other, "Members").state != "bad"
    other.attrs["tolerated_failures"] = "0.0"
    assert light(other, "Members").state == "bad"


def test_a_ledger_that_says_nothing_prints_no_share(tmp_path):
    """Eight rows: every line is refused, so is what all together would say; 32 rows (negative control) say it."""
    for rows, told in ((8, False), (32, True)):
        text = write(whole(rows), tmp_path).read_text(encoding="utf-8")
        assert ("would remove" in text) is told
        assert ("<pre>uqmsm extend RUN --members 16</pre>" in text) is not told
        assert "extend the run" not in text
