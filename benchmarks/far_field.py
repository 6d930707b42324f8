"""What the far field of a coupled vacancy does to its energy: average atoms or the alloy at rest, against atoms alone.

``python benchmarks/far_field.py [--members 8]``. Vacancies of MoNbTaW with the published potential; the same atoms in a
core of 3 layers with either far field, and as atoms throughout up to 7 layers (1892 of them), held at the alloy's own
lattice parameter. Some 13 processor seconds a vacancy.
"""

from __future__ import annotations

import argparse

import numpy as np

from uqmsm.physics.coupling.vacancies import coupled_vacancy, posed_vacancy
from uqmsm.physics.potential import published, tabulated, zhou
from uqmsm.physics.tensors import cubic_stiffness
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.scales.atomistic.statics import Statics
from uqmsm.stochastic import evaluate

ELEMENTS, SHARES = ("Mo", "Nb", "Ta", "W"), (0.25, 0.25, 0.25, 0.25)


def alloy_at_rest() -> tuple[float, np.ndarray]:
    """Return lattice parameter (A) and stiffness (6, 6) in GPa of a block of 250 atoms."""
    block = RandomAlloy(ELEMENTS, SHARES, cells=(5, 5, 5))
    given = dict(evaluate(block, {}, {source.name: np.random.default_rng(1) for source in block.sources}))
    given |= {"potential_elements": np.array([42, 41, 73, 74]), "potential_parameters": published(ELEMENTS).values}
    rest = evaluate(Statics(families=2, points=4000), given, {})
    return float(rest["static_lattice_parameter"]), cubic_stiffness(
        *(float(rest[f"static_{name}"]) for name in ("C11", "C12", "C44"))
    )


def main() -> None:
    """Print the differences, one vacancy after the other, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=8)
    members = parser.parse_args().members
    tables = tabulated.tabulate(zhou.published(ELEMENTS), 4000, 4000)
    edge, stiffness = alloy_at_rest()
    print(f"the alloy rests at {edge:.4f} A")
    found = []
    for seed in range(members):
        energies = []
        for core, outer, method, stiff in (
            (7, None, "atomistic", stiffness), (3, 9, "bgfc", None), (3, 9, "bgfc", stiffness)
        ):  # fmt: skip
            rng = np.random.default_rng(seed)
            posed = posed_vacancy(
                tables, SHARES, "bcc", edge, rng, core=core, outer=outer, method=method, stiffness_GPa=stiff
            )
            energies.append(coupled_vacancy(posed, np.zeros(4), method).formation_energy)
        found.append([energies[1] - energies[0], energies[2] - energies[0]])
        print(
            f"vacancy {seed}: average atoms {found[-1][0]:+.4f} eV, the alloy at rest {found[-1][1]:+.4f} eV",
            flush=True,
        )
    apart = np.array(found)
    apart = np.column_stack([apart, apart[:, 1] - apart[:, 0]])
    for words, one in zip(("average atoms", "the alloy at rest", "their difference"), apart.T, strict=True):
        print(f"{words}: {one.mean():+.4f} +- {one.std(ddof=1) / np.sqrt(len(one)):.4f} eV")


if __name__ == "__main__":
    main()
