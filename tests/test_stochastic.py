"""Operators: laws anywhere in their fields are sources, settled from streams of their own; failures are outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from uqmsm.errors import EnvironmentFault, MemberFailed
from uqmsm.promises import check
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source, changed, evaluate, evaluate_batch, law_sources, laws_in, settle
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal, Uniform


@dataclass(frozen=True)
class Phase:
    """One phase.

    Parameters
    ----------
    modulus
        Stiffness of the phase. In GPa.
    """

    modulus: float | Epistemic = Epistemic(Normal(100.0, 5.0))


@dataclass(frozen=True)
class Cell:
    """A cell of two phases.

    Parameters
    ----------
    matrix, particle
        The phases.
    share
        Volume of the particles.
    """

    matrix: Phase = Phase()
    particle: Phase = Phase(300.0)
    share: float | Aleatoric = Aleatoric(Uniform(0.1, 0.2))


@dataclass(frozen=True)
class Homogenised:
    """An operator that holds a cell."""

    cell: Cell = Cell()
    scale: float | Epistemic = Epistemic(Normal(1.0, 0.1))
    more: tuple[object, ...] = ()
    inputs = ()
    outputs = (Port("stiffness", "GPa"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        cell = self.cell
        mixed = (1 - cell.share) * cell.matrix.modulus + cell.share * cell.particle.modulus
        return {"stiffness": self.scale * mixed}


def test_laws_of_fields_of_fields_are_sources_named_by_their_path():
    sources = {source.name: (str(source.kind), source.long_name) for source in Homogenised().sources}
    assert sources == {
        "cell.matrix.modulus": ("epistemic", "Stiffness of the phase"),
        "cell.share": ("aleatoric", "Volume of the particles"),
        "scale": ("epistemic", ""),
    }


def test_each_is_drawn_from_the_stream_of_its_own_source():
    streams = Streams(3)
    indices = {"cell.matrix.modulus": 4, "cell.share": 5, "scale": 6}
    found = settle(Homogenised(), streams.call("rve", indices))
    for path, (doubt, _) in laws_in(Homogenised()).items():
        value = found
        for name in path.split("."):
            value = getattr(value, name)
        assert value == doubt.law.draw(streams.generator(f"rve.{path}", indices[path]))
    assert found.cell.particle == Phase(300.0)
    assert laws_in(found) == {}
    outcome = evaluate(Homogenised(), {}, streams.call("rve", indices))
    cell = found.cell
    expected = found.scale * ((1 - cell.share) * cell.matrix.modulus + cell.share * 300.0)
    assert outcome["stiffness"] == expected


def test_values_are_changed_by_path_and_nothing_else_is():
    found = changed(Homogenised(), {"cell.matrix.modulus": 1.0, "scale": 2.0})
    assert (found.cell.matrix.modulus, found.scale) == (1.0, 2.0)
    assert (found.cell.particle, found.cell.share) == (Cell().particle, Cell().share)


def test_check_knows_them_and_refuses_a_law_where_it_would_never_be_drawn():
    assert check(Homogenised()).ok, str(check(Homogenised()))
    hidden = check(Homogenised(more=(Phase(),)))
    assert not hidden.ok
    assert "in a list or dict" in str(hidden)


@dataclass(frozen=True)
class OnALattice:
    """Takes a cell that has to fit its lattice; draws once, or as often as the load says."""

    draws_by_load: bool
    inputs = (Port("cell", "1"), Port("load", "1"))
    outputs = (Port("x", "1"),)
    sources = (Source("noise", Kind.ALEATORIC, ("all",)),)

    def __call__(self, given, streams):
        if float(given["cell"]) % 1.0:
            raise MemberFailed("no lattice in such a cell")
        count = int(np.ceil(given["load"])) if self.draws_by_load else 1
        return {"x": streams["noise"].random(count).sum()}


def test_an_input_that_cannot_move_does_not_hide_the_others():
    given = {"cell": 2.0, "load": 2.0}
    report = check(OnALattice(draws_by_load=False), given)
    assert report.ok, str(report)
    assert "whatever comes from upstream (cell cannot be moved alone)" in str(report)
    assert "draw first, then transform" in str(check(OnALattice(draws_by_load=True), given)), "negative control"


@dataclass(frozen=True)
class Raises:
    """Raises what it is told to."""

    kind: type[Exception]
    inputs = ()
    outputs = (Port("x", "1"),)
    sources = ()

    def __call__(self, given, streams):
        raise self.kind("these words")


@dataclass(frozen=True)
class RaisesTogether(Raises):
    """The same as a batch."""

    @staticmethod
    def batch(operators, givens, streams):
        return [one(given, stream) for one, given, stream in zip(operators, givens, streams, strict=True)]


@pytest.mark.parametrize("operator", [Raises, RaisesTogether])
def test_a_call_alone_fails_by_an_outcome_whatever_it_raises_but_the_machines_fault(operator):
    for kind in (KeyError, MemberFailed, ZeroDivisionError):
        (outcome,) = evaluate_batch(operator(kind), [{}], [{}])
        assert isinstance(outcome, MemberFailed)
        assert "these words" in str(outcome)
    with pytest.raises(EnvironmentFault):
        evaluate_batch(operator(EnvironmentFault), [{}], [{}])
