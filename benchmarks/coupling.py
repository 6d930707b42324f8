"""Errors of coupled methods against their unknowns: vacancy, micro-crack and dislocation in the triangular lattice.

The problems are those of a published set of benchmarks (C. Ortner and L. Zhang, SIAM J. Sci. Comput. 38, A346, 2016,
and the open results of AC2D, github.com/YangshuaiWang/AC2D): embedded atoms with nearest neighbours, a row of n
vacancies, pulled and sheared by a few per cent. Errors are relative, of displacement gradients in the mean square,
against a corrected solution with a core of 48 layers. Published errors stand beside ours, interpolated at our sizes;
meshes and outer radii differ. The dislocation is an edge in the same crystal at rest with a longer range, so that there
are ghost forces; its errors are those of what atoms add to elasticity, against ``bgfc`` with 32 layers; one line of its
table leaves elastic strains to interpolation. Nothing here is timed but processor seconds of one solve.

``python benchmarks/coupling.py [--quick] [--picture docs/coupling.svg]``; ``--table`` computes the table that the slow
tests compute as well (smaller cores and references, 30 s), and writes it to docs/coupling-errors.csv and into
docs/concurrent.md.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from uqmsm.physics.coupling.cauchy_born import CauchyBorn, ground_state
from uqmsm.physics.coupling.dislocations import in_a_plane, plane_field, posed_dislocation
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import shortened, toy_eam
from uqmsm.physics.coupling.lattice import triangular
from uqmsm.physics.coupling.measure import fitted_rate, rates_told, strain_error, unknowns_at
from uqmsm.physics.coupling.methods import couple, pose

METHODS = ("atomistic", "qce", "bqce", "qc-gfc", "qcf", "bqcf", "bgfc")
CORES = (2, 3, 4, 6, 8, 11, 16, 22)
DOCS = Path(__file__).parents[1] / "docs"
CASES = {1: (10.0, [[1, 0.02], [0, 1.03]]), 5: (20.0, [[1, 0.02], [0, 1.02]])}
"""Vacancies in the row: strength of the embedding, macroscopic deformation."""
TABLE = {
    "atomistic": (9, 12, 17, 23, 33, 46, 65), "qce": (3, 4, 6, 8, 11, 16), "bqce": (3, 4, 6, 8, 11),
    "qc-gfc": (2, 3, 4, 6, 8, 11), "qcf": (2, 3, 4, 6, 8, 11), "bqcf": (2, 3, 4, 6, 8),
    "bgfc": (2, 3, 4, 5, 6, 8, 11),
}  # fmt: skip
"""Cores of the table in the docs, one vacancy against a reference of 40 layers."""
REFERENCE_LIMIT = 0.0035
"""Four times the reference's own error, by its rate: smaller errors are listed, but no rate is fitted to them."""
ATOMS = (9, 12, 17, 23, 33, 46, 65, 92, 140)
LATTICE = triangular()
# published relative errors and numbers of nodes (AC2D, commit b35e7b8); where only the ends are known, nodes go
# geometrically between them
PUBLISHED = {
    (1, "atomistic"): ((270, 12870), (0.1711, 0.1248, 0.0860, 0.0626, 0.0432, 0.0308, 0.0218)),
    (1, "qce"): ((132, 4686), (0.2150, 0.2042, 0.2022, 0.2072, 0.2089, 0.2078, 0.2106)),
    (1, "bqce"): ((264, 16776), (0.1037, 0.0785, 0.0512, 0.0375, 0.0267, 0.0183, 0.0136)),
    (5, "atomistic"): ((342, 13390), (0.4266, 0.3228, 0.2270, 0.1667, 0.1154, 0.0825, 0.0582)),
    (5, "qce"): ((228, 9302), (0.2359, 0.1683, 0.0982, 0.0659, 0.0456, 0.0355, 0.0326, 0.0314)),
    (5, "bqce"): ((428, 33260), (0.2188, 0.1557, 0.0858, 0.0531, 0.0299, 0.0151, 0.0088, 0.0057)),
}


class Problem:
    """A row of n vacancies under a macroscopic deformation, and its reference solution."""

    def __init__(self, n, strength, pull, core):
        self.n, half = n, (n - 1) // 2
        self.atom = toy_eam(strength=strength)
        self.crystal = CauchyBorn(self.atom, LATTICE)
        self.far = np.asarray(pull) @ ground_state(self.crystal, 2)
        row = np.stack([np.arange(-half, half + 1), np.zeros(n, int)], axis=1)
        self.settings = {"vacancies": row, "axis_half": half}
        self.reference, _, _ = self.solve("qc-gfc", core, outer=core**2 + 10, alpha=1.4)

    def solve(self, method, core, **more):
        """Return the rest state, its free nodes and the processor seconds of the solve."""
        posed = pose(LATTICE, self.atom, self.crystal, self.far, method=method, core=core, **self.settings, **more)
        start = time.process_time()
        rest = solve(couple(posed, method))
        return rest, posed.unknowns // 2, time.process_time() - start


class Line:
    """An edge dislocation in a crystal at rest, second neighbours included, and its reference solution."""

    def __init__(self, core):
        self.n = "dislocation"
        self.atom = shortened(toy_eam(), 1.45, 1.85)
        self.spacing = float(ground_state(CauchyBorn(self.atom, triangular(shells=2)), 2)[0, 0])
        self.crystal = CauchyBorn(self.atom, triangular(self.spacing, shells=2))
        self.field = plane_field(self.crystal)
        origin = self.spacing * np.array([-0.25, np.sqrt(3.0) / 4.0])
        self.columns = in_a_plane(self.crystal.lattice, origin)
        self.reference, _, _ = self.solve("bgfc", core)

    def solve(self, method, core, **more):
        """Return the rest state, its free nodes and the processor seconds of the solve."""
        name, exact = method.removesuffix(INTERPOLATED), not method.endswith(INTERPOLATED)
        posed = posed_dislocation(
            self.columns, self.atom, self.crystal, self.field, 2.2 * self.spacing, method=name, core=core,
            exact=exact, **more,
        )  # fmt: skip
        start = time.process_time()
        rest = solve(couple(posed, name))
        return rest, posed.unknowns // 2, time.process_time() - start


INTERPOLATED = " (i)"


def told(n):
    """Return how a problem is called."""
    return n if isinstance(n, str) else "vacancy" if n == 1 else f"{n} vacancies"


def table(problem, cores, atoms, methods=METHODS):
    """Return (nodes, errors) of every method, and print them with their rates."""
    print(f"\n{told(problem.n)}; reference of {problem.reference.coupled.problem.unknowns // 2} free nodes")
    found = {}
    for method in methods:
        nodes, errors, spent = [], [], []
        for core in atoms if method == "atomistic" else cores:
            rest, size, seconds = problem.solve(method, core)
            nodes.append(size)
            errors.append(strain_error(rest, problem.reference).mean_square)
            spent.append(seconds)
        found[method] = np.array(nodes), np.array(errors)
        print(f"  {method}: processor seconds", " ".join(f"{one:.1f}" for one in spent), flush=True)
    print(rates_told(found, REFERENCE_LIMIT)[0])
    return found


def beside_published(n, found):
    """Print the ratio of our errors to the published ones at our sizes inside the published range."""
    for (row, method), (ends, errors) in PUBLISHED.items():
        if row != n:
            continue
        theirs = np.geomspace(*ends, len(errors))
        nodes, ours = found[method]
        inside = (nodes >= ends[0]) & (nodes <= ends[1])
        there = np.exp(np.interp(np.log(nodes[inside]), np.log(theirs), np.log(errors)))
        print(f"  {method:10} our error / published: {np.round(ours[inside] / there, 2)}")


def savings(found, errors=(0.1, 0.05, 0.03, 0.02, 0.01)):
    """Print and return how many times fewer nodes a method needs than atoms alone, at some errors."""
    ratios = {}
    print("  nodes of atoms alone over nodes of the method, at errors of", errors)
    for method, (nodes, wrong) in found.items():
        if method == "atomistic":
            continue
        ratios[method] = [
            unknowns_at(e, *found["atomistic"]) / unknowns_at(e, nodes, wrong)
            if wrong.min() <= e <= wrong.max()
            else np.nan
            for e in errors
        ]
        print(f"  {method:10}", " ".join(f"{ratio:6.1f}" for ratio in ratios[method]))
    return np.array(errors), ratios


def errors_of():
    """Return (nodes, errors) of every method of `TABLE`, by method."""
    problem, found = Problem(1, *CASES[1], 40), {}
    for method, cores in TABLE.items():
        rests = [problem.solve(method, core)[:2] for core in cores]
        found[method] = (
            [size for _, size in rests],
            [strain_error(rest, problem.reference).mean_square for rest, _ in rests],
        )
    return found


def kept():
    """Return the shipped table: (nodes, errors) of every method."""
    found = {}
    with (DOCS / "coupling-errors.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            nodes, errors = found.setdefault(row["method"], ([], []))
            nodes.append(int(row["nodes"]))
            errors.append(float(row["error"]))
    return found


def in_words(found):
    """Return the table as it stands in the docs."""
    lines = ["| method | slope, 95 % interval, decades | nodes: relative error of strains |", "|---|---|---|"]
    for method, (nodes, errors) in found.items():
        seen = np.array(errors) > REFERENCE_LIMIT
        rate = fitted_rate(np.array(nodes)[seen], np.array(errors)[seen])
        sizes = ", ".join(f"{size}: {error:.4f}" for size, error in zip(nodes, errors, strict=True))
        law = f"{rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}], {rate.decades:.1f}"
        lines.append(f"| `{method}` | {law} | {sizes} |")
    return "\n".join(lines)


def shipped(found):
    """Write the table to docs/coupling-errors.csv and into docs/concurrent.md."""
    with (DOCS / "coupling-errors.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("method", "nodes", "error"))
        for method, (nodes, errors) in found.items():
            writer.writerows((method, size, f"{error:.5f}") for size, error in zip(nodes, errors, strict=True))
    page, start, end = DOCS / "concurrent.md", "<!-- errors -->\n", "\n<!-- end of errors -->"
    words = page.read_text()
    before, after = words[: words.index(start) + len(start)], words[words.index(end) :]
    page.write_text(before + in_words(kept()) + after)


def picture(path, panels):
    """Draw errors and savings."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    mpl.rcParams["svg.hashsalt"] = "uqmsm"
    colours = dict(
        zip(
            (*METHODS, "bgfc" + INTERPOLATED),
            ("#444444", "#b2182b", "#ef8a62", "#80b1d3", "#4daf4a", "#984ea3", "#08519c", "#9ecae1"),
            strict=True,
        )
    )
    figure, axes = plt.subplots(1, 1 + len(panels), figsize=(4.2 * (1 + len(panels)), 3.9), layout="constrained")
    for axis, (n, found, _) in zip(axes, panels, strict=False):
        for method, (nodes, errors) in found.items():
            axis.loglog(
                nodes, errors, "o-", ms=3.5, lw=2 if method == "bgfc" else 1.2, color=colours[method], label=method
            )
        axis.set(xlabel="free nodes", ylabel="relative error of strains", title=told(n))
        axis.axhline(0.01, color="0.8", lw=0.8, zorder=0)
        axis.xaxis.set_minor_formatter(NullFormatter())  # less than two decades would label every tenth
    axes[len(panels) - 1].legend(fontsize=8, frameon=False)
    errors, ratios = panels[0][2]
    for method, ratio in ratios.items():
        axes[-1].loglog(errors, ratio, "o-", ms=3.5, color=colours[method], lw=2 if method == "bgfc" else 1.2)
    axes[-1].axhline(20, color="0.8", lw=0.8, zorder=0)
    axes[-1].invert_xaxis()
    axes[-1].set(
        xlabel="relative error of strains", ylabel="atoms alone / coupled (nodes)", title="what coupling saves"
    )
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small cores and a small reference")
    parser.add_argument("--picture", help="where to draw")
    parser.add_argument("--table", action="store_true", help="write the table of the docs")
    options = parser.parse_args()
    if options.table:
        shipped(errors_of())
        print(in_words(kept()))
        return
    cores, atoms, core = (CORES[:5], ATOMS[:4], 30) if options.quick else (CORES, ATOMS, 48)
    panels = []
    for n, case in CASES.items():
        problem = Problem(n, *case, core)
        found = table(problem, cores, atoms if n == 1 else atoms[:-1])
        beside_published(n, found)
        panels.append((n, found, savings(found)))
    line = Line(16 if options.quick else 32)
    found = table(
        line, (4, 5, 6, 8, 11) if options.quick else (4, 5, 6, 8, 11, 16), atoms[:6], (*METHODS, "bgfc" + INTERPOLATED)
    )
    panels.append((line.n, found, savings(found)))
    if options.picture:
        picture(options.picture, panels)


if __name__ == "__main__":
    main()
