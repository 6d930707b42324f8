"""Tessellations, measures and files: against brute force, exact identities and closed forms."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from phasefield_reference import ball
from scipy import stats

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield import (
    GrainField,
    GrainGrowth,
    chord_lengths,
    energy,
    junction_angles,
    laguerre,
    lognormal_volumes,
    neighbour_counts,
    power_diagram,
    radii,
    same_grain_probability,
    volumes,
    voronoi_ids,
    write_vti,
)


@pytest.mark.parametrize("shape", [(37, 25), (19, 24, 13)])
def test_a_power_diagram_by_brute_force(shape):
    rng = np.random.default_rng(1)
    seeds, weights = rng.random((30, len(shape))) * shape, rng.random(30) * 40
    ids = power_diagram(seeds, weights, shape)
    for voxel in np.ndindex(shape):
        apart = np.array(voxel) + 0.5 - seeds
        apart -= np.array(shape) * np.round(apart / shape)
        assert ids[voxel] == np.argmin(np.sum(apart**2, axis=1) - weights)


def test_seeds_have_to_lie_on_the_grid():
    with pytest.raises(StudyError, match="outside"):
        power_diagram(np.array([[1.0, 8.0]]), np.zeros(1), (8, 8))
    with pytest.raises(StudyError, match="one row per grain"):
        power_diagram(np.zeros((3, 2)), np.zeros(3), (8, 8, 8))
    with pytest.raises(StudyError, match="0 grains"):
        voronoi_ids(np.random.default_rng(0), 0, (8, 8))


def test_faces_of_poisson_voronoi_cells():
    """15.54 faces in space (J. L. Meijering, Philips Res. Rep. 8, 1953: 48 pi^2 / 35 + 2); exactly six in the plane.

    Contacts below three voxel faces are not counted; smaller faces are lost to the grid, so the mean is low by 2 %.
    """
    _, counts = neighbour_counts(voronoi_ids(np.random.default_rng(2), 400, (128, 128, 128)), 400)
    assert counts.mean() == pytest.approx(48 * np.pi**2 / 35 + 2, rel=0.02)
    _, plane = neighbour_counts(voronoi_ids(np.random.default_rng(3), 100, (700, 700)), 100)
    assert plane.mean() == pytest.approx(6.0, abs=0.03)


@pytest.mark.parametrize("shape", [(220, 200), (64, 60, 62)])
def test_laguerre_cells_have_the_wanted_sizes(shape):
    rng = np.random.default_rng(4)
    wanted = lognormal_volumes(rng, 150, 0.4, len(shape))
    made = laguerre(rng, wanted, shape)
    assert made.error < 0.03
    assert made.reached == pytest.approx(np.bincount(made.grain_ids.ravel(), minlength=150) / made.grain_ids.size)
    logs = np.log(radii(made.reached, len(shape)))
    # shape of the law: the mean of the sample is free, the standard deviation is not; 1 in 1000 false alarms
    assert stats.kstest((logs - logs.mean()) / 0.4, "norm").pvalue > 1e-3
    assert stats.kstest((logs - logs.mean()) / 0.2, "norm").pvalue < 1e-3
    free = voronoi_ids(np.random.default_rng(4), 150, shape)
    voronoi = np.log(radii(np.bincount(free.ravel(), minlength=150) / free.size, len(shape)))
    assert voronoi.std() < 0.33 < logs.std()


def test_volumes_to_be_fitted_are_positive():
    with pytest.raises(StudyError, match="positive"):
        laguerre(np.random.default_rng(0), np.array([1.0, 0.0]), (8, 8))


def test_smooth_volumes_add_up_and_agree_with_the_disc():
    field = GrainField.from_dense(ball((81, 90), 25, 6.0))
    both = volumes(field, 2)
    assert both.sum() == pytest.approx(81 * 90, rel=1e-13)
    assert both[0] == pytest.approx(np.pi * 25**2, rel=5e-3)
    assert radii(both[:1], 2)[0] == pytest.approx(25, rel=3e-3)
    assert radii(np.array([4 / 3 * np.pi * 8]), 3)[0] == pytest.approx(2.0)


def test_energy_is_boundary_energy_times_area():
    """A slab: two flat boundaries; reduced boundary energy width / 6, low by the error of the grid."""
    error = []
    for width in (5.0, 10.0):
        x = np.arange(240) - 119.5
        inside = np.broadcast_to((0.5 * (1 - np.tanh(2 * (np.abs(x) - 60) / width)))[:, None], (240, 8))
        growth = GrainGrowth(GrainField.from_dense(np.stack([inside, 1 - inside])), width)
        growth.run(10.0)
        error.append(energy(growth) / (2 * 8 * width / 6) - 1)
    assert -0.02 < error[0] < 0
    assert error[0] / error[1] == pytest.approx(4.0, rel=0.1)  # second order


def test_chords_by_hand_and_in_total():
    ids = np.array([[0, 0, 1, 1, 1, 0], [2, 2, 2, 2, 2, 2], [3, 1, 1, 3, 3, 3]], np.int32)
    assert sorted(chord_lengths(ids, 1)) == [2, 3, 3, 4, 6]
    ids = voronoi_ids(np.random.default_rng(5), 40, (40, 30, 20))
    for axis, edge in enumerate(ids.shape):
        chords = chord_lengths(ids, axis)
        assert chords.sum() == ids.size
        assert chords.max() <= edge


@pytest.mark.parametrize(("shape", "grains"), [((24, 31), 20), ((24, 31), 2), ((12, 11, 13), 15)])
def test_two_point_correlation_by_brute_force(shape, grains):
    ids = voronoi_ids(np.random.default_rng(6), grains, shape)
    found = same_grain_probability(ids, 5)
    for lag in itertools.product(range(-5, 6), repeat=len(shape)):
        same = np.mean(ids == np.roll(ids, tuple(-n for n in lag), tuple(range(len(shape)))))
        assert found[tuple(n + 5 for n in lag)] == pytest.approx(same, abs=1e-12)
    with pytest.raises(StudyError, match="half"):
        same_grain_probability(ids, min(shape))


def test_angles_of_a_drawn_junction():
    """Three sharp sectors of 90, 120 and 150 degrees, and what makes the grid periodic far from them."""
    x, y = np.meshgrid(np.arange(80) - 39.5, np.arange(80) - 39.5, indexing="ij")
    turn = np.degrees(np.arctan2(y, x)) % 360
    ids = np.digitize(turn, [90, 210])
    ids[np.hypot(x, y) > 32] = 3
    angles = junction_angles(GrainField.from_ids(ids), 12.0)
    middle = angles[np.argmin(np.abs(np.sort(angles, axis=1) - [90, 120, 150]).sum(axis=1))]
    assert np.sort(middle) == pytest.approx([90, 120, 150], abs=3)
    assert angles.sum(axis=1) == pytest.approx(360)
    with pytest.raises(StudyError, match="three dimensions"):
        junction_angles(GrainField.from_ids(np.zeros((5, 5, 5), int)), 2.0)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3)])
def test_a_vti_file_says_what_was_written(tmp_path, shape):
    cells = {"grain": np.arange(np.prod(shape), dtype=np.int32).reshape(shape)}
    cells["eta & co"] = np.random.default_rng(7).random(shape)
    if len(shape) == 3:
        cells["axis"] = np.random.default_rng(8).random((*shape, 3)).astype(np.float32)
    write_vti(tmp_path / "grains.vti", cells, 1e-6)
    blob = (tmp_path / "grains.vti").read_bytes()
    head, _, rest = blob.partition(b'<AppendedData encoding="raw">\n_')
    data = rest.removesuffix(b"\n</AppendedData>\n</VTKFile>\n")
    root = ET.fromstring(head + b"</VTKFile>")  # noqa: S314
    image = root.find("ImageData")
    assert (root.get("type"), root.get("header_type")) == ("ImageData", "UInt64")
    full = (*shape, 1)[:3]
    assert image.get("WholeExtent") == " ".join(f"0 {n}" for n in full)
    assert [float(one) for one in image.get("Spacing").split()] == [1e-6] * 3
    arrays = {one.get("Name"): one for one in image.find("Piece").find("CellData")}
    assert set(arrays) == set(cells)
    for name, wanted in cells.items():
        offset, kind = int(arrays[name].get("offset")), np.dtype(arrays[name].get("type").lower())
        length = int(np.frombuffer(data, np.uint64, 1, offset)[0])
        flat = np.frombuffer(data, kind, length // kind.itemsize, offset + 8)
        parts = int(arrays[name].get("NumberOfComponents", 1))
        assert np.array_equal(flat.reshape(*full[::-1], parts).transpose(2, 1, 0, 3).reshape(wanted.shape), wanted)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3)])
def test_paraviews_own_reader_reads_a_vti_file(tmp_path, shape):
    """VTK where it is installed: the library that ParaView is made of."""
    xml = pytest.importorskip("vtkmodules.vtkIOXML")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    cells = {"grain": np.arange(np.prod(shape), dtype=np.int32).reshape(shape)}
    cells["eta & co"] = np.random.default_rng(7).random(shape)
    if len(shape) == 3:
        cells["axis"] = np.random.default_rng(8).random((*shape, 3)).astype(np.float32)
    write_vti(tmp_path / "grains.vti", cells, 2e-6, (1e-3, 0.0, 0.0))
    reader = xml.vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "grains.vti"))
    reader.Update()
    image = reader.GetOutput()
    full = (*shape, 1)[:3]
    assert image.GetDimensions() == tuple(n + 1 for n in full)
    assert image.GetSpacing() == (2e-6,) * 3
    assert image.GetOrigin() == (1e-3, 0.0, 0.0)
    assert image.GetCellData().GetNumberOfArrays() == len(cells)
    for name, wanted in cells.items():
        found = vtk_to_numpy(image.GetCellData().GetArray(name))
        assert found.dtype == wanted.dtype
        assert np.array_equal(found.reshape(*full[::-1], -1).transpose(2, 1, 0, 3).reshape(wanted.shape), wanted)


def test_what_vti_cannot_hold_is_refused(tmp_path):
    for cells in ({}, {"a": np.zeros((3, 3)), "b": np.zeros((4, 3))}, {"c": np.zeros((3, 3), complex)}):
        with pytest.raises(StudyError, match="write_vti"):
            write_vti(tmp_path / "no.vti", cells, 1.0)
