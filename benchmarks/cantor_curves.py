"""The curves of `studies/cantor` in small: members without a ledger, bands by kind over temperature, a picture.

    python benchmarks/cantor_curves.py --out cantor.npz --draws 12 --specimens 2 --kin 6 --steps 1000
    python benchmarks/cantor_curves.py --out cantor.npz --picture docs/cantor.svg

Each of `draws` draws of the potential is given to `specimens` heats, cells and runs; discrepancy and the theory's form
are drawn `again` times for each, which costs nothing. What differs between specimens of one draw is aleatoric or
numerical, what differs between draws (and with discrepancy and form) is epistemic. CoCrFeNi and CoCrNi follow with the
same potential, learnt on CoCrFeMnNi: nothing of them is in their bands but that.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import uqmsm
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.stochastic import changed, evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic

KIN = {"CoCrFeMnNi": None, "CoCrFeNi": ("Co", "Cr", "Fe", "Ni"), "CoCrNi": ("Co", "Cr", "Ni")}
CURVES = ("curve_lattice_parameter", "curve_moduli", "curve_youngs_modulus", "curve_shear_modulus", "curve_expansion")
STRESSES = ("curve_yield_stress", "curve_theory_stress")


def chain_of(arguments):
    """Return the operators of the study by stage, the posterior learnt."""
    study = uqmsm.load("studies/cantor")
    stages = {stage.name: stage.operator for stage in study.chain.stages}
    stored = Path(arguments.out).with_suffix(".posterior.nc")
    learnt = stages["potential"].parameters.law.learn(map, study.seed, stored, print)
    print("not converged in:", learnt.shortfalls or "nothing")
    stages["potential"] = changed(stages["potential"], {"parameters": Epistemic(learnt)})
    stages["motion"] = replace(stages["motion"], steps=arguments.steps)
    return stages, Streams(study.seed)


def member(stages, streams, known, names, index):
    """Evaluate some stages at one index of all their sources."""
    for name in names:
        operator = stages[name]
        given = {port.name: known[port.name] for port in operator.inputs}
        drawn = streams.call(name, {source.name: index for source in operator.sources})
        known = known | evaluate(operator, given, drawn)
    return known


def computed(arguments):
    """Compute all alloys and save their curves: axes draw, specimen, again, temperature."""
    stages, streams = chain_of(arguments)
    found = {}
    for alloy, elements in KIN.items():
        if elements is not None:
            stages["alloy"] = RandomAlloy(elements, (1 / len(elements),) * len(elements), "fcc", (4, 4, 4))
        draws = arguments.draws if elements is None else arguments.kin
        rows = []
        for draw in range(draws):
            potential = member(stages, streams, {}, ["potential"], draw)
            for specimen in range(arguments.specimens if elements is None else 1):
                started = time.process_time()
                index = draw * 100 + specimen
                try:
                    rest = member(stages, streams, potential, ["alloy", "statics", "motion"], index)
                    # the same re-draws for each specimen of a draw, so that they tell no specimens apart
                    ends = [
                        member(stages, streams, rest, ["curves", "strength"], draw * 100 + k)
                        for k in range(arguments.again)
                    ]
                except uqmsm.errors.MemberFailed as failed:
                    print(alloy, draw, specimen, "failed:", failed)
                    continue
                rows.append((draw, specimen, [{key: end[key] for key in (*CURVES, *STRESSES)} for end in ends], rest))
                print(f"{alloy} {draw} {specimen} {time.process_time() - started:.1f} s", flush=True)
        for key in (*CURVES, *STRESSES):
            found[f"{alloy}/{key}"] = np.array([[end[key] for end in ends] for _, _, ends, _ in rows])
        for key in ("md_lattice_parameter", "md_C11", "md_C12", "md_C44"):
            found[f"{alloy}/{key}"] = np.array([rest[key] for *_, rest in rows])
            found[f"{alloy}/{key}_error"] = np.array([rest[f"{key}_error"] for *_, rest in rows])
        found[f"{alloy}/draw"] = np.array([draw for draw, *_ in rows])
        found["temperature"] = np.asarray(stages["curves"].temperatures)
        np.savez(arguments.out, **found)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", default="cantor.npz")
    words.add_argument("--picture")
    usual = {"draws": 12, "specimens": 2, "again": 20, "kin": 6, "steps": 1000}
    for name, value in usual.items():
        words.add_argument(f"--{name}", type=int, default=value)
    arguments = words.parse_args()
    if arguments.picture:
        from cantor_picture import draw

        draw(np.load(arguments.out), Path(arguments.picture))
    else:
        computed(arguments)


if __name__ == "__main__":
    main()
