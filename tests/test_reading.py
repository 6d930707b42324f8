"""The reader: what a word means in YAML 1.2, and that every value knows where it stands."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.reading import Faulty, Place, Problem, read, read_file

# text -> value by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)
TRAPS = [
    ("1e-3", 1e-3),
    ("1e+10", 1e10),
    ("1E5", 1e5),
    (".5", 0.5),
    (".5e3", 500.0),
    ("5.", 5.0),
    ("+1", 1),
    ("-0", 0),
    ("012", 12),
    ("0o14", 12),
    ("0x1F", 31),
    ("12:30", "12:30"),
    ("1_000", "1_000"),
    ("1,000", "1,000"),
    ("1e", "1e"),
    ("e3", "e3"),
    ("No", "No"),
    ("NO", "NO"),
    ("no", "no"),
    ("off", "off"),
    ("Y", "Y"),
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("'1e-3'", "1e-3"),
    ('"true"', "true"),
    ("2%", "2%"),
    ("800 degC", "800 degC"),
    ("2026-01-01", "2026-01-01"),
    ("my_models:MyOperator", "my_models:MyOperator"),
    ("<<", "<<"),
    (".inf", math.inf),
    ("-.inf", -math.inf),
]


@pytest.mark.parametrize(("text", "value"), TRAPS)
def test_words_mean_what_yaml_1_2_says(text, value):
    found = read(f"key: {text}\n").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_one_and_a_version_directive_changes_nothing():
    assert math.isnan(read("a: .nan").value["a"])
    assert read("%YAML 1.1\n---\na: No\n").value == {"a": "No"}


def test_an_integer_of_thousands_of_digits_is_a_float():
    assert read(f"a: {'9' * 5000}").value["a"] == math.inf


def test_anchors_are_values_written_once():
    assert read("a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


words = st.text("abcxyz_é日", min_size=1, max_size=8)
values = st.recursive(
    st.integers(-(10**6), 10**6) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(words, values, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_every_key_and_value_is_found_at_its_place(body, indent):
    """JSON is YAML: what stands at each place noted is the key or the value itself."""
    text = json.dumps(body, ensure_ascii=False, indent=indent)
    document = read(text)
    assert document.value == body
    lines = text.splitlines()

    def walk(value, route):
        place = document.values[route]
        written = lines[place.line - 1][place.column - 1 :][: place.width]
        if isinstance(value, dict):
            for key, item in value.items():
                at = document.keys[(*route, key)]
                assert lines[at.line - 1][at.column - 1 :][: at.width] == f'"{key}"'
                walk(item, (*route, key))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                walk(item, (*route, number))
        else:
            assert written == json.dumps(value, ensure_ascii=False)

    walk(body, ())


BAD = [
    ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' is written twice"),
    ("a: {b: 1, b: 2}\n", 1, 11, "the key 'b' is written twice"),
    ("a: !!python/object:os.system x\n", 1, 4, "a tag"),
    ("a: !mine 3\n", 1, 4, "a tag"),
    ("a: [1, 2\nb: 3\n", 2, 2, "not readable as YAML"),
    ("a: b: c\n", 1, 5, "not readable as YAML"),
    ("a:\n\t- 1\n", 2, 1, "a tab where YAML wants spaces"),
    ("a: 1\n---\nb: 2\n", 2, 1, "a second document"),
    ("a: &x [1, *x]\n", 1, 4, "anchors without end"),
    ("? [a]\n: 1\n", 1, 3, "a key that is no word"),
    ("a: \x01\n", 1, 4, "a character that YAML does not allow"),
    ("a: *nobody\n", 1, 4, "not readable as YAML"),
]


@pytest.mark.parametrize(("text", "line", "column", "what"), BAD)
def test_a_fault_of_grammar_has_its_place_and_what_to_do(text, line, column, what):
    with pytest.raises(Faulty) as caught:
        read(text)
    problem = caught.value.problems[0]
    assert (problem.place.line, problem.place.column) == (line, column)
    assert what in problem.what
    assert problem.next
    assert caught.value.exit_code == 2


def test_nested_anchors_that_claim_billions_are_refused_quickly():
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(Faulty, match="anchors without end"):
        read("\n".join(lines))


def test_deep_nesting_is_refused_without_a_traceback():
    with pytest.raises(Faulty, match="nested too deeply"):
        read("- " * 4000 + "a")


def test_the_message_shows_place_line_caret_reason_and_next_action():
    place = Place("study.yaml", 9, 7, 5, "  sd: -1 eV")
    fault = Faulty([Problem(place, "sd must be positive", "It is a width.", "Write 1 eV.")])
    assert str(fault).splitlines() == [
        "study.yaml:9:7  sd must be positive",
        "   9 │   sd: -1 eV",
        "     │       ^^^^^",
        "     It is a width.",
        "     Write 1 eV.",
        "",
        "1 error in study.yaml. Nothing was run.",
    ]


def test_the_caret_stands_under_the_fault_in_wide_and_in_long_lines():
    wide = str(Problem(Place("study.yaml", 1, 5, 2, "日本: no"), "x")).splitlines()
    assert wide[2] == "     │       ^^"  # two characters of two cells, colon and space before it
    source = "a: " + "b" * 300 + "!" + "c" * 300
    long = str(Problem(Place("study.yaml", 1, 304, 1, source), "x")).splitlines()
    assert len(long[1]) < 125
    assert long[1][long[2].index("^")] == "!"


def test_problems_are_told_in_the_order_of_the_file_and_once():
    first, second = (Problem(Place("study.yaml", line), f"{line}") for line in (1, 2))
    told = Faulty([second, first, second])
    assert told.problems == [first, second]
    assert str(told).endswith("2 errors in study.yaml. Nothing was run.")


def test_a_file_that_is_wrong_is_never_called_missing(tmp_path):
    with pytest.raises(StudyError, match="there is no file"):
        read_file(tmp_path / "study.yaml")
    (tmp_path / "study.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(StudyError, match="not UTF-8"):
        read_file(tmp_path / "study.yaml")
    with pytest.raises(StudyError, match="exists but cannot be read"):
        read_file(tmp_path)
    (tmp_path / "study.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_file(tmp_path / "study.yaml")[1].value == {"a": 1}
