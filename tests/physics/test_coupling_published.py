"""The vacancy in a plane against published plateaus and slopes, and rates over more than a decade of unknowns."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.physics.coupling.cauchy_born import CauchyBorn, ground_state
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import toy_eam
from uqmsm.physics.coupling.lattice import triangular
from uqmsm.physics.coupling.measure import rates_told, strain_error, unknowns_at
from uqmsm.physics.coupling.methods import couple, pose

LATTICE, ATOM = triangular(), toy_eam()
CRYSTAL = CauchyBorn(ATOM, LATTICE)
PULLED = np.array([[1.0, 0.02], [0.0, 1.03]]) @ ground_state(CRYSTAL, 2)
VACANCY = np.zeros((1, 2), dtype=int)


def vacancy(method, core, **settings):
    problem = pose(LATTICE, ATOM, CRYSTAL, PULLED, method=method, core=core, vacancies=VACANCY, **settings)
    return solve(couple(problem, method))


SIZES = {
    "atomistic": (9, 12, 17, 23, 33, 46),
    "qce": (3, 4, 6, 8, 11, 16),
    "bqce": (3, 4, 6, 8, 11),
    "qc-gfc": (2, 3, 4, 6, 8, 11),
    "qcf": (2, 3, 4, 6, 8, 11),
    "bqcf": (2, 3, 4, 6, 8),
    "bgfc": (2, 3, 4, 5, 6, 8, 11),
}


@pytest.mark.slow
def test_rates_plateaus_and_savings_of_the_vacancy(capsys):
    """Published plateaus and slopes: AC2D (github.com/YangshuaiWang/AC2D, commit b35e7b8), one vacancy.

    The table of all methods is printed, whatever captures output.
    """
    reference = vacancy("qc-gfc", 40, outer=1610, alpha=1.4)
    found = {}
    for method, cores in SIZES.items():
        rests = [vacancy(method, core) for core in cores]
        nodes = [rest.coupled.problem.unknowns // 2 for rest in rests]
        found[method] = nodes, [strain_error(rest, reference).mean_square for rest in rests]
    told, rates = rates_told(found, 0.0035)
    with capsys.disabled():
        print(
            "\none vacancy in the triangular lattice; unknowns are nodes, errors of strains in the mean square\n" + told
        )
    assert rates["atomistic"].slope == pytest.approx(-0.53, abs=0.05)
    assert rates["bqce"].slope == pytest.approx(-0.50, abs=0.08)
    assert 0.20 < np.mean(found["qce"][1][1:]) < 0.22
    for method in ("bgfc", "bqcf", "qcf", "qc-gfc"):
        assert rates[method].slope == pytest.approx(-1.0, abs=0.15)
    assert rates["bgfc"].high < -0.85
    assert min(rate.decades for rate in rates.values()) > 1.0
    # 20 times fewer unknowns than atoms alone at an error of one per cent
    assert unknowns_at(0.01, *found["atomistic"]) > 20 * unknowns_at(0.01, *found["bgfc"])
