"""The study file: what may be written, what is refused and how, and that a study written out is the same study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from study_operators import Heat, Lattice, Load, Solver, Triangle

from uqmsm.chain import Chain, Stage
from uqmsm.errors import StudyError
from uqmsm.reading import Faulty
from uqmsm.study import Ask, Band, Members, Refinement, RunSettings, Study, dump, load, loads, schema
from uqmsm.study.loading import KEYS
from uqmsm.uncertainty import Aleatoric, Dirichlet, Epistemic, LogNormal, Normal, Numerical, TruncatedNormal, Uniform

GOOD = """\
study: a small chain
seed: 7
chain:
  - name: heat
    operator: "study_operators:Heat"
    temperature: {aleatoric: normal, mean: 800, sd: 25, unit: degC}
    stiffness: 210000 MPa
  - name: fe
    operator: "study_operators:Load"
    # how fine
    refinement: 1
ask:
  - {answer: load, unit: kPa, below: 150 MPa}
members: {rows: 64, band: {draws: 24, inner: 50}}
refinements:
  - {name: mesh, stage: fe, set: {refinement: 2}, pairs: 8, order: 2}
run: {workers: 2, tolerate_failures: 2%}
"""


def test_the_file_becomes_the_types():
    study = loads(GOOD)
    heat, fe = Heat(Aleatoric(Normal(1073.15, 25.0)), stiffness=210.0), Load(refinement=1)
    assert study == Study(
        "a small chain",
        7,
        Chain((Stage("heat", heat), Stage("fe", fe))),
        (Ask("load", "kPa", below=150_000.0),),
        Members(64, Band(24, 50)),
        (Refinement("mesh", "fe", {"refinement": 2}, Load(refinement=2), 8, 2.0, 2.0),),
        RunSettings(2, "local", 0.02),
    )
    assert study.text == GOOD


def swap(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


# (changed text, what the caret marks, words of the message, words of the advice)
BAD = {
    "unknown key at the top": (swap("seed: 7", "seed: 7\ncolour: red"), "colour", "unknown key", "Known here: study"),
    "unknown key of the operator": (
        swap("stiffness", "stifness"),
        "stifness",
        "unknown key",
        "Did you mean 'stiffness'",
    ),
    "unknown key of a law": (swap("mean: 800", "meen: 800"), "meen", "unknown key", "Did you mean 'mean'"),
    "unknown key of an answer": (swap("unit: kPa", "unti: kPa"), "unti", "unknown key", "Did you mean 'unit'"),
    "unknown key of a nested part": (swap("inner: 50", "iner: 50"), "iner", "unknown key", "Did you mean 'inner'"),
    "no seed": (swap("seed: 7\n", ""), "study: a small chain", "needs the key 'seed'", "seed: 2026"),
    "fractional seed": (swap("seed: 7", "seed: 7.5"), "7.5", "not a whole number", "whole number"),
    "negative seed": (swap("seed: 7", "seed: -7"), "-7", "is no seed", "from 0 on"),
    "wrong unit": (swap("210000 MPa", "3 mm"), "3 mm", "not a number in GPa", "can become GPa"),
    "unknown unit": (swap("210000 MPa", "3 MPascal"), "3 MPascal", "not a number in GPa", "can become GPa"),
    "comma": (swap("210000 MPa", "2,1 GPa"), "2,1 GPa", "is text", "point"),
    "underscore": (swap("210000 MPa", "210_000"), "210_000", "is text", "no commas or _"),
    "infinite": (swap("210000 MPa", ".inf"), ".inf", "not finite", "a number in GPa"),
    "infinite with unit": (swap("210000 MPa", "1e400 MPa"), "1e400 MPa", "not finite", "a number in GPa"),
    "truth for a number": (swap("210000 MPa", "true"), "true", "true is not a number", "Write a number"),
    "unit of a law": (swap("unit: degC", "unit: MPa"), "MPa", "this field is in K, not in MPa", "unit: K"),
    "law's own rule": (swap("sd: 25", "sd: -25"), "-25", "must be positive", "width above zero"),
    "unit inside a law": (swap("mean: 800", "mean: 800 K"), "800 K", "not a number", "unit: K"),
    "kind misspelt": (swap("aleatoric", "aleatorik"), "aleatorik", "without its kind", "Write 'aleatoric'"),
    "law misspelt": (swap("normal", "normall"), "normall", "there is no law", "Did you mean 'normal'"),
    "two kinds": (swap("mean: 800", "epistemic: normal, mean: 800"), "epistemic", "two kinds", "Keep one"),
    "law without a number": (
        swap("sd: 25, ", ""),
        "{aleatoric: normal, mean: 800, unit: degC}",
        "needs the key 'sd'",
        "Add  sd",
    ),
    "kind not taken here": (
        swap("stiffness: 210000 MPa", "drift: {aleatoric: normal, mean: 1, sd: 1}"),
        "{aleatoric: normal, mean: 1, sd: 1}",
        "without its kind",
        "epistemic: normal",
    ),
    "number where a law is wanted": (swap("stiffness: 210000 MPa", "drift: 4"), "4", "is no law", "epistemic"),
    "enum": (swap("stiffness: 210000 MPa", "lattice: bbc"), "bbc", "not known here", "Did you mean 'bcc'"),
    "literal": (swap("stiffness: 210000 MPa", "rule: cubik"), "cubik", "not known here", "Did you mean 'cubic'"),
    "inside a list": (swap("stiffness: 210000 MPa", "fractions: [0.5, x]"), "x", "not a number", "such as 1.5"),
    "composition": (
        swap("stiffness: 210000 MPa", "fractions: {aleatoric: dirichlet, mean: [0.5, 0.4], sd: 0.01}"),
        "[0.5, 0.4]",
        "sums to 0.9",
        "that sum to 1",
    ),
    "composition of one element": (
        swap("stiffness: 210000 MPa", "fractions: {aleatoric: dirichlet, mean: [1, 0], sd: 0.01}"),
        "[1, 0]",
        "two positive fractions",
        "a fixed composition",
    ),
    "missing file": (swap("stiffness: 210000 MPa", "table: none.csv"), "none.csv", "there is no file", "Put it there"),
    "text for true": (swap("refinement: 1", "noisy: yes"), "yes", "not true or false", "true or false"),
    "number for text": (swap("stiffness: 210000 MPa", "label: 3"), "3", "not text", "quotes"),
    "the operator's own rule": (swap("stiffness: 210000 MPa", "copy: 0"), "0", "makes no copy", "1 or more"),
    "a missing field": (
        swap("    temperature: {aleatoric: normal, mean: 800, sd: 25, unit: degC}\n", ""),
        "name: heat",
        "needs the key 'temperature'",
        "Add  temperature",
    ),
    "no such class": (swap("Heat", "Haet"), '"study_operators:Haet"', "no class Haet", "Did you mean 'Heat'"),
    "no such module": (swap("study_operators", "nowhere"), '"nowhere:Heat"', "no module 'nowhere'", "nowhere.py"),
    "no class at all": (swap("study_operators:Heat", "Heat"), '"Heat"', "names no class", "module:MyClass"),
    "no dataclass": (
        swap("operators:Heat", "operators:Loose"),
        '"study_operators:Loose"',
        "no frozen dataclass",
        "frozen",
    ),
    "no operator": (
        swap("operators:Load", "operators:Silent").replace("    refinement: 1\n", ""),
        '"study_operators:Silent"',
        "does not say its inputs",
        "three properties",
    ),
    "engine absent": (
        swap("operators:Load", "operators:NeedsEngine"),
        "name: fe",
        "no_such_engine is not installed",
        "pip install no_such_engine",
    ),
    "unknown scale": (
        swap('operator: "study_operators:Heat"', "scale: potentail"),
        "potentail",
        "no scale",
        "Did you mean 'potential'",
    ),
    "neither scale nor operator": (
        swap('    operator: "study_operators:Heat"\n', ""),
        "name: heat",
        "without scale or operator",
        "module:Class",
    ),
    "name of a stage": (swap("name: heat", "name: the heat"), "the heat", "cannot name a stage", "letters"),
    "name taken": (swap("name: fe", "name: heat"), "heat", "is taken", "another"),
    "units of a join": (
        swap("operators:Load", "operators:Wrong"),
        '"study_operators:Wrong"',
        "does not fit fe.E",
        "fe takes E [angstrom]",
    ),
    "take from nobody": (
        swap("refinement: 1", "take: [{port: E, from: heet}]"),
        "heet",
        "no stage 'heet' before fe",
        "Did you mean 'heat'",
    ),
    "take what it does not take": (
        swap("refinement: 1", "take: [{port: G, from: heat}]"),
        "G",
        "fe takes no 'G'",
        "Known here: E, T",
    ),
    "no such answer": (swap("answer: load", "answer: laod"), "laod", "no stage gives", "Did you mean 'load'"),
    "array asked for": (swap("answer: load", "answer: spectrum"), "spectrum", "is an array over mode", "scalar"),
    "unit of an answer": (swap("unit: kPa", "unit: mm"), "mm", "is in MPa, not in mm", "unit: MPa"),
    "unit of a threshold": (swap("150 MPa", "150 mm"), "150 mm", "not a number in kPa", "can become kPa"),
    "asked twice": (
        swap("  - {answer: load", "  - answer: fe.load\n  - {answer: load"),
        "load",
        "asked for twice",
        "Keep one",
    ),
    "band of nothing": (swap(", below: 150 MPa", ""), "{draws: 24, inner: 50}", "no probability", "below or above"),
    "few draws": (swap("draws: 24", "draws: 7"), "7", "draws = 7 is too few", "8 or more"),
    "small band": (swap("inner: 50", "inner: 49"), "49", "inner = 49 is too few", "50 or more"),
    "no rows": (swap("rows: 64", "rows: 0"), "0", "rows = 0", "32"),
    "refined stage": (swap("stage: fe", "stage: ef"), "ef", "there is no stage 'ef'", "Known here: heat, fe"),
    "refined field": (swap("set: {refinement", "set: {refinemnt"), "refinemnt", "unknown key", "'refinement'"),
    "refined value": (swap("set: {refinement: 2", "set: {refinement: two"), "two", "not a whole number", "whole"),
    "refined to the same": (swap("refinement: 2", "refinement: 1"), "{refinement: 1}", "changes nothing", "finer"),
    "refined sources": (swap("{refinement: 2}", "{noisy: true}"), "{noisy: true}", "changes the sources", "number"),
    "few pairs": (swap("pairs: 8", "pairs: 7"), "7", "pairs = 7 is too few", "8 or more"),
    "more pairs than rows": (swap("pairs: 8", "pairs: 65"), "65", "members has 64 rows", "64 or fewer, or more rows"),
    "few rows": (swap("rows: 64", "rows: 7"), "7", "rows = 7 gives no ledger", "16 or more"),
    "quoted whole number": (swap("refinement: 1", 'refinement: "60"'), '"60"', "is text", "Remove the quotes: 60"),
    "law of another trade": (swap("normal", "gaussian"), "gaussian", "there is no law", "Did you mean 'normal'"),
    "words of another trade": (swap("sd: 25", "sigma: 25"), "sigma", "unknown key", "Did you mean 'sd'"),
    "order of a switch": (swap("{refinement: 2}", "{strain: -1}"), "2", "needs the factor", "ratio: coarse / fine"),
    "ratio of nothing": (swap("order: 2", "order: 2, ratio: 1"), "1", "refines nothing", "a number over 1"),
    "workers": (swap("workers: 2", "workers: two"), "two", "not a whole number", "whole number"),
    "tolerance": (swap("2%", "200%"), "200%", "no fraction below 1", "2%"),
}


@pytest.mark.parametrize(("text", "marked", "what", "advice"), BAD.values(), ids=BAD)
def test_a_bad_study_is_refused_with_place_value_rule_and_next_action(text, marked, what, advice):
    with pytest.raises(Faulty) as caught:
        loads(text)
    found = [p for p in caught.value.problems if what in p.what]
    assert found, str(caught.value)
    place = found[0].place
    assert place.source[place.column - 1 :][: place.width] == marked
    assert place.source == text.splitlines()[place.line - 1]
    assert advice in f"{found[0].why}\n{found[0].next}"
    assert caught.value.exit_code == 2
    assert not str(caught.value).count("Traceback")


def test_all_problems_come_at_once_in_the_order_of_the_file():
    text = swap("seed: 7", "seed: x").replace("stiffness", "stifness").replace("rows: 64", "rows: many")
    text = text.replace("workers: 2", "workers: -1").replace("answer: load", "anwser: load")
    with pytest.raises(Faulty) as caught:
        loads(text)
    lines = [problem.place.line for problem in caught.value.problems]
    assert lines == sorted(lines)
    assert {2, 7, 13, 14, 17} <= set(lines)
    assert f"{len(lines)} errors in study.yaml. Nothing was run." in str(caught.value)


def test_no_refinements_may_be_said_in_so_many_words():
    assert loads(GOOD, ["refinements=[]"]).refinements == ()
    assert len(loads(GOOD).refinements) == 1
    with pytest.raises(Faulty, match="2 errors"):  # but a study asks for something, along some chain
        loads(GOOD, ["ask=[]", "chain=[]"])


def test_what_could_not_be_checked_yet_is_said():
    with pytest.raises(Faulty) as caught:
        loads(swap("stiffness", "stifness"))
    assert str(caught.value).endswith("Nothing was run. What is asked of the chain is checked once the chain is whole.")
    with pytest.raises(Faulty) as caught:
        loads(swap("rows: 64", "rows: many"))
    assert str(caught.value).endswith("Nothing was run.")


def test_every_port_that_does_not_fit_is_told():
    with pytest.raises(Faulty) as caught:
        loads(swap("operators:Load", "operators:Wrong"))
    words = str(caught.value)
    assert "does not fit fe.E" in words
    assert "takes 'vacancies'" in words


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "word\n", "12\n"])
def test_what_is_no_study_at_all_is_told_how_to_begin(text):
    with pytest.raises(Faulty, match="uqmsm init"):
        loads(text)


@pytest.mark.parametrize("key", ["study", "seed", "chain", "ask", "members", "run", "refinements", "about"])
@pytest.mark.parametrize("value", ["", "[]", "[1]", "{}", "{a: 1}", "text", "3", "true", ".nan", "[[]]", "[{}]"])
def test_any_value_under_any_key_is_accepted_or_refused_but_never_crashes(key, value):
    body = "\n".join(line for line in GOOD.splitlines() if line.startswith(" ") or not line.startswith(f"{key}:"))
    kept: list[str] = []
    for line in GOOD.splitlines():  # drop the key with all that is indented under it
        if line.startswith(f"{key}:"):
            kept.append("")
        elif line.startswith(" ") and kept and kept[-1] == "":
            continue
        else:
            kept.append(line)
    body = "\n".join([*kept, f"{key}: {value}"])
    problems = problems_of(body)
    assert all(problem.what and words for problem, words in problems)


def problems_of(text):
    """Return what is wrong; any other exception than a refusal is a fault of ours."""
    try:
        loads(text)
    except Faulty as fault:
        return [(problem, str(problem)) for problem in fault.problems]
    return []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_study_damaged_anywhere_is_accepted_or_refused_but_never_crashes(data):
    """Cut a piece out of a good study and put another, or any short text, in its place."""
    start = data.draw(st.integers(0, len(GOOD)))
    piece = data.draw(st.integers(0, len(GOOD) - 20))
    new = data.draw(
        st.sampled_from(["", GOOD[piece : piece + 20], "{", "[", "- ", ": ", "\n", " ", "null", "-1", ".nan", "1e999"])
    )
    damaged = GOOD[:start] + new + GOOD[start + data.draw(st.integers(0, 12)) :]
    assert all(problem.place.line >= 1 for problem, _ in problems_of(damaged))


def test_a_field_in_another_unit_is_converted_with_offset_and_its_width_as_a_difference():
    law = loads(swap("sd: 25, unit: degC", "sd: 18, unit: degF")).chain["heat"].operator.temperature.law
    assert law.mean == pytest.approx((800 - 32) / 1.8 + 273.15, rel=1e-12)
    assert law.sd == pytest.approx(10.0, rel=1e-12)


def test_a_law_judges_its_numbers_in_the_unit_of_the_field():
    """Half an atomic percent is 0.005; 0.5 would be wider than any law on the simplex."""
    law = "fractions: {aleatoric: dirichlet, mean: [0.25, 0.25, 0.25, 0.25], sd: 0.5, unit: at_percent}"
    fractions = loads(swap("stiffness: 210000 MPa", law)).chain["heat"].operator.fractions
    assert fractions.law.sd == pytest.approx(0.005)
    with pytest.raises(Faulty, match="Dirichlet"):
        loads(swap("stiffness: 210000 MPa", law.replace(", unit: at_percent", "")))


def test_a_law_of_the_operators_module_is_known_by_its_word():
    text = swap(
        "aleatoric: normal, mean: 800, sd: 25, unit: degC", "epistemic: triangle, lower: 20, upper: 30, unit: degC"
    )
    law = loads(text).chain["heat"].operator.temperature
    assert law == Epistemic(Triangle(pytest.approx(293.15), pytest.approx(303.15)))


def test_set_changes_the_value_and_the_text_and_keeps_the_comments():
    study = loads(GOOD, ["members.rows=16", "chain.fe.refinement=3", "chain.0.stiffness=100 GPa", "run.workers=4"])
    assert study.members.rows == 16
    assert study.chain["fe"].operator.refinement == 3
    assert study.chain["heat"].operator.stiffness == 100.0
    assert "# how fine" in study.text
    assert "# --set members.rows=16" in study.text
    assert loads(study.text) == study


def test_set_can_add_what_is_not_written():
    text = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(("members", "run")))
    text = text.replace(", below: 150 MPa", "")
    study = loads(text, ["members.rows=9", "run.tolerate_failures=5%", "ask.load.above=1 GPa", "about=why not"])
    assert (study.members.rows, study.run.tolerate_failures, study.ask[0].above) == (9, 0.05, 1e6)
    assert loads(study.text) == study


@pytest.mark.parametrize(
    ("setting", "marked", "what"),
    [
        ("members.rows=many", "many", "not a whole number"),
        ("members.rosw=3", "members.rosw", "unknown key"),
        ("chain.ef.refinement=3", "ef", "there is no 'ef'"),
        ("chain.7.refinement=3", "7", "there is no '7'"),
        ("seed.a=3", "a", "nothing inside it"),
        ("fe.refinement=3", "fe", "is a stage"),
        ("members", "members", "no path=value"),
        ("=3", "=3", "no path=value"),
        ("ask=[1", "[1", "not readable"),
    ],
)
def test_a_bad_setting_is_marked_in_the_setting(setting, marked, what):
    with pytest.raises(Faulty) as caught:
        loads(GOOD, [setting])
    problem = caught.value.problems[0]
    assert what in problem.what
    assert problem.place.file == "--set"
    if what != "not readable":
        assert problem.place.source[problem.place.column - 1 :][: problem.place.width] == marked


def test_a_module_beside_the_study_wins_and_its_failure_is_told(tmp_path):
    text = 'study: t\nseed: 1\nchain:\n  - operator: "mine_beside:Mine"\nask: [{answer: y}]\n'
    source = (
        "from dataclasses import dataclass\nfrom uqmsm.quantity import Port\n"
        "from uqmsm.stochastic import Kind, Source\n"
        "@dataclass(frozen=True)\nclass Mine:\n    value: float = {value}\n    inputs = ()\n"
        "    sources = (Source('x', Kind.EPISTEMIC),)\n"
        "    outputs = (Port('y'),)\n    def __call__(self, given, streams):\n        return {{'y': self.value}}\n"
    )
    for name, value in (("one", 1.0), ("two", 2.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").write_text(text)
        (tmp_path / name / "mine_beside.py").write_text(source.format(value=value))
        stage = load(tmp_path / name).chain["mine"]
        assert stage.operator.value == value
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "study.yaml").write_text(text)
    (tmp_path / "three" / "mine_beside.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(Faulty, match=r"fails when imported, at mine_beside.py:2: ZeroDivisionError"):
        load(tmp_path / "three")
    (tmp_path / "three" / "mine_beside.py").write_text("x = 1\ny = (x\n")
    with pytest.raises(Faulty, match=r"mine_beside.py:2: '\(' was never closed \(y = \(x\)\n") as caught:
        load(tmp_path / "three")
    assert "importlib" not in str(caught.value)
    moved = tmp_path / "elsewhere.yaml"
    moved.write_text(text)
    assert load(moved, beside=tmp_path / "two").chain["mine"].operator.value == 2.0


def test_a_folder_without_a_study_is_told(tmp_path):
    with pytest.raises(StudyError, match=r"holds no study.yaml"):
        load(tmp_path)


# --- round trip

reals = st.floats(-1e12, 1e12, allow_nan=False).map(lambda x: x + 0.0)
widths = st.floats(1e-9, 1e9)
laws = st.one_of(
    st.builds(Normal, reals, widths),
    st.builds(lambda a, w: Uniform(a, a + w + abs(a) * 1e-9), reals, widths),
    st.builds(LogNormal, widths, st.floats(1e-3, 3.0)),
    st.builds(lambda a, s: TruncatedNormal(a, s, a - 3 * s - 1, a + 2 * s + 1), st.floats(-1e6, 1e6), widths),
    st.builds(Triangle, reals, reals),
)
kinds = st.sampled_from([Aleatoric, Epistemic, Numerical])
uncertain = reals | st.builds(lambda kind, law: kind(law), kinds, laws)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
awkward = st.sampled_from(
    ["No", "1e-3", "null", "", " a ", "a: b", "# a", "'", '"', "2%", "~", "[", "\t", "é\u2028\x85", "-"]
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,10}", fullmatch=True)
heats = st.builds(
    Heat,
    temperature=uncertain,
    stiffness=reals,
    lattice=st.sampled_from(Lattice),
    rule=st.sampled_from(["isotropic", "cubic"]),
    fractions=st.lists(reals, min_size=1, max_size=4).map(tuple)
    | st.builds(lambda sd: Aleatoric(Dirichlet((0.25, 0.25, 0.5), sd)), st.floats(1e-4, 0.1)),
    copy=st.integers(1, 10**6),
    solver=st.builds(Solver, reals, reals),
    table=st.sampled_from([None, Path("table.csv")]),
    drift=st.none() | st.builds(lambda kind, law: kind(law), st.sampled_from([Epistemic, Numerical]), laws),
    label=texts | awkward,
)


@st.composite
def studies(draw, folder):
    heat, strain = draw(heats), draw(reals)
    heat = heat if heat.table is None else replace(heat, table=folder / heat.table)
    one, two = draw(st.lists(names, min_size=2, max_size=2, unique=True))
    load_operator = Load(strain, draw(st.integers(1, 9)), draw(st.booleans()))
    finer = replace(load_operator, refinement=load_operator.refinement + 1)
    stages = (Stage(one, heat), Stage(two, load_operator, draw(st.sampled_from([{}, {"E": one}]))))
    ratio = finer.refinement / load_operator.refinement
    refined = Refinement(draw(texts), two, {"refinement": finer.refinement}, finer, 9, 1.5, ratio)
    ask = Ask(
        f"{two}.load", draw(st.sampled_from([None, "kPa", "MPa"])), draw(st.none() | reals), draw(st.none() | reals)
    )
    band = (
        None
        if ask.below is None and ask.above is None
        else draw(st.none() | st.builds(Band, st.integers(8, 99), st.integers(50, 99)))
    )
    return Study(
        draw(texts | awkward),
        draw(st.integers(0, 2**70)),
        Chain(stages),
        (ask,),
        Members(draw(st.integers(9, 999)), band, draw(st.floats(0.001, 0.9))),
        draw(st.sampled_from([(), (refined,)])),
        RunSettings(draw(st.none() | st.integers(1, 99)), draw(st.sampled_from(PLACES)), draw(st.floats(0, 0.99))),
        draw(texts | awkward),
        path=folder / "study.yaml",
    )


PLACES = ["local", "tcp://host:8786", "tls://10.0.0.1:8786", "slurm:debug,jobs=4,walltime=00:30:00", "pbs:work"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("studies")
    (found / "table.csv").write_text("a\n")
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_study_written_out_is_the_same_study(data, folder):
    study = data.draw(studies(folder))
    text = dump(study)
    assert loads(text, path=folder / "study.yaml") == study
    assert dump(loads(text, path=folder / "study.yaml")) == text


def test_the_round_trip_would_see_a_lost_digit():
    """Negative control: the comparison above tells neighbouring floats apart."""
    study = loads(GOOD)
    heat = replace(study.chain["heat"].operator, stiffness=210.00000000000003)
    assert loads(dump(replace(study, chain=study.chain.replaced("heat", heat)))) != study


def test_dump_refuses_what_no_file_can_say():
    study = loads(GOOD)
    heat = replace(study.chain["heat"].operator, label=object())
    with pytest.raises(StudyError, match="object cannot be written"):
        dump(replace(study, chain=study.chain.replaced("heat", heat)))


def test_the_own_operators_schema_is_json_and_its_references_resolve():
    from uqmsm.study.stages import operator_adapter

    found = operator_adapter(Heat).json_schema()
    assert found["additionalProperties"] is False
    assert found["required"] == ["temperature"]
    assert found["properties"]["lattice"]["default"] == "bcc"
    assert "A number in GPa" in found["properties"]["stiffness"]["description"]
    text = json.dumps(found)
    references = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert references == set(found["$defs"])
    assert found["$defs"]["Normal"]["oneOf"] == [{"required": [k]} for k in ("aleatoric", "epistemic", "numerical")]


@pytest.fixture
def vocabulary(monkeypatch):
    """Give a ladder of two scales, one of them with two models."""
    words = {
        "heat": {"small": "study_operators:Heat"},
        "fe": {"bar": "study_operators:Load", "odd": "study_operators:Wrong"},
    }
    monkeypatch.setattr("uqmsm.study.operators.MODELS", words)
    monkeypatch.setattr("uqmsm.study.describing.MODELS", words)


@pytest.mark.usefixtures("vocabulary")
def test_scales_are_words_and_the_first_model_is_the_default():
    text = GOOD.replace('operator: "study_operators:Heat"', "scale: heat").replace(
        'operator: "study_operators:Load"', "scale: fe"
    )
    study = loads(text.replace("  - name: heat\n    scale", "  - scale"))
    assert [(stage.name, stage.scale) for stage in study.chain.stages] == [("heat", "heat"), ("fe", "fe")]
    assert "model: bar" in dump(study)
    assert loads(dump(study)) == study
    with pytest.raises(Faulty, match="the scale fe has no model 'bra'"):
        loads(text.replace("scale: fe", "scale: fe\n    model: bra"))
    with pytest.raises(Faulty, match="a model beside operator"):
        loads(GOOD.replace("name: fe", "name: fe\n    model: bar"))


@pytest.mark.usefixtures("vocabulary")
def test_the_schema_covers_every_key_and_resolves():
    found = schema()
    assert set(found["properties"]) == set(KEYS)
    stages = found["properties"]["chain"]["items"]["anyOf"]
    words = [(s["properties"]["scale"]["const"], s["properties"]["model"]["const"]) for s in stages[:-1]]
    assert words == [("heat", "small"), ("fe", "bar"), ("fe", "odd")]
    assert stages[0]["required"] == ["scale", "temperature"]
    assert stages[2]["required"] == ["scale", "model"]
    references = {part.split('"')[0] for part in json.dumps(found).split('"#/$defs/')[1:]}
    assert references == set(found["$defs"])
    assert found["properties"]["members"]["properties"]["rows"]["description"].startswith("Independent rows")


def test_the_committed_schema_is_that_of_the_code():
    """Write it anew with ``uqmsm schema > docs/uqmsm-study.schema.json``."""
    committed = Path(__file__).parents[1] / "docs" / "uqmsm-study.schema.json"
    assert json.loads(committed.read_text(encoding="utf-8")) == schema()


def test_a_chain_without_sources_is_refused_before_it_runs(tmp_path):
    (tmp_path / "study.yaml").write_text("study: t\nseed: 1\nchain:\n  - operator: 'sure:Sure'\nask: [{answer: y}]\n")
    (tmp_path / "sure.py").write_text(
        "from dataclasses import dataclass\nfrom uqmsm.quantity import Port\n"
        "@dataclass(frozen=True)\nclass Sure:\n    inputs = ()\n    sources = ()\n    outputs = (Port('y'),)\n"
        "    def __call__(self, given, streams):\n        return {'y': 1.0}\n"
    )
    with pytest.raises(Faulty, match="no stage has a source"):
        load(tmp_path)


@pytest.mark.parametrize(("setting", "ratio"), [("set: {strain: 0.003}", 3.0), ("set: {strain: 0.00025}", 4.0)])
def test_the_factor_of_a_refinement_is_that_of_the_two_settings(setting, ratio):
    """A step grows finer downwards, a count upwards; a factor that is written wins."""
    text = GOOD.replace("refinement: 1", "strain: 0.001").replace("set: {refinement: 2}", setting)
    assert loads(text).refinements[0].ratio == pytest.approx(ratio)
    assert loads(text.replace("order: 2", "order: 2, ratio: 1.5")).refinements[0].ratio == 1.5


def test_the_least_numbers_of_a_study_are_those_of_its_questions():
    from uqmsm.questions.reliability import FEWEST_DRAWS, FEWEST_INNER
    from uqmsm.questions.shift import FEWEST_PAIRS

    Band(FEWEST_DRAWS, FEWEST_INNER)
    finer = Load(refinement=2)
    Refinement("mesh", "fe", {"refinement": 2}, finer, FEWEST_PAIRS)
    for call in (
        lambda: Band(FEWEST_DRAWS - 1, FEWEST_INNER),
        lambda: Band(FEWEST_DRAWS, FEWEST_INNER - 1),
        lambda: Refinement("mesh", "fe", {"refinement": 2}, finer, FEWEST_PAIRS - 1),
    ):
        with pytest.raises(StudyError, match="too few"):
            call()


# --- what the shipped operators refuse, and where

STEPS = Path(__file__).parents[1] / "studies" / "first_steps"


@pytest.mark.parametrize(
    ("setting", "marked", "what", "advice"),
    [
        ("chain.potential.elements=[Mo, Nb, Ta, Hf]", "Hf", "no parameters for 'Hf'", "Choose from"),
        ("chain.alloy.elements=[Mo, Nb, Ta, Xx]", "Xx", "'Xx' is unknown", "chemical symbols"),
        ("chain.alloy.composition=[25, 25, 25, 25]", "[25, 25, 25, 25]", "sums to 100", "0.25 for 25 %"),
        ("chain.alloy.cells=3", "3", "3 where 3 are wanted", "a list of 3 such as [3, 3, 3]"),
        ("chain.alloy.cells=[4, 4]", "[4, 4]", "2 values where 3 are wanted", "a list of 3 such as [4, 4, 4]"),
        ("chain.fe.thickness=-2", "-2", "thickness = -2 must be more than zero", "positive"),
        ("chain.fe.design_stress=0", "0", "design_stress = 0 must be more than zero", "positive"),
        ("chain.fe.grain_diameter=-1", "-1", "grain_diameter = -1 must be more than zero", "positive"),
        ("chain.fe.width=3 MPa", "3 MPa", "not a number in mm", "MPa is a pressure, mm is a length"),
    ],
)
def test_what_every_member_would_fail_on_is_refused_before_the_run(setting, marked, what, advice):
    with pytest.raises(Faulty) as caught:
        load(STEPS, [setting])
    found = [problem for problem in caught.value.problems if what in problem.what]
    assert found, str(caught.value)
    place = found[0].place
    assert place.source[place.column - 1 :][: place.width] == marked
    assert advice in f"{found[0].why}\n{found[0].next}"


def test_the_least_rows_are_those_of_the_ledger():
    from uqmsm.questions import attribute
    from uqmsm.study import parts

    assert (parts.FEWEST_ROWS, parts.INTERVAL_ROWS) == (attribute.FEWEST_ROWS, attribute.INTERVAL_ROWS)
