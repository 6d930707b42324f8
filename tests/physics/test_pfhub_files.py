"""The files that `benchmarks/pfhub.py` writes have the columns that PFHub's pages ask for; on tiny grids."""

from __future__ import annotations

import argparse
import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from uqmsm.physics.phasefield.manufactured import MovingWall

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "pfhub.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pfhub_script", _SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(tmp_path, **given):
    names = ("until", "tolerance", "points", "spacing", "courant", "replicas")
    return argparse.Namespace(**dict.fromkeys(names) | {"out": tmp_path, "clock": 3.0} | given)


def read(path):
    with path.open() as file:
        head, *rows = csv.reader(file)
    return head, np.array(rows, np.float64)


def test_energies_and_fields_of_spinodals(script, tmp_path):
    script.case_1c(asked(tmp_path, spacing=[10.0], tolerance=[1e-2], until=1e3))
    head, rows = read(tmp_path / "free_energy_1c_40_0.01.csv")
    assert head == ["time", "free_energy"]
    assert rows[0, 0] == 0.0
    assert rows[-1, 0] == 1e3
    assert np.all(np.diff(rows[:, 1]) <= 1e-12 * rows[0, 1])
    picture = tmp_path / "raw_data_1c_40_0.01.0001000.vti"
    assert b'WholeExtent="0 10 0 12 0 1"' in picture.read_bytes()
    assert b'Name="c"' in picture.read_bytes()


def test_tips_and_contour_of_the_dendrite(script, tmp_path):
    script.case_3a(asked(tmp_path, spacing=[7.5], courant=[0.8], until=20.0))
    head, rows = read(tmp_path / "3a_7.5_0.8.csv")
    assert head == ["time", "solid_fraction", "free_energy", "tip_position", "solid_area"]
    assert np.allclose(rows[:, 1] * 960.0**2, rows[:, 4])
    head, points = read(tmp_path / "phase_field_1500_3a_7.5_0.8.csv")
    assert head == ["x", "y"]
    assert len(points) >= 2


def test_orders_and_costs_of_the_known_wall(script, tmp_path):
    wall = MovingWall(gradient=1.6e-3, second_wave=6.0 * np.pi, wave=4.0 * np.pi)
    pairs = [(32, 20), (48, 20)]
    script.order(asked(tmp_path, until=1.0), "7a", [("space", wall, pairs), ("time", wall, [(32, 10), (32, 20)])])
    head, rows = read(tmp_path / "7a_spatial.csv")
    assert head == ["mesh_size", "L2_error"]
    assert rows[:, 0].tolist() == [1 / 32, 1 / 48]
    head, rows = read(tmp_path / "7a_temporal.csv")
    assert head == ["time_step", "L2_error"]
    assert rows[:, 0].tolist() == [0.1, 0.05]
    script.cost(asked(tmp_path, until=1.0), "7b", wall, pairs)
    head, rows = read(tmp_path / "7b.csv")
    assert head == ["cores", "wall_time", "memory", "error", "cost"]
    assert np.allclose(rows[:, 4], 1.5 * rows[:, 1])


def test_fractions_and_fields_of_nuclei(script, tmp_path):
    script.case_8a(asked(tmp_path, points=[50, 100], until=0.2))
    head, rows = read(tmp_path / "8a_100_data_1.csv")
    assert head == ["time", "fraction", "energy"]
    # as printed in the statement, radius 0.99 r*, t = 0, 0.1, 0.2; its energies are of coarse differences
    assert np.allclose(rows[::50, 1], [8.214174e-3, 8.205027e-3, 8.197361e-3], rtol=3e-4)
    assert np.allclose(rows[::50, 2], [3.579809, 3.577697, 3.576379], rtol=2e-2)
    areas = [read(tmp_path / f"8a_100_data_{i}.csv")[1][0, 1] for i in (1, 2, 3)]
    assert areas[0] < areas[1] < areas[2]
    head, field = read(tmp_path / "8a_100_phase_field_3.csv")
    assert head == ["x", "y", "phi"]
    assert field[:, :2].min() == -50.0
    script.ensemble(asked(tmp_path, tolerance=[1e-2], replicas=1), "8b", 60.0, 32, 3, 0.0, 40.0)
    head, rows = read(tmp_path / "8b_32_0.01_data_1.csv")
    assert head == ["time", "fraction", "energy", "particle_count"]
    assert rows[0, 3] >= 1
