"""A posterior whose draws are all the same has nothing epistemic in it: not a little, nothing."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import atomic_numbers

from uqmsm.chain import Chain, Stage
from uqmsm.members import Design
from uqmsm.physics.potential import average_atom, published
from uqmsm.questions.attribute import Ledger
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.potential import Learnt, Potential
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Dirichlet, Epistemic

PAIR = ("Mo", "W")


def chain(spread):
    """Return potential and heats; draws of the potential differ by a relative spread of their lengths."""
    draws = np.repeat(published(PAIR).values[None], 40, axis=0)
    draws[:, :, 0] *= 1.0 + spread * np.random.default_rng(1).standard_normal((40, 1))
    law = Learnt(draws, np.zeros((40, 5)), np.zeros((40, 5)), f"made {spread}")
    heats = RandomAlloy(PAIR, Aleatoric(Dirichlet((0.5, 0.5), 0.05)), cells=(2, 2, 2))
    return Chain((Stage("potential", Potential(PAIR, Epistemic(law))), Stage("alloy", heats)))


def answers(chain, design):
    """Return the lattice parameter of the average atom of every member."""
    found = []
    for row in design.members.table:
        index = dict(zip(design.members.sources, row.tolist(), strict=True))
        given = {}
        for stage in chain.stages:
            own = {source.name: index[f"{stage.name}.{source.name}"] for source in stage.operator.sources}
            given |= evaluate(stage.operator, {}, Streams(3).call(stage.name, own))
        assert given["elements"].tolist() == [atomic_numbers[symbol] for symbol in PAIR]
        found.append(average_atom(given["potential_parameters"], given["composition"], "bcc").lattice_parameter)
    return np.array(found, dtype=np.float64)


def shares(spread):
    made = chain(spread)
    design = Design.of(made.sources, 16)
    ledger = Ledger(design, answers(made, design))
    kinds = ledger.lines("kind")
    return {name: float(kinds["fair"].sel(line=name)) for name in ("epistemic", "aleatoric")}


def test_identical_draws_leave_no_epistemic_variance():
    same = shares(0.0)
    assert same["epistemic"] == pytest.approx(0.0, abs=1e-12)
    assert same["aleatoric"] == pytest.approx(1.0, abs=1e-9)
    assert shares(0.001)["epistemic"] > 0.02, "negative control: lengths that differ by a thousandth are seen"
