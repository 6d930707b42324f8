"""How many atoms a quantum engine is asked about until a mean is known: chosen regions against one radius for all.

``python benchmarks/region_choice.py``. Vacancies of random MoNbTaW (removal energy, ``model: qm_mm``): the published
potential is the engine (a surrogate, no quantum mechanics), one draw of the shipped posterior the cheap model. Regions
differ in the radius of the core and in whether it comes to rest in the engine. Printed: atoms asked until the standard
error of the mean of the largest region is some part of its standard deviation, chosen run by run
(`uqmsm.questions.regions`), in the largest region alone, and in a sweep of all regions one after the other.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from uqmsm.posterior import Posterior
from uqmsm.questions.regions import chosen_runs
from uqmsm.scales.coupling import QuantumRegion
from uqmsm.scales.potential.law import ZhouPosterior
from uqmsm.tables import path

ELEMENTS, NUMBERS, SHARES = ("Mo", "Nb", "Ta", "W"), np.array([42, 41, 73, 74]), (0.25, 0.25, 0.25, 0.25)
STAGES = (
    QuantumRegion(core=0.1, cells=8, relaxed="cheap"),
    QuantumRegion(core=3.0, cells=8, relaxed="cheap"),
    QuantumRegion(core=3.0, cells=8),
    QuantumRegion(core=4.7, cells=8),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=float, default=10.0, help="standard deviation over wanted standard error")
    parser.add_argument("--pilot", type=int, default=12)
    chosen = parser.parse_args()
    law = ZhouPosterior(ELEMENTS, SHARES, shipped=True).law_of(Posterior.load(path("posterior_monbtaw.nc")))
    given = {
        "elements": NUMBERS, "composition": np.array(SHARES), "atoms_per_cell": np.array(2),
        "potential_elements": NUMBERS, "potential_parameters": law.values[0],
    }  # fmt: skip

    def asked(member: int, region: int) -> dict[str, float]:
        found = STAGES[region](given, {"atoms": np.random.default_rng([2026, member])})
        return {name: float(found[f"qm_mm_{name}"]) for name in ("removal_energy", "cluster_atoms", "quantum_calls")}

    start = time.process_time()
    pilot = [[asked(member, region) for region in range(len(STAGES))] for member in range(chosen.pilot)]
    costs = np.array([[one["cluster_atoms"] * one["quantum_calls"] for one in row] for row in pilot]).mean(axis=0)
    table = np.array([[one["removal_energy"] for one in row] for row in pilot])
    print("atoms asked by a run in each region:", np.round(costs).astype(int).tolist())
    print(
        "mean of each region minus that of the last (eV):",
        np.round(table.mean(axis=0) - table[:, -1].mean(), 4).tolist(),
    )
    print("correlation with the last:", np.round(np.corrcoef(table.T)[-1], 4).tolist())
    sd = float(table[:, -1].std(ddof=1))

    def run(member: int, region: int) -> float:
        return table[member, region] if member < len(table) else asked(member, region)["removal_energy"]

    found, spent = chosen_runs(run, costs, sd / chosen.part, pilot=chosen.pilot)
    mean, se = found.estimate()
    alone = chosen.part**2
    print(f"removal energy {mean:.3f} +- {se:.3f} eV (sd {sd:.3f} eV) after {spent:.0f} atoms asked")
    for flags, rows in found.groups:
        print(f"  {len(rows)} members in regions {np.flatnonzero(flags).tolist()}")
    print(f"the largest region alone: {alone * costs[-1]:.0f}, ratio {spent / (alone * costs[-1]):.2f}")
    print(f"a sweep of all regions: {alone * costs.sum():.0f}, ratio {spent / (alone * costs.sum()):.2f}")
    print(f"{time.process_time() - start:.0f} s of CPU time")


if __name__ == "__main__":
    main()
