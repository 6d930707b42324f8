"""PFHub's phase field benchmarks as stated: tables of refinement on the screen, PFHub's columns in CSV files.

    python benchmarks/pfhub.py --case 1a --until 100 --tolerance 4e-4 2e-4 --points 100 200

One line is printed per run: what was refined, quantities at the asked times, steps and wall time. Statements of the
problems: https://pages.nist.gov/pfhub/ (commit 2f9c54e).
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from uqmsm.physics.phasefield.dendrite import Dendrite


def write(out, name, columns, rows):
    """Write a CSV file with PFHub's column names."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def say(*columns):
    """Print one row of a table at once: runs are long."""
    print("| " + " | ".join(f"{c:.6g}" if isinstance(c, float) else str(c) for c in columns) + " |", flush=True)


def head(*columns):
    """Print the head of a table."""
    say(*columns)
    print("|" + "---|" * len(columns), flush=True)


def case_3a(args):
    """Dendrite: solid area, energy and tip against time, the contour at the end."""
    until = args.until or 1500.0
    head("spacing", "courant", "t", "tip x", "tip x - tip y", "solid area", "energy", "heat drift", "wall s")
    for spacing in args.spacing or [0.8]:
        for courant in args.courant or [0.8]:
            crystal, rows, start = Dendrite(spacing=spacing, courant=courant), [], time.perf_counter()
            heat = crystal.summary()[2]
            for now in np.linspace(0.0, until, round(until / 10.0) + 1):
                crystal.advance(now)
                (x, y), (solid, energy, whole) = crystal.tips(), crystal.summary()
                rows.append((now, solid, energy, x, solid / crystal.length**2))
                if now % 100.0 == 0.0 or now == until:
                    wall = time.perf_counter() - start
                    drift = whole / heat - 1.0
                    say(spacing, courant, float(now), x, f"{x - y:.1e}", solid, energy, f"{drift:.1e}", wall)
            name = f"3a_{spacing:g}_{courant:g}"
            columns = ("time", "solid_fraction", "free_energy", "tip_position", "fraction_of_domain")
            write(args.out, f"{name}.csv", columns, rows)
            write(args.out, f"phase_field_1500_{name}.csv", ("x", "y"), crystal.contour())


CASES = {name.removeprefix("case_"): one for name, one in list(globals().items()) if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=sorted(CASES), required=True)
    parser.add_argument("--until", type=float, help="end of the run; default as stated")
    parser.add_argument("--tolerance", type=float, nargs="+", help="errors of a step, one run each")
    parser.add_argument("--points", type=int, nargs="+", help="points per edge, one run each")
    parser.add_argument("--spacing", type=float, nargs="+", help="spacings (1c, 3a), one run each")
    parser.add_argument("--courant", type=float, nargs="+", help="step over the stable one (3a)")
    parser.add_argument("--replicas", type=int, help="members of the ensemble (8b, 8c)")
    parser.add_argument("--out", type=Path, default=Path("pfhub"), help="folder of the CSV files")
    args = parser.parse_args()
    CASES[args.case](args)


if __name__ == "__main__":
    main()
