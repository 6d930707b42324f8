"""Edge dislocations: the logarithmic law with the prefactor of elasticity, slip that adds up, and partials apart."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.dislocations import EDGES, cylinder, edge_core
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.potential import average_atom, published, tabulate
from uqmsm.physics.stroh import stroh
from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness

STIFF = {"W": (522.5, 204.2, 160.8), "Ni": (246.8, 147.3, 124.9)}  # of these potentials (test_elastic)


def made(element, lattice, radius, cutoff=None):
    zhou = published((element,))
    potential = interpolate(tabulate(zhou, points_r=3000, points_rho=3000, cutoff_angstrom=cutoff))
    a = float(average_atom(zhou.values, np.ones(1), lattice).lattice_parameter)
    around = cylinder(lattice, a, radius, potential.cutoff)
    species = np.zeros(len(around.positions), dtype=np.int64)
    return around, edge_core(potential, species, around, cubic_stiffness(*STIFF[element]))


@pytest.mark.parametrize("lattice", ["bcc", "fcc"])
def test_a_cylinder_is_a_piece_of_the_lattice(lattice):
    around = cylinder(lattice, 3.2, 15.0, 4.0, periods=2)
    near = around.radii < 8.0
    apart = around.positions[near][:, None] - around.positions[None]
    apart[..., 2] -= around.length * np.round(apart[..., 2] / around.length)
    distances = np.sort(np.sqrt((apart**2).sum(axis=2)), axis=1)
    shell = 8 if lattice == "bcc" else 12
    nearest = 3.2 * (np.sqrt(0.75) if lattice == "bcc" else np.sqrt(0.5))
    assert distances[:, 1 : shell + 1] == pytest.approx(nearest)
    assert (distances[:, shell + 1] > 1.1 * nearest).all()
    assert np.linalg.norm(around.burgers) == pytest.approx(nearest)  # both are whole lattice vectors
    assert np.abs(around.positions[:, 1]).min() == pytest.approx(around.spacing / 2)
    with pytest.raises(StudyError, match="radius"):
        cylinder(lattice, 3.2, 5.0, 4.0)


def test_a_bcc_edge_costs_what_elasticity_says_and_slips_by_one_burgers_vector():
    around, core = made("W", "bcc", 30.0)
    b = around.burgers[0]
    assert core.slope == pytest.approx(core.elastic_slope, rel=0.01)
    assert core.slip[0] == pytest.approx(b, abs=0.08 * b)  # the rest of an arctangent lies outside of the cylinder
    assert abs(core.slip[-1]) < 0.08 * b
    assert (np.diff(core.slip) < 1e-3 * b).all()
    assert 0.5 * b < core.half_width < 2.5 * b
    assert 0.1 < core.core_energy < core.elastic_slope * np.log(around.radii.max() / b)
    # negative control: the slope of a screw, or of a softer crystal, is not that of these atoms
    axes, _ = EDGES["bcc"]
    turned = rotate_stiffness(cubic_stiffness(*STIFF["W"]), axes / np.linalg.norm(axes, axis=1)[:, None])
    assert abs(stroh(turned).line_energy([0, 0, b]) / 160.2176634 / core.slope - 1) > 0.1


@pytest.mark.slow
def test_an_fcc_edge_parts_into_partials_as_far_as_the_fault_between_them_allows():
    """Fault energy (99 mJ/m2 in this potential) times d is b1 . L b2 / (2 pi) of the two Shockley partials."""
    around, core = made("Ni", "fcc", 80.0, cutoff=6.6)
    axes, _ = EDGES["fcc"]
    turned = rotate_stiffness(cubic_stiffness(*STIFF["Ni"]), axes / np.linalg.norm(axes, axis=1)[:, None])
    half, side = around.burgers[0] / 2, around.burgers[0] / np.sqrt(12)
    repel = np.array([half, 0, side]) @ stroh(turned).line_tensor @ np.array([half, 0, -side]) / (2 * np.pi)
    wanted = repel / 0.99  # 99 mJ/m2 are 0.99 GPa A
    assert core.splitting == pytest.approx(wanted, rel=0.15)
    assert core.slope == pytest.approx(core.elastic_slope, rel=0.015)
    assert core.half_width > 3 * around.burgers[0]
