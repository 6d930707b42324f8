"""The turning ring: balance of forces, limits, a second solution by finite differences, and the weakest place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.fe.ring import Ring, burst_speed, density, ring_stress, von_mises, yield_speed

RING = Ring(60.0, 250.0)
BLADED = Ring(60.0, 250.0, 40.0)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.0, 0.49), st.floats(20.0, 100.0), st.floats(120.0, 400.0), st.floats(0.0, 100.0))
def test_forces_are_in_balance_and_faces_are_free(poisson, bore, rim, blades):
    """d(r s_r)/dr - s_h + rho w^2 r^2 = 0 by differences; no stress at the bore, the blades' pull at the rim."""
    ring, rho, speed = Ring(bore, rim, blades), 8000.0, 1000.0
    r, step = np.linspace(1.05 * bore, 0.95 * rim, 7), 1e-3
    radial = [ring_stress(ring, r + d, poisson, rho, speed)[0] * (r + d) for d in (step, -step)]
    hoop = ring_stress(ring, r, poisson, rho, speed)[1]
    left = (radial[0] - radial[1]) / (2.0 * step) - hoop + rho * speed**2 * (r * 1e-3) ** 2 * 1e-6
    assert np.abs(left).max() < 1e-5 * hoop.max()
    ends = ring_stress(ring, np.array([bore, rim]), poisson, rho, speed)[0]
    assert ends == pytest.approx([0.0, blades * rim * 1e-3 * speed**2 * 1e-6], abs=1e-9 * hoop.max())


def test_a_second_solution_converges_to_it_in_the_second_order():
    """Strain compatible displacements u of E u'' ... by finite differences: the error falls fourfold per halving."""
    errors = [_by_differences(n) for n in (40, 80, 160)]
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert rates == pytest.approx([2.0, 2.0], abs=0.15)


def _by_differences(n: int) -> float:
    """Return the largest relative error of the hoop stress of u'' + u'/r - u/r^2 = -(1 - nu^2) rho w^2 r / E."""
    a, b, nu, young, inertia = 0.06, 0.25, 0.3, 1.0, 1.0
    r, h = np.linspace(a, b, n + 1), (b - a) / n
    matrix, right = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
    for i in range(1, n):
        matrix[i, i - 1 : i + 2] = [
            1 / h**2 - 1 / (2 * h * r[i]),
            -2 / h**2 - 1 / r[i] ** 2,
            1 / h**2 + 1 / (2 * h * r[i]),
        ]
        right[i] = -(1 - nu**2) * inertia * r[i] / young
    matrix[0, :3] = np.array([-3, 4, -1]) / (2 * h)
    matrix[n, n - 2 :] = np.array([1, -4, 3]) / (2 * h)
    matrix[0, 0] += nu / a
    matrix[n, n] += nu / b
    u = np.linalg.solve(matrix, right)
    hoop = young / (1 - nu**2) * (u / r + nu * np.gradient(u, h, edge_order=2))
    exact = ring_stress(Ring(60.0, 250.0), r * 1e3, nu, 1.0, 1.0)[1] * 1e6
    return float(np.abs(hoop / exact - 1.0).max())


def test_limits():
    """A thin ring carries rho v^2; a tiny bore doubles the stress of the full disc; the bore's formula."""
    thin = ring_stress(Ring(199.0, 200.0), np.array([199.5]), 0.3, 8000.0, 500.0)[1]
    assert thin == pytest.approx(8000.0 * (500.0 * 0.1995) ** 2 * 1e-6, rel=1e-3)
    full = (3 + 0.3) / 8 * 8000.0 * 500.0**2 * 0.2**2 * 1e-6
    assert ring_stress(Ring(0.01, 200.0), np.array([0.01]), 0.3, 8000.0, 500.0)[1] == pytest.approx(2 * full, rel=1e-4)
    bore = (3 + 0.3) / 4 * 8000.0 * 1e6 * (0.25**2 + (1 - 0.3) / (3 + 0.3) * 0.06**2) * 1e-6
    assert ring_stress(RING, np.array([60.0]), 0.3, 8000.0, 1000.0)[1] == pytest.approx(bore)


def test_yield_and_burst():
    """A uniform ring yields at the bore at the speed of its formula, before it bursts; a weak place yields first."""
    r = np.linspace(60.0, 250.0, 200)
    speed, place = yield_speed(RING, r, np.full(200, 500.0), 0.3, 8000.0)
    assert place == 0
    assert von_mises(ring_stress(RING, r, 0.3, 8000.0, speed)).max() == pytest.approx(500.0)
    assert burst_speed(RING, 500.0, 8000.0) > speed
    weak = np.full(200, 500.0)
    weak[120] = 100.0
    lower, where = yield_speed(RING, r, weak, 0.3, 8000.0)
    assert where == 120
    assert lower < speed
    assert yield_speed(BLADED, r, np.full(200, 500.0), 0.3, 8000.0)[0] < speed
    assert burst_speed(BLADED, 500.0, 8000.0) < burst_speed(RING, 500.0, 8000.0)
    # the mean hoop stress of the closed form is what bursts it, blades or not
    for ring in (RING, BLADED):
        fine = np.linspace(60.0, 250.0, 20_001)
        hoop = ring_stress(ring, fine, 0.3, 8000.0, burst_speed(ring, 500.0, 8000.0))[1]
        assert np.trapezoid(hoop, fine) / 190.0 == pytest.approx(500.0, rel=1e-6)


def test_density_and_refusals():
    assert density(183.84, 3.165, 2) == pytest.approx(19_250.0, rel=0.005)  # tungsten, CRC Handbook: 19 250 kg/m^3
    with pytest.raises(StudyError, match="larger"):
        Ring(100.0, 50.0)
    with pytest.raises(StudyError, match="negative"):
        Ring(10.0, 50.0, -1.0)
