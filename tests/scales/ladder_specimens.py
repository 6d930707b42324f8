"""Small real inputs for the operators of the scales: what the stages before them would hand on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from ase.data import atomic_numbers

from uqmsm.physics.potential.zhou import published
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import Service, Statics
from uqmsm.scales.rve import Polycrystal
from uqmsm.scales.strength import EdgeStrength, MeasuredElsewhere
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Dirichlet, Epistemic

ELEMENTS = ("Mo", "Nb", "Ta", "W")
ALLOY = RandomAlloy(ELEMENTS, Aleatoric(Dirichlet((0.25,) * 4, 0.005)), cells=(3, 3, 3))
STATICS = Statics(families=2, points=2000)


@cache
def learnt(**elsewhere) -> EdgeStrength:
    """Return the operator with its law of the theory's error learnt, as a run would hold it."""
    operator = EdgeStrength(strength_form=Epistemic(MeasuredElsewhere(**elsewhere)))
    return replace(operator, strength_form=Epistemic(operator.elsewhere.learnt()))


def step(operator, given, stage="stage", index=0):
    streams = Streams(2026).call(stage, {source.name: index for source in operator.sources})
    return evaluate(operator, {port.name: given[port.name] for port in operator.inputs}, streams)


@cache
def upto(stage: str) -> dict[str, np.ndarray]:
    """Return all that is known before a stage runs, with the published potential and no discrepancy."""
    known = {
        "potential_elements": np.array([atomic_numbers[symbol] for symbol in ELEMENTS]),
        "potential_parameters": published(ELEMENTS).values,
        "discrepancy_mean": np.zeros(5),
        "discrepancy_sd": np.full(5, 0.02),
        "inadequacy_widths": np.full(4, 0.03),
        "learnt_at": np.full(len(ELEMENTS), 1.0 / len(ELEMENTS)),
    }
    ladder = {
        "alloy": ALLOY,
        "statics": STATICS,
        "service": Service(),
        "strength": learnt(),
        "rve": Polycrystal(grains=20, voxels=12),
    }
    for name, operator in ladder.items():
        if name == stage:
            return known
        known = known | step(operator, known, name)
    return known
