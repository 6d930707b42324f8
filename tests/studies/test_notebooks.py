"""Notebooks of atoms: small, whole, and what the code gives from the results that are shipped with the studies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from notebook_cells import cells, shown

import uqmsm
from uqmsm.tables import folder

NOTEBOOKS = ("vacancies", "cantor")


def notebook(name):
    return folder("studies") / name / f"{name}.ipynb"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_small_and_were_run_without_a_fault(name):
    place = folder("studies") / name
    assert (place / f"{name}.ipynb").stat().st_size < 500_000
    assert (place / "result.nc").stat().st_size < 500_000
    for number, cell in enumerate(cells(notebook(name))):
        compile("".join(cell["source"]), f"cell {number}", "exec")
        assert cell["execution_count"] == number + 1
        assert all(out["output_type"] != "error" for out in cell["outputs"])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_shipped_results_are_of_the_study_as_it_is(name):
    """Its stages, sources and answers; a study that was changed since asks for a run, or a new one."""
    results, study = uqmsm.open(folder("studies") / name / "result.nc"), uqmsm.load(folder("studies") / name)
    assert {str(one).split()[0] for one in results["ledger"]["answer"].values} == {ask.answer for ask in study.ask}
    theirs = {(one["stage"], one["name"], one["kind"]) for one in json.loads(results.attrs["sources"])}
    assert theirs == {(s.label.split(".")[0], s.label.split(".")[1], str(s.kind)) for s in study.chain.sources}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_say_what_they_said(name, monkeypatch):
    """Every printed line and picture again."""
    contents = shown(notebook(name), monkeypatch)
    kept = [
        out["data"]["image/svg+xml"]
        for cell in cells(notebook(name))
        for out in cell["outputs"]
        if "data" in out and "image/svg+xml" in out["data"]
    ]
    pictures = [content for content in contents if content.startswith("<svg")]
    assert len(pictures) == len(kept) > 1
    # pictures of the shipped results are the same to the last stroke
    assert pictures[0].strip() == "".join(kept[0]).strip()


METHODS = folder("studies").parent / "docs" / "coupling-methods.ipynb"


def test_the_notebook_of_coupling_methods_is_small_and_was_run():
    assert METHODS.stat().st_size < 500_000
    for number, cell in enumerate(cells(METHODS)):
        compile("".join(cell["source"]), f"cell {number}", "exec")
        assert cell["execution_count"] == number + 1
        assert all(out["output_type"] != "error" for out in cell["outputs"])


@pytest.mark.slow
def test_the_notebook_of_coupling_methods_says_what_it_said(monkeypatch, capsys):
    """Every table to the last printed digit but one: other libraries round otherwise."""
    pictures = shown(METHODS, monkeypatch)
    printed = capsys.readouterr().out
    kept = "".join("".join(out["text"]) for cell in cells(METHODS) for out in cell["outputs"] if "text" in out)
    words, theirs = printed.split(), kept.split()
    assert len(words) == len(theirs)
    assert len(pictures) == 1
    for one, other in zip(words, theirs, strict=True):
        try:
            assert float(one) == pytest.approx(float(other), rel=0.02, abs=2e-4)
        except ValueError:
            assert one == other


def test_bands_part_chance_from_ignorance():
    """A made run of 400 rows: x = 3 z + w + 2 v, of which z is epistemic; bands within 10 %, four standard errors."""
    import runpy

    import xarray as xr

    of_run = runpy.run_path(str(folder("studies") / "cantor" / "picture.py"))["of_run"]
    rng, pairs = np.random.default_rng(5), np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]])
    index = np.concatenate([2 * row + pairs for row in range(400)])
    z, w, v = rng.normal(size=(3, 800))
    x = 5.0 + 3 * z[index[:, 0]] + w[index[:, 1]] + 2 * v[index[:, 2]]
    labels = ("a.z", "b.w", "b.v")
    table = xr.Dataset({"x": ("b_call", x)}).assign_coords({k: ("b_call", index[:, n]) for n, k in enumerate(labels)})
    tree = xr.DataTree.from_dict({"outcomes/b": table})
    kinds = ("epistemic", "aleatoric", "numerical")
    said = [
        dict(zip(("stage", "name", "kind"), (*k.split("."), kind), strict=True))
        for k, kind in zip(labels, kinds, strict=True)
    ]
    tree.attrs["sources"] = json.dumps(said)
    found = of_run(tree, "b", "x")
    assert found.chance == pytest.approx(np.sqrt(5.0), rel=0.1)
    assert found.epistemic == pytest.approx(3.0, rel=0.15)
    assert found.sd == pytest.approx(np.sqrt(14.0), rel=0.12)
