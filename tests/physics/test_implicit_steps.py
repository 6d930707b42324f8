"""Long implicit steps: growth of a mode, order, curvatures, the other method, mass, energy, known end states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.cahn_hilliard import PhaseFlow, double_well
from uqmsm.physics.phasefield.domains import Cells, Sphere, tee
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.implicit import Accuracy, ImplicitSteps
from uqmsm.physics.phasefield.ripening import Ripening
from uqmsm.physics.phasefield.spectral import Box

WELL = double_well(5.0, 0.3, 0.7)
BASES = {
    "periodic": Box.of((40.0, 30.0), (24, 20), "periodic"),
    "no_flux": Box.of((40.0, 30.0), (24, 20), "no_flux"),
    "cells": Cells(*tee(5.0)),
    "sphere": Sphere(20.0, 16),
}


def flow_on(basis, conserved=True):
    return PhaseFlow(basis, WELL, 2.0, 5.0, conserved, WELL.steepest(0.25, 0.75))


def rough(basis, fields=1):
    return 0.5 + 0.05 * np.random.default_rng(1).standard_normal((fields, *basis.shape))


def start(basis, fields=1):
    """Return a rough start that the basis holds: what a sphere's harmonics cannot is not part of it."""
    return basis.backward(basis.forward(rough(basis, fields)))


@pytest.mark.parametrize("conserved", [True, False])
def test_a_small_wave_grows_or_decays_as_linear_theory_says(conserved):
    box = Box.of((40.0,), (32,), "periodic")
    x = box.points()[0]
    for number in (1, 2, 5):
        k = 2 * np.pi * number / 40.0
        rate = -5.0 * (float(WELL(0.5, 2)) + 2.0 * k**2) * (k**2 if conserved else 1.0)
        run = ImplicitSteps(flow_on(box, conserved), 0.5 + 1e-4 * np.cos(k * x)[None], Accuracy(error=1e-5))
        until = 1.0 / abs(rate)
        run.advance(until)
        grown = 2.0 * np.mean((run.fields[0] - 0.5) * np.cos(k * x)) / 1e-4
        assert np.isclose(grown, np.exp(rate * until), rtol=2e-3)


def test_the_order_is_two_and_the_error_follows_the_accuracy():
    box = Box.of((40.0,), (32,), "periodic")
    begin = 0.5 + 0.1 * np.cos(2 * np.pi * box.points()[0] / 20.0)[None]
    found = []
    for step in (0.08, 0.04, 0.02, 0.01):
        run = ImplicitSteps(flow_on(box), begin, Accuracy(error=1e-4, first=1e-4, longest=step))
        run.advance(4.0)
        found.append(run.fields)
    away = [np.sqrt(np.mean((one - other) ** 2)) for one, other in itertools.pairwise(found)]
    assert np.all(np.abs(np.log2(np.divide(away[:-1], away[1:])) - 2.0) < 0.2)
    loose, tight = (ImplicitSteps(flow_on(box), begin, Accuracy(error=error)) for error in (1e-3, 1e-5))
    loose.advance(4.0)
    tight.advance(4.0)
    errors = [np.abs(run.fields - found[-1]).max() for run in (loose, tight)]
    assert errors[1] < 0.2 * errors[0]
    assert tight.taken > loose.taken


@pytest.mark.parametrize("basis", BASES.values(), ids=BASES)
def test_energy_falls_and_mass_stays_on_every_domain(basis):
    run = ImplicitSteps(flow_on(basis), start(basis), Accuracy(error=1e-2))
    mass, energies = run.means()[0], [run.energy]
    for until in np.geomspace(0.01, 1e4, 25):
        run.advance(until)
        energies.append(run.energy)
    assert np.max(np.diff(energies)) <= 1e-9 * energies[0]
    assert abs(run.means()[0] - mass) < 1e-12
    assert run.refused > 0 or run.step > 10.0  # it went on by long steps, not by thousands


def test_both_methods_give_the_same_field():
    box = BASES["no_flux"]
    one = ImplicitSteps(flow_on(box), rough(box), Accuracy(error=1e-7))
    other = ExponentialSteps(flow_on(box), rough(box), Tolerance(error=1e-7, first=1e-4))
    one.advance(3.0)
    other.advance(3.0)
    assert np.abs(one.fields - other.fields).max() < 1e-3 * np.ptp(other.fields)
    assert np.ptp(other.fields) > 0.1


def test_two_stripes_end_with_the_energy_of_two_walls():
    box = Box.of((60.0, 8.0), (120, 4), "periodic")
    begin = 0.5 + 0.05 * np.cos(2 * np.pi * box.points()[0] / 60.0) * np.ones((1, 120, 4))
    run = ImplicitSteps(flow_on(box), begin, Accuracy(error=1e-4))
    run.advance(1e6)
    wall = np.sqrt(2.0 * 5.0) * 0.4**3 / 6.0 * np.sqrt(2.0)  # integral of sqrt(2 kappa f) from well to well
    assert np.isclose(run.energy, 2.0 * 8.0 * wall, rtol=1e-4)
    assert run.taken < 400


@pytest.mark.parametrize("flow", [flow_on(BASES["periodic"]), Ripening(BASES["periodic"], variants=3)])
def test_curvatures_are_what_differences_of_the_slope_say(flow):
    count = flow.linear.shape[0]
    u = rough(flow.basis, count)
    direction = np.random.default_rng(2).standard_normal(u.shape)
    direction -= direction.mean(axis=(1, 2), keepdims=True)

    def force(fields):
        """G times the whole slope of the energy."""
        spectra = flow.basis.forward(fields)
        return -(flow.rate(fields, spectra, 0.0)[0] + flow.linear * spectra)

    size = 1e-5
    told = (force(u + size * direction) - force(u - size * direction)) / (2 * size)
    local = np.einsum("ij...,j...->i...", flow.curvature(u), direction)
    mine = flow.metric * (flow.basis.forward(local) + flow.stiffness * flow.basis.forward(direction))
    assert np.allclose(mine, told, rtol=1e-6, atol=1e-6 * np.abs(told).max())


def test_ripening_takes_the_same_way_by_both_methods():
    box = Box.of((24.0, 24.0), (16, 16), "periodic")
    x, y = box.points()
    grains = [0.5 - 0.5 * np.tanh(np.hypot(x - at, y - at) - 6.0) for at in (8.0, 17.0)]
    fields = np.concatenate([rough(box), np.stack(grains)])
    one = ImplicitSteps(Ripening(box, variants=2), fields, Accuracy(error=1e-6))
    other = ExponentialSteps(Ripening(box, variants=2), fields, Tolerance(error=1e-6, first=1e-4))
    one.advance(2.0)
    other.advance(2.0)
    assert np.abs(one.fields - other.fields).max() < 1e-3 * np.ptp(other.fields[1])
    assert np.ptp(other.fields[1]) > 0.5


def test_a_step_longer_than_the_growth_of_a_wave_is_refused_and_shortened():
    box = Box.of((40.0,), (32,), "periodic")
    run = ImplicitSteps(flow_on(box), rough(box), Accuracy(error=1e-3, first=1e4))
    run.advance(50.0)
    assert run.refused > 0
    assert run.taken > 5


def test_flows_that_may_gain_energy_and_wrong_fields_are_refused():
    box = Box.of((40.0,), (32,), "periodic")
    driven = PhaseFlow(box, WELL, 2.0, 5.0, False, 1.0, source=lambda _: np.ones((1, 32)))
    with pytest.raises(StudyError, match="has to fall"):
        ImplicitSteps(driven, rough(box))
    with pytest.raises(StudyError, match="1 fields on"):
        ImplicitSteps(flow_on(box), rough(box, 2))
