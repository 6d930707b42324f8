"""Criteria of coupled methods and what is measured: the numbers of the table in docs/concurrent.md.

``python benchmarks/coupling_acceptance.py`` prints them in some ten seconds of CPU time from the problems that the
tests pose, and the tests assert them. What takes longer is printed elsewhere: errors against unknowns by
``benchmarks/coupling.py``, regions by ``benchmarks/region_choice.py``, cracks and studies by the tests and runs that
the table names.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "physics"))
import test_coupling_alloys as alloys
import test_coupling_cauchy_born as crystals
import test_coupling_chains as chains
import test_coupling_quantum as quantum
import test_coupling_space as space
import test_hill_blocks as hill

from uqmsm.physics.coupling.chains import quadratic, quasi_nonlocal
from uqmsm.physics.coupling.measure import ghost_force
from uqmsm.physics.coupling.methods import couple, pose
from uqmsm.physics.coupling.overlaps import chain_patch, overlap
from uqmsm.physics.coupling.strained_loads import load_slopes, strained


def t1() -> str:
    worst = 0.0
    for F in (0.95, 1.0, 1.02, 1.07):
        problem = chains.stated(chains.MORSE, 40, chains.one_sided(20), F)
        x, force = chains.along(problem, -couple(problem, "qce").gradient(problem.affine)[:, 0])
        slope = float(chains.morse(3.0)(np.array(2.0 * F))[1])
        expected = slope * (0.5 * np.isin(x, (0, 1)) - 0.5 * np.isin(x, (-1, 2)))
        here = (x > -10) & (x < 20)
        worst = max(worst, float(np.abs(force - expected)[here].max() / abs(slope)))
    return f"largest difference over phi2' {worst:.1e}"


def t2() -> str:
    x, strain = chains.linear_answer(chains.stated(chains.springs(1.0, -0.1, 1.0), 120, chains.one_sided(80)), "qce")
    strain = strain - strain[(x > 20) & (x < 100)].mean()
    near = strain[(x < -1) & (x > -9)]
    return f"ratios {min(near[:-1] / near[1:]):.7f} to {max(near[:-1] / near[1:]):.7f}"


def t3() -> str:
    told = []
    for method in ("qc-gfc", "bgfc", "qcf", "bqcf"):
        sharp = method in {"qc-gfc", "qcf"}
        share = chains.sharp(8) if sharp else (lambda x: chains.profile("quintic", (np.abs(x) - 8) / 8))
        problem = chains.stated(chains.MORSE, 40, share, 1.01)
        coupled, scale = couple(problem, method), abs(float(chains.morse(3.0)(np.array(2.02))[1]))

        def ghost(F, problem=problem, coupled=coupled, scale=scale):
            return np.abs(coupled.gradient(problem.mesh.nodes * F)[problem.free]).max() / scale

        away = [ghost(1.01 + e) for e in (1e-3, 4e-3)]
        slope = (
            f", slope {np.log(away[1] / away[0]) / np.log(4.0):.3f}" if max(away) > 1e-9 else f", away {max(away):.0e}"
        )
        told.append(f"{method} {ghost(1.01):.0e}{slope}")
    return "; ".join(told)


def t4() -> str:
    told = []
    for kind in ("cubic", "quintic", "linear"):
        errors = []
        for width in (64, 128):
            problem = chains.stated(chains.springs(1.0, -0.1, 1.0), 160 + width, chains.blended(kind, width))
            x, strain = chains.linear_answer(problem, "bqce")
            rest = strain[(np.abs(x) > 140 + width) & (np.abs(x) < 157 + width)].mean()
            errors.append(np.linalg.norm(strain - rest))
        told.append(f"{kind} {np.log2(errors[1] / errors[0]):.3f}")
    return "slopes: " + ", ".join(told)


def t5() -> str:
    sharp = [chains.critical(n // 2, chains.sharp(n // 4), "qce") for n in (400, 800)]
    blended = chains.critical(200, chains.blended("quintic", 100), "bgfc")
    return (
        f"qce {sharp[0]:.4f}, {sharp[1]:.4f}; quasi-nonlocal {chains.critical(200, chains.sharp(100), 'qnl'):.4f}, "
        f"bgfc {blended:.4f}"
    )


def t6() -> str:
    problem = chains.stated(chains.springs(1.0, -0.2), 60, chains.sharp(30))
    free = np.ix_(*(np.flatnonzero(problem.free),) * 2)
    forces = couple(problem, "qcf").derivatives(problem.affine)[1].toarray()[free]
    energy = quasi_nonlocal(problem.mesh, problem.blend, quadratic(1.0, 1.0), quadratic(2.0, -0.2))
    other = np.linalg.eigvalsh(energy.derivatives(problem.affine)[1].toarray()[free])
    apart = np.abs(np.sort(np.linalg.eigvals(forces).real) - other).max()
    long = chains.stated(chains.springs(1.0, -0.2), 240, chains.sharp(120))
    free = np.ix_(*(np.flatnonzero(long.free),) * 2)
    whole = couple(long, "qcf").derivatives(long.affine)[1].toarray()[free]
    return f"eigenvalues apart {apart:.0e}; symmetric part down to {np.linalg.eigvalsh(0.5 * (whole + whole.T))[0]:.4f}"


def t9() -> str:
    F, told = space.turned(0), []
    for method in ("bgfc", "qc-gfc", "bqcf", "qcf", "bqce", "qce"):
        problem = pose(
            space.FCC, space.ATOM, space.CRYSTAL, F, method=method, core=2, width=2, outer=8, profile="quintic"
        )
        told.append(f"{method} {ghost_force(couple(problem, method), F):.1e}")
    laid = overlap(space.FCC, space.ATOM, space.CRYSTAL, F, core=2, width=2, outer=8)
    return ", ".join(told) + f", Arlequin {laid.patch:.1e}"


def t11() -> str:
    exact = quantum.TRUE.probe(quantum.SPECIES, quantum.WARM, quantum.CELL)[1][quantum.CORE]
    size, told = np.sqrt((exact**2).mean()), []
    for buffer in (0.0, 0.5, 1.0, 1.5, 2.0):
        found = quantum.joined(quantum.Subtractive, buffer * quantum.REACH).forces(quantum.WARM)[quantum.CORE]
        told.append(f"{np.abs(found - exact).max() / size:.1e}")
    return "relative error at buffers of 0, 0.5, 1, 1.5, 2 ranges: " + ", ".join(told)


def t12() -> str:
    bare = quantum.joined(quantum.Subtractive, quantum.REACH)
    corrected, slopes, sites = bare.corrected(quantum.SITES), load_slopes(bare, quantum.SITES), quantum.SITES
    told = [f"at rest {np.abs(corrected.forces(sites)).max():.0e} of {np.abs(bare.forces(sites)).max():.2f} eV/A"]
    for shear in (1e-2, 3e-2):
        F, still = quantum.sheared(shear), np.zeros_like(slopes)
        raw = np.abs(quantum.replace(strained(corrected, F, still), dead=np.zeros(())).forces(sites @ F.T)).max()
        left = [np.abs(strained(corrected, F, load).forces(sites @ F.T)).max() for load in (still, slopes)]
        told.append(f"{100 * shear:g} % shear: {raw / left[0]:.1f} times less, following {raw / left[1]:.0f} times")
    return "; ".join(told)


def t15() -> str:
    choices = {
        "default": {}, "cubic, L2": {"weights": "cubic", "multiplier": "L2"}, "cubic, H1": {"weights": "cubic"},
        "constant, L2": {"weights": "constant", "multiplier": "L2"}, "constant, H1": {"weights": "constant"},
        "sampled, L2": {"multiplier": "L2", "averaged": False}, "sampled, H1": {"averaged": False},
    }  # fmt: skip
    return "; ".join(f"{words} {chain_patch(**choice).atoms:.2g}" for words, choice in choices.items())


def t16() -> str:
    told = []
    for name, crystal in zip(("triangular", "fcc", "bcc"), crystals.CRYSTALS, strict=True):
        d, h = crystal.lattice.dimension, 1e-5
        F, directions = crystals.shaken(d, 1), np.eye(d * d).reshape(-1, d, d)
        at, up, down = crystal(F[None]), crystal(F + h * directions), crystal(F - h * directions)
        scale = np.abs(at.tangent).max()
        stress = np.abs(at.stress[0].ravel() - (up.energy - down.energy) / (2 * h)).max() / scale
        slope = ((up.stress - down.stress) / (2 * h)).reshape(d * d, d * d).T
        told.append(f"{name} {stress:.0e}, {np.abs(at.tangent[0].reshape(d * d, d * d) - slope).max() / scale:.0e}")
    return "stress, tangent: " + "; ".join(told)


def t17() -> str:
    k = alloys.lognormal(np.random.default_rng(3), 0.3, 50)
    cell = alloys.Supercell(alloys.springs_of(k), chains.chain(reach=1), (50,), np.arange(50))
    found = alloys.RelaxedCell(cell)(np.ones((1, 1, 1))).tangent.item()
    return f"springs in series: {abs(found * (1.0 / k).mean() - 1.0):.0e} (alloy: tests/physics/test_nonaffine.py)"


def t19() -> str:
    sizes, gaps, spread = (8, 16, 32), [], []
    for n, count in zip(sizes, (40, 20, 10), strict=True):
        found = hill.blocks(n, count, n)
        gaps.append(np.trace(found["L"] - found["T"], axis1=1, axis2=2).mean())
    for n, count in zip((3, 5, 9), (400, 300, 200), strict=True):
        form = hill.blocks(n, count, 100 + n, "P")["P"]
        spread.append(np.mean([form[:, k, k].var(ddof=1) for k in range(3)]))
    gap, scatter = (np.polyfit(np.log(x), np.log(y), 1)[0] for x, y in ((sizes, gaps), (np.array([9, 25, 81]), spread)))
    return f"gap ~ L^{gap:.2f}, variance ~ V^{scatter:.2f}"


def t20() -> str:
    told = []
    for cv in (0.1, 0.2, 0.3):
        both = [
            alloys.strain_ratios(cv, k, 150, np.random.default_rng(s)) for k, s in ((1.0, 11), (1 / (1 + cv**2), 12))
        ]
        told.append(f"cv {cv}: " + ", ".join(f"{one.mean():.4f} +- {one.std(ddof=1) / 150**0.5:.4f}" for one in both))
    return "; ".join(told)


ASKED = (t1, t2, t3, t4, t5, t6, t9, t11, t12, t15, t16, t17, t19, t20)
"""Named after the lines of the table."""


def main() -> None:
    """Print all of them."""
    for one in ASKED:
        print(f"{one.__name__.upper():4} {one()}", flush=True)


if __name__ == "__main__":
    main()
