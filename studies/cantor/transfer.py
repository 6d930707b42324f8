"""CoCrFeNi and CoCrNi with the potential of CoCrFeMnNi: ``python studies/cantor/transfer.py transfer.nc [--draws 12]``.

The stages of `studies/cantor`, one heat, cell and run for each draw of the potential; what the potential cannot fit and
the theory's form are drawn `again` times for each, which costs nothing. A study refuses this: the inadequacy of a
potential is that of the alloy it was learnt with. That is what is put to the test here, so nothing of the two alloys'
strength or temperature is in their bands but what they inherit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

import uqmsm
from uqmsm.results import save
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.stochastic import changed, evaluate
from uqmsm.streams import Streams
from uqmsm.tables import folder
from uqmsm.uncertainty import Epistemic

KIN = {"CoCrFeNi": ("Co", "Cr", "Fe", "Ni"), "CoCrNi": ("Co", "Cr", "Ni")}
TOLD = (
    "curve_lattice_parameter", "curve_adiabatic_moduli", "curve_youngs_modulus", "curve_shear_modulus",
    "curve_expansion", "curve_yield_stress",
)  # fmt: skip


def member(stages: dict, streams: Streams, known: dict, names: list[str], index: int) -> dict:
    """Evaluate some stages at one index of all their sources."""
    for name in names:
        operator = stages[name]
        given = {port.name: known[port.name] for port in operator.inputs}
        known = known | evaluate(
            operator, given, streams.call(name, {source.name: index for source in operator.sources})
        )
    return known


def curves_of(stages: dict, streams: Streams, name: str, draws: int, again: int) -> xr.Dataset:
    """Return the curves of one alloy: dims draw, again, temperature."""
    elements = KIN[name]
    own = stages | {"alloy": RandomAlloy(elements, (1 / len(elements),) * len(elements), "fcc", (4, 4, 4))}
    rows = []
    for draw in range(draws):
        started = time.process_time()
        try:
            rest = member(own, streams, {}, ["potential", "alloy", "statics", "motion"], draw)
            ends = [member(own, streams, rest, ["curves", "strength"], draw * 100 + k) for k in range(again)]
        except uqmsm.errors.MemberFailed as failed:
            print(name, draw, "failed:", failed)
            continue
        rows.append([{key: end[key] for key in TOLD} for end in ends])
        print(f"{name} {draw}: {time.process_time() - started:.1f} s", flush=True)
    dims = ("draw", "again", "temperature", "constant")
    tables = {key: np.array([[end[key] for end in ends] for ends in rows], dtype=np.float32) for key in TOLD}
    found = xr.Dataset({key: (dims[: table.ndim], table) for key, table in tables.items()})
    return found.assign_coords(temperature=np.asarray(own["curves"].temperatures)).assign_attrs(asked=draws)


def main() -> None:
    """Compute both alloys and keep their curves."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("out", type=Path)
    words.add_argument("--draws", type=int, default=12)
    words.add_argument("--again", type=int, default=20)
    asked = words.parse_args()
    study = uqmsm.load(folder("studies") / "cantor")
    stages = {stage.name: stage.operator for stage in study.chain.stages}
    with tempfile.TemporaryDirectory() as place:
        law = stages["potential"].parameters.law.learn(map, study.seed, Path(place) / "learnt.nc", print)
    stages["potential"] = changed(stages["potential"], {"parameters": Epistemic(law)})
    found = {name: curves_of(stages, Streams(study.seed), name, asked.draws, asked.again) for name in KIN}
    save(xr.DataTree.from_dict(found), asked.out)


if __name__ == "__main__":
    main()
