"""The end of a stage goes by weight: heavy calls first, light ones fill up, and results are what they were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uqmsm.chain import Chain, Stage
from uqmsm.execution.backends import InProcess
from uqmsm.execution.dispatch import LAST, execute
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.pace import Pace
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source


@dataclass(frozen=True)
class Lengths:
    inputs = ()
    outputs = (Port("row", "1", ("place",)),)
    sources = (Source("chance", Kind.ALEATORIC),)

    def __call__(self, given, streams):
        return {"row": np.ones(int(streams["chance"].integers(1, 100)))}


@dataclass(frozen=True)
class Sum:
    inputs = (Port("row", "1", ("place",)),)
    outputs = (Port("total", "1"),)
    sources = ()

    def __call__(self, given, streams):
        return {"total": given["row"].sum()}


class Noting(InProcess):
    """Runs here, and notes how much each task of the second stage received."""

    def __init__(self):
        super().__init__()
        self.loads = []

    def submit(self, ticket, function, argument, *, urgency):
        if argument.stage == "sum":
            lengths = [one[0] for one in argument.sizes["row"]] if argument.sizes else [argument.given["row"].shape[1]]
            self.loads.extend(int(length) for length in lengths)
        super().submit(ticket, function, argument, urgency=urgency)


def run(place, members):
    chain = Chain([Stage("lengths", Lengths()), Stage("sum", Sum())])
    table, backend = np.arange(members)[:, None], Noting()
    with RunFolder.create(place) as folder:
        execute(Chain(list(chain.stages)[:1]), 3, table, folder, backend=backend)  # all lengths are there beforehand
        found = execute(chain, 3, table, folder, backend=backend, blocks={"sum": 1})
    return backend.loads, found.member_values("sum", "total")


def test_the_last_calls_go_heaviest_first_and_the_earlier_by_member(tmp_path):
    loads, totals = run(tmp_path / "run", 40)
    assert len(loads) == 40
    early, last = loads[:-LAST], loads[-LAST:]
    assert last == sorted(last, reverse=True)
    assert early == totals[:24].astype(int).tolist()  # members in order, their sums their lengths
    assert early != sorted(early, reverse=True)  # negative control
    assert sorted(loads) == sorted(totals.astype(int).tolist())


def test_tasks_shrink_towards_the_end():
    class Known:
        seconds = np.array([0.05])

    pace = Pace(Known, None)
    pace.largest = 100
    assert pace.size(1000, 2, 8) == 10  # half a second
    assert pace.size(20, 2, 8) == 5  # a quarter of what is left, for each of two workers
    assert pace.size(2, 2, 8) == 2  # but not less than a tenth of a second
