"""Fields of a whole study: they stay in the run folder, `open` reads them call by call, and nobody is misled."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm import results
from uqmsm.errors import StudyError
from uqmsm.fields import INDEX, DamagedField, read_row

OPERATORS = Path(__file__).parents[1] / "execution" / "field_operators.py"
STUDY = """
study: fields of grains
seed: 7
chain:
  - {{name: rve, operator: "grains:Grains", cells: {cells}, ragged: {ragged}, fail_above: {fail_above}}}
  - {{name: fe, operator: "grains:Strength"}}
ask:
  - {{answer: strength}}
members: {{rows: 12}}
run: {{tolerate_failures: 0.9}}
"""


def study(place, cells=4000, ragged=False, fail_above=2.0):
    place.mkdir()
    shutil.copy(OPERATORS, place / "grains.py")
    text = STUDY.format(cells=cells, ragged=str(ragged).lower(), fail_above=fail_above)
    (place / "study.yaml").write_text(text, encoding="utf-8")
    return uqmsm.load(place)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    place = tmp_path_factory.mktemp("fields")
    asked = study(place / "study", ragged=True, fail_above=0.9)
    return uqmsm.run(asked, place / "run", workers=0).folder


@pytest.fixture
def reads(monkeypatch):
    found = []

    def counted(*words):
        found.append(words[1:3])
        return read_row(*words)

    monkeypatch.setattr(results, "read_row", counted)
    return found


def test_open_gives_fields_that_are_read_when_looked_at(finished, reads):
    tree = uqmsm.open(finished)
    stage = tree["outcomes/rve"].to_dataset()
    assert stage["stress"].dims == ("rve_call", "rve_cell")
    assert (stage["stress"].attrs["units"], stage["stress"].attrs["long_name"]) == ("Pa", "stress of every cell")
    assert stage["stress"].attrs["sources"] == "rve.chance"
    assert not reads
    size = stage["stress_size"].values[:, 0]
    call = int(np.argmax(size))
    row = stage["stress"].isel(rve_call=call).values
    assert len(reads) == 1
    mean = stage["mean"].values
    assert np.nanmean(row) == pytest.approx(mean[call], rel=1e-12)
    part = stage["stress"].isel(rve_call=slice(0, 3), rve_cell=slice(5, 8))
    assert part.shape == (3, 3)
    assert part.values.shape == (3, 3)
    failed = np.isnan(mean)
    assert failed.any()
    assert not failed.all()
    whole = stage["stress"].values
    assert np.isnan(whole[failed]).all()
    for one in np.flatnonzero(~failed):  # ragged: NaN behind the end, the mean of each is that which came home
        assert np.isfinite(whole[one]).sum() == size[one]
        assert np.nanmean(whole[one]) == pytest.approx(mean[one], rel=1e-12)
    assert stage["ids"].dtype == np.float64  # no integer says "missing"


def test_field_is_the_same_by_its_name(finished):
    field = uqmsm.field(finished, "rve.stress")
    same = uqmsm.open(finished)["outcomes/rve/stress"]
    assert np.array_equal(field.isel(rve_call=2).values, same.isel(rve_call=2).values, equal_nan=True)
    with pytest.raises(StudyError, match=r"no outcomes 'rve\.strain'; it has .*rve\.stress"):
        uqmsm.field(finished, "rve.strain")


def test_unstack_leaves_fields_where_they_are(finished, reads):
    dense = uqmsm.unstack(uqmsm.open(finished), "rve")
    assert "mean" in dense
    assert "stress" not in dense
    assert not reads


def test_the_report_is_made_anew_without_reading_fields(finished, reads):
    from uqmsm.report import write

    write(uqmsm.open(finished), finished)
    assert not reads


def test_a_damaged_field_is_told_and_made_again(tmp_path):
    asked = study(tmp_path / "study")
    folder = uqmsm.run(asked, tmp_path / "run", workers=0).folder
    before = uqmsm.field(folder, "rve.stress")
    first = before.isel(rve_call=0).values
    one = next(file for file in (folder / "members").glob("rve.stress-*.npy"))
    one.write_bytes(one.read_bytes()[:-1] + b"\x00")
    with pytest.raises(DamagedField, match="does not match its checksum"):
        uqmsm.field(folder, "rve.stress").load()
    uqmsm.resume(folder, workers=0)
    after = uqmsm.field(folder, "rve.stress").load()
    assert np.array_equal(after.values[0], first)
    assert np.isfinite(after.values).all()


def test_an_index_of_another_run_is_refused(tmp_path):
    runs = [
        uqmsm.run(study(tmp_path / f"study{cells}", cells=cells), tmp_path / f"run{cells}", workers=0).folder
        for cells in (4000, 4001)
    ]
    shutil.copy(runs[1] / INDEX, runs[0] / INDEX)
    with pytest.raises(StudyError, match="of different runs"):
        uqmsm.open(runs[0])


def test_results_are_the_same_with_workers_and_without_and_hold_no_fields(tmp_path):
    """Two fields of 160 kB in each of 24 calls: results.nc has their checksums and nothing else of them."""
    asked = study(tmp_path / "study", cells=20_000)
    found = []
    for workers in (0, 2):
        folder = uqmsm.run(asked, tmp_path / f"run{workers}", workers=workers).folder
        tree = uqmsm.open(folder)
        stage = tree["outcomes/rve"].to_dataset()
        assert (folder / "results.nc").stat().st_size < 0.1 * stage["stress"].nbytes
        parts = [
            stage["stress_digest"],
            stage["stress"].isel(rve_call=3),
            tree["answers/strength"],
            tree["ledger/fair"],
        ]
        found.append([part.values.tobytes() for part in parts])
    assert found[0] == found[1]
