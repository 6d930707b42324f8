"""What coupling costs beside its atoms: CPU seconds of coupled steps over those of the atoms inside them.

``python benchmarks/coupled_step.py`` prints two ratios, each in one run, asked to be at most 1.5: a load of the
switching plate (what is not blocks of atoms is finite elements; the jury is told apart), and what a Newton step
evaluates for a vacancy of MoNbTaW in its continuum (``bgfc``) over the same of its atoms alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from uqmsm.physics.atomistic.finite_strain import Supercell
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.methods import couple
from uqmsm.physics.coupling.vacancies import posed_vacancy
from uqmsm.physics.potential import published, tabulated
from uqmsm.physics.potential.zhou import published as zhou
from uqmsm.physics.tensors import cubic_stiffness
from uqmsm.scales.fe import SwitchingPlate

SYMBOLS = ("Mo", "Nb", "Ta", "W")
SPENT = {"atoms": 0.0, "jury": 0.0, "within": 0.0}
INSIDE: list[str] = []


def clocked(of: Any, name: str, key: str) -> None:
    """Let a method add its CPU seconds to a sum."""
    inner = getattr(of, name)

    def timed(self: Any, *given: Any, **named: Any) -> Any:
        start = time.process_time()
        INSIDE.append(key)
        try:
            return inner(self, *given, **named)
        finally:
            INSIDE.pop()
            SPENT[key] += time.process_time() - start
            if key == "atoms" and "jury" in INSIDE:
                SPENT["within"] += time.process_time() - start

    setattr(of, name, timed)


def switching() -> None:
    """Carry a plate to a load under which four elements are concurrent."""
    from uqmsm.physics.coupling.jury import Jury

    values = published(list(SYMBOLS)).values
    given = {
        "elements": np.array([42, 41, 73, 74]), "composition": np.full(4, 0.25), "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 41, 73, 74]), "potential_parameters": values,
        "committee_parameters": np.repeat(values[None], 2, axis=0), "static_lattice_parameter": np.array(3.2232),
        "static_C11": np.array(348.6), "static_C12": np.array(169.7), "static_C44": np.array(94.1),
    }  # fmt: skip
    plate = SwitchingPlate(loads=(3600.0, 5000.0, 5200.0))
    problem = plate.two_way(given, {"atoms": np.random.default_rng(1)})
    plate.warm_up()
    u = np.zeros_like(plate.mesh().nodes_mm)
    u = problem.carry(0, plate.loads[0] * plate.unit_pull(), u).displacement_mm
    clocked(Jury, "verdict", "jury")
    clocked(Supercell, "strained", "atoms")
    clocked(Supercell, "signs", "atoms")
    for number, load in enumerate(plate.loads[1:], 1):
        SPENT.update(atoms=0.0, jury=0.0, within=0.0)
        start = time.process_time()
        step = problem.carry(number, load * plate.unit_pull(), u)
        whole, u = time.process_time() - start, step.displacement_mm
        print(
            f"switching plate, {load:g} MPa: {len(step.zone)} concurrent elements, {step.iterations} Newton steps, "
            f"{whole:.2f} s; over its blocks of atoms and jury {whole / SPENT['atoms']:.2f}, without the jury "
            f"({SPENT['jury']:.2f} s) {(whole - SPENT['jury']) / (SPENT['atoms'] - SPENT['within']):.2f}"
        )


def vacancy() -> None:
    """Evaluate energy, forces and stiffness with all elements, and with none."""
    tables = tabulated.tabulate(zhou(SYMBOLS), 4000, 4000)
    for core, width, outer in ((2, 1, 8), (3, 1, 9), (3, 2, 12), (4, 2, 14)):
        rng = np.random.default_rng(0)
        problem = posed_vacancy(
            tables, np.full(4, 0.25), "bcc", 3.2232, rng, core=core, width=width, outer=outer,
            stiffness_GPa=cubic_stiffness(348.6, 169.7, 94.1),
        )  # fmt: skip
        coupled = couple(problem)
        y = solve(coupled, tolerance=1e-5).positions
        parts = {"atoms": coupled.atoms.derivatives, "elements": coupled.elements.derivatives}
        spent: dict[str, list[float]] = {"atoms": [], "elements": [], "whole": []}
        for _ in range(5):
            for name, evaluated in (*parts.items(), ("whole", coupled.derivatives)):
                start = time.process_time()
                evaluated(y)
                spent[name].append(time.process_time() - start)
        atoms, elements, whole = (1e3 * min(spent[name]) for name in ("atoms", "elements", "whole"))
        strained = int(problem.continuum.far(coupled.elements.gradients(y)).sum())
        print(
            f"vacancy, core {core} + {width}: {len(coupled.atoms.weights)} atoms {atoms:.0f} ms, "
            f"{len(coupled.elements.weights)} elements ({strained} beyond the expansion) {elements:.0f} ms, the whole "
            f"{whole:.0f} ms; over the atoms {whole / atoms:.2f}"
        )


if __name__ == "__main__":
    switching()
    vacancy()
