"""The budget of a coupled energy: potential times alloy, exact where the chain has a closed form."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.members import Design
from uqmsm.physics.coupling.cauchy_born import Quadratic
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import Springs
from uqmsm.physics.coupling.lattice import chain
from uqmsm.physics.coupling.mesh import graded
from uqmsm.physics.coupling.methods import Problem, couple
from uqmsm.questions.attribute import Ledger
from uqmsm.stochastic import Kind, Source

CORE, OUTER, CV, STRAIN, SD = 6, 12, 0.3, 0.01, 0.2
FAR = 1.0 / (1.0 + CV**2)
SOURCES = (Source("scale", Kind.EPISTEMIC, (), "potential"), Source("atoms", Kind.ALEATORIC, (), "alloy"))


def springs(rng, shape):
    s = np.sqrt(np.log1p(CV**2))
    return np.exp(s * rng.normal(size=shape) - 0.5 * s * s)


def closed(k):
    """Return the energy of springs in series with a bar at both ends, pulled by a given length: D^2 / (2 sum 1/k)."""
    compliance = (1.0 / k).sum(axis=-1) + 2 * (OUTER - CORE) / FAR
    return 0.5 * (2 * OUTER * STRAIN) ** 2 / compliance


def coupled(k, theta):
    """Return the same by atoms in a continuum; springs k between the atoms of the core, stiffnesses times theta."""
    mesh = graded(chain(reach=1), CORE + 2, OUTER)
    x = mesh.sites[:, 0]
    every = np.full(len(x), FAR)
    order = np.argsort(x)
    inside = np.flatnonzero((x[order] >= -CORE) & (x[order] < CORE))
    every[inside] = k
    rows = np.empty((len(x), 2))
    rows[order] = theta * np.stack([every, np.roll(every, 1)], axis=1)
    bar = Quadratic(np.eye(1), 0.0, np.zeros((1, 1)), np.full((1, 1, 1, 1), theta * FAR))
    problem = Problem(
        mesh, Springs(np.ones(2), rows, np.zeros(2)), bar, (np.abs(x) > CORE).astype(float),
        np.array([[1.0 + STRAIN]]), np.zeros(len(x), bool), mesh.boundary, np.arange(len(x)),
    )  # fmt: skip
    joined = couple(problem, "qce")
    return joined.energy(solve(joined, tolerance=1e-12).positions)


def test_the_coupled_energy_is_linear_in_the_potential_and_that_of_springs_in_series():
    """Sharp coupling splits the springs at the interface between both models."""
    for seed in range(3):
        k = springs(np.random.default_rng(seed), 2 * CORE)
        one = coupled(k, 1.0)
        assert coupled(k, 1.3) == pytest.approx(1.3 * one, rel=1e-10)
        assert one == pytest.approx(closed(k), rel=1e-9)


def energies(design, sd, seed=21):
    """Return theta times the closed form, indices of the members drawn from two fixed streams."""
    table, rngs = design.members.table, [np.random.default_rng([seed, k]) for k in range(2)]
    theta = 1.0 + sd * rngs[0].normal(size=table[:, 0].max() + 1)
    e = closed(springs(rngs[1], (table[:, 1].max() + 1, 2 * CORE)))
    return theta[table[:, 0]] * e[table[:, 1]]


@pytest.fixture(scope="module")
def truth():
    """Shares of both sources alone, and the whole variance; moments of the alloy from 10^6 draws."""
    e = closed(springs(np.random.default_rng(23), (1_000_000, 2 * CORE)))
    mean, var = e.mean(), e.var()
    whole = SD**2 * mean**2 + var + SD**2 * var
    return {"potential.scale": SD**2 * mean**2 / whole, "alloy.atoms": var / whole}, whole


def test_the_budget_recovers_the_variance_and_sums_to_it(truth):
    """40 000 rows: the variance to 3 % (five of its standard errors), lines and their sum to two of their own.

    Fixed streams: each of the three comparisons with two standard errors is a false alarm once in twenty.
    """
    exact, whole = truth
    design = Design.of(SOURCES, 40_000)
    values = energies(design, SD)
    assert values.var() == pytest.approx(whole, rel=0.03)
    lines = {line.name: line.first_order for line in Ledger(design, values).list_lines("source")}
    for name, share in exact.items():
        assert abs(lines[name].value - share) < 2.0 * lines[name].se < 0.03
    error = np.hypot(*(line.se for line in lines.values()))
    assert sum(line.value for line in lines.values()) == pytest.approx(sum(exact.values()), abs=2.0 * error)
    # negative control: what both do together is no part of either line
    assert 1.0 - sum(exact.values()) > 0.001


def test_intervals_of_the_budget_hold_the_truth(truth):
    """200 problems of 32 rows, 90 % intervals of both lines: 0.85 to 0.95 (one line alone scatters by two points)."""
    design, hits = Design.of(SOURCES, 32), []
    for seed in range(200):
        lines = {
            line.name: line.first_order for line in Ledger(design, energies(design, SD, seed)).list_lines("source")
        }
        hits.append([lines[name].lo <= share <= lines[name].hi for name, share in truth[0].items()])
    print("covered", np.mean(hits, axis=0))
    assert 0.85 <= np.mean(hits) <= 0.95


def test_a_committee_of_one_mind_has_no_epistemic_variance():
    design = Design.of(SOURCES, 64)
    lines = {line.name: line for line in Ledger(design, energies(design, 0.0)).list_lines("source")}
    assert abs(lines["potential.scale"].first_order.value) < 1e-12
    assert lines["alloy.atoms"].first_order.value == pytest.approx(1.0, abs=1e-12)
