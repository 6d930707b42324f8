"""Sampling the posterior of one element with eight parameters: ours beside emcee's default, one interleaved run.

Four ways to the same posterior density of tungsten (lattice parameter, cohesive energy, three elastic constants):

- emcee's stretch move over a loop of ASE's EAM calculator, one walker after the other, as it is usually done. Its draws
  per evaluation are those of the next line, whose chain is the same law; here its seconds per evaluation are measured.
- emcee's stretch move on our likelihood, vectorised over walkers.
- our moves (differential evolution and snooker in whitened coordinates) on the same likelihood.
- weighted draws of the Laplace approximation; its Gauss-Newton search is counted in seconds and evaluations.

Effective samples are the least over the parameters: bulk ESS of ArviZ for chains after a fifth of warm-up, Kish's for
weights. Seconds are processor seconds of one thread, and every round runs all four in turn.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from emcee import EnsembleSampler, moves

from uqmsm.physics.potential import Zhou, free_from, published, tabulate, write_setfl, zhou_from_free
from uqmsm.posterior.importance import weigh
from uqmsm.posterior.judging import diagnose
from uqmsm.posterior.sampling import _moves
from uqmsm.scales.potential.diagnostics import EIGHT, Narrowed, laplace_of
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.targets import targets

GPA, WALKERS, STEPS, ROUNDS, LOOP_SECONDS = 160.21766208, 32, 2500, 3, 4.0
ELEMENT = "W"


def element():
    """Return the density and the published parameters of its free names."""
    model = CalibrationModel((ELEMENT,), (1.0,), "bcc", targets((ELEMENT,), (1.0,), "bcc"))
    full = np.concatenate([free_from(published((ELEMENT,)), "bcc"), model.prior_mean[model.free_count :]])
    density = Narrowed(model, tuple(f"{ELEMENT}.{name}" for name in EIGHT), tuple(full))
    return density, full[density.where]


class Loop:
    """The same likelihood by ASE: tabulate, write, read, and take energies of strained two-atom cells."""

    def __init__(self, density):
        self.density = density
        self.folder = Path(tempfile.mkdtemp())
        model = density.model
        self.prior = model.prior_mean[density.where], model.prior_sd[density.where]
        widths = np.exp(2 * np.array(density.at)[model.free_count :])
        own = {"C11": widths[1], "C12": widths[2], "C44": widths[3]}
        self.logs = np.log([d.value for d in model.data])
        self.variance = np.array([d.log_sd**2 + own.get(d.quantity, 0.0) for d in model.data])

    def properties(self, point):
        """Return a, Ec, C11, C12, C44 from some twelve energies."""
        from ase.build import bulk
        from ase.calculators.eam import EAM

        full = self.density.whole(point[None])[0]
        values = zhou_from_free((ELEMENT,), full[: self.density.model.free_count][None], "bcc")[0]
        path = self.folder / "one.eam.alloy"
        write_setfl(tabulate(Zhou((ELEMENT,), values)), path)
        calculator = EAM(potential=str(path))
        a = float(np.exp(point[0])) * 2 / np.sqrt(3)

        def energy(a, strain):
            atoms = bulk(ELEMENT, "bcc", a=a, cubic=True)
            atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
            atoms.calc = calculator
            return atoms.get_potential_energy() / 2

        for _ in range(2):
            h = 0.004 * a
            low, mid, high = (energy(a + k * h, np.zeros((3, 3))) for k in (-1, 0, 1))
            bend = (high - 2 * mid + low) / h**2
            a -= (high - low) / (2 * h) / bend
        base, volume, e = energy(a, np.zeros((3, 3))), a**3 / 2, 0.004
        tetra = np.diag([e, -e, e * e / (1 - e * e)])
        shear = np.array([[0, e / 2, 0], [e / 2, 0, 0], [0, 0, e * e / (4 - e * e)]])
        prime = (energy(a, tetra) - base) / (volume * e * e) * GPA  # (C11 - C12) e^2
        c44 = 2 * (energy(a, shear) - base) / (volume * e * e) * GPA  # C44 e^2 / 2
        stiff = bend * a * a / 9 / volume * GPA
        return np.array([a, -base, stiff + 2 * prime / 3, stiff - prime / 3, c44])

    def __call__(self, point):
        """Return the logarithm of prior times likelihood, up to a constant."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.properties(point)
        if not (np.isfinite(found).all() and (found > 0).all()):
            return -np.inf
        z = (point - self.prior[0]) / self.prior[1]
        return -0.5 * ((self.logs - np.log(found)) ** 2 / self.variance).sum() - 0.5 * (z * z).sum()


def chain(density, whitening, chosen, seed):
    """Run one ensemble; return effective samples, evaluations, seconds."""
    state = np.random.RandomState(seed)
    sampler = EnsembleSampler(
        WALKERS, len(density.names), lambda z: density.log_density(whitening.points(z))[0], moves=chosen, vectorize=True
    )
    sampler.random_state = state.get_state()
    start = whitening.points(z := 0.5 * state.randn(WALKERS, len(density.names)))
    z = z[np.isfinite(density.log_density(start)[0])]
    z = np.resize(z, (WALKERS, z.shape[1])) + 1e-3 * state.randn(WALKERS, z.shape[1])
    clock = time.process_time()
    sampler.run_mcmc(z, STEPS // 10, thin_by=10, skip_initial_state_check=True)
    seconds = time.process_time() - clock
    kept = sampler.get_chain()[STEPS // 50 :]
    halves = np.stack(np.split(kept, 2, axis=1))  # R-hat, not wanted here, needs two
    return diagnose(density.names, halves, 10).ess_bulk.min(), WALKERS * STEPS, seconds


def weighted(density, start, seed):
    """Return effective samples, evaluations, seconds of weighted draws, the search for the mode included."""
    clock = time.process_time()
    whitening = laplace_of(density, start)
    found = weigh(density, whitening, 5000, np.random.default_rng(seed))
    seconds = time.process_time() - clock
    if not found.trusted:
        sys.exit(f"k-hat {found.k_hat:.2f}: the weights are not to be trusted, so there is nothing to compare")
    return found.ess, found.evaluations + 200, seconds


def loop(one, density, whitening, rng):
    """Evaluate the loop for some seconds at points of the posterior; return evaluations and seconds."""
    clock, count = time.process_time(), 0
    while time.process_time() - clock < LOOP_SECONDS:
        one(whitening.points(rng.standard_normal(len(density.names))))
        count += 1
    return count, time.process_time() - clock


def main() -> None:
    density, start = element()
    whitening = laplace_of(density, start)
    one, rng = Loop(density), np.random.default_rng(1)
    points = start + 0.1 * whitening.factor @ rng.standard_normal((len(start), 4))[:, :1].ravel()
    ours = density.log_density(np.stack([start, points]))[0]
    theirs = [one(start), one(points)]
    print(f"log density between two points: ours {ours[1] - ours[0]:.4f}, loop {theirs[1] - theirs[0]:.4f}")
    chain(density, whitening, moves.StretchMove(), 0)  # compile
    ways = {"stretch, vectorised": [], "our moves, vectorised": [], "weighted Laplace": []}
    looped = []
    for r in range(ROUNDS):
        looped.append(loop(one, density, whitening, rng))
        ways["stretch, vectorised"].append(chain(density, whitening, moves.StretchMove(), 10 + r))
        ways["our moves, vectorised"].append(chain(density, whitening, _moves(), 20 + r))
        ways["weighted Laplace"].append(weighted(density, start, 30 + r))
    report(ways, looped)


def report(ways, looped):
    """Print effective samples per evaluation and per second, and the ratios."""
    per = {}
    for name, rounds in ways.items():
        ess, evaluations, seconds = (float(np.sum(column)) for column in zip(*rounds, strict=True))
        per[name] = ess / evaluations, ess / seconds
        each = [a / b for a, b, _ in rounds]
        print(
            f"{name}: {ess:.0f} effective of {evaluations:.0f} evaluations in {seconds:.1f} s: {ess / evaluations:.2e} "
            f"per evaluation ({min(each):.2e} to {max(each):.2e} in {len(rounds)} rounds), {ess / seconds:.0f} per s"
        )
    count, seconds = (float(np.sum(column)) for column in zip(*looped, strict=True))
    slow = per["stretch, vectorised"][0] * count / seconds
    print(f"loop over ASE: {count:.0f} evaluations in {seconds:.1f} s, {1e3 * seconds / count:.1f} ms each: ", end="")
    print(f"{slow:.2e} effective per s with the stretch move")
    for name in ("our moves, vectorised", "weighted Laplace"):
        print(
            f"{name}: {per[name][0] / per['stretch, vectorised'][0]:.1f} x the effective samples per evaluation of the "
            f"stretch move, {per[name][1] / slow:.0f} x those per second of the loop"
        )


if __name__ == "__main__":
    main()
