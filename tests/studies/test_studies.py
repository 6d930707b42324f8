"""Every study is sound, and the first one runs from a wheel in an empty folder, posterior, ledger, report and all."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import uqmsm
from uqmsm.tables import folder

STUDIES = sorted(path.parent for path in folder("studies").glob("*/study.yaml"))
CHECKOUT = Path(uqmsm.__file__).parents[1]


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_every_study_is_sound(study):
    loaded = uqmsm.load(study)
    assert loaded.ask
    assert uqmsm.load(study) == loaded


def test_the_hero_study_asks_for_what_it_should():
    """Cells of at least 432 atoms, 32^3 voxels, 100 grains, a computed posterior, motion, fields, 50 inner members."""
    study = uqmsm.load(folder("studies") / "refractory_plate")
    chain = {stage.name: stage.operator for stage in study.chain.stages}
    cells = chain["alloy"].cells
    assert 2 * cells[0] * cells[1] * cells[2] >= 432
    assert chain["rve"].voxels >= 32
    assert chain["rve"].grains >= 100
    assert chain["potential"].parameters.law.shipped is False
    assert chain["potential"].parameters.law.sampling.ensembles >= 4
    assert study.members.band.inner >= 50
    assert study.members.target_se <= 0.05
    assert 2 * math.prod(chain["motion"].cells) >= 128
    plate = chain["fe"]
    assert (plate.stiffness_field, plate.strength_field) == ("grains", "grains")
    mesh = next(one for one in study.refinements if one.stage == "fe")
    assert plate.field_refinement >= dict(mesh.set)["refinement"]


@pytest.fixture(scope="module")
def from_a_wheel(tmp_path_factory):
    """Return a command line that runs uqmsm as installed from a wheel, and an empty folder."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", place, CHECKOUT], check=True, capture_output=True)
    (wheel,) = place.glob("uqmsm-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", place / "site", wheel], check=True, capture_output=True)
    (place / "empty").mkdir()

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from uqmsm.cli import main; main()", *words],
            cwd=place / "empty",
            env=os.environ | {"PYTHONPATH": str(place / "site"), "NUMBA_CACHE_DIR": str(place / "cold")},
            capture_output=True,
            text=True,
            check=False,
        )

    return command, place


@pytest.mark.slow
def test_first_steps_runs_from_a_wheel_in_an_empty_folder(from_a_wheel):
    command, place = from_a_wheel
    where = subprocess.run(
        [sys.executable, "-c", "import uqmsm; print(uqmsm.__file__)"],
        cwd=place / "empty",
        env=os.environ | {"PYTHONPATH": str(place / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(place / "site")
    made = command("init", "first")
    assert made.returncode == 0, made.stderr
    ran = command("run", "first", "--json", "--out", "run")
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout)["answers"]
    assert answers["yield_load"]["unit"] == "MPa"
    assert answers["yield_load"]["sd"] > 0
    tree = uqmsm.open(place / "empty" / "run")
    fractions = tree["ledger"].to_dataset().sel(answer="yield_load")
    kinds = ("aleatoric", "epistemic", "numerical", "interaction")
    assert sum(float(fractions[f"{kind}_fraction"]) for kind in kinds) == pytest.approx(1, abs=1e-9)
    assert "potential" in tree["posterior"].children
    assert float(tree["outcomes/rve"]["hill_mandel_gap"].max()) < 1e-10
    assert (place / "empty" / "run" / "report.html").stat().st_size > 10_000
