"""PFHub's phase field benchmarks as stated: tables of refinement on the screen, PFHub's columns in CSV files.

    python benchmarks/pfhub.py --case 1a --tolerance 1e-4 2e-5 --points 100 200

One line is printed per run: what was refined, quantities at the asked times, steps and wall time. Statements of the
problems: https://pages.nist.gov/pfhub/ (commit 2f9c54e).
"""

from __future__ import annotations

import argparse
import csv
import resource
import time
from pathlib import Path

import numpy as np
import scipy.stats

from uqmsm.physics.phasefield.cahn_hilliard import PhaseFlow, double_well
from uqmsm.physics.phasefield.dendrite import Dendrite
from uqmsm.physics.phasefield.domains import Cells, Sphere, tee
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.implicit import Accuracy, ImplicitSteps
from uqmsm.physics.phasefield.manufactured import MovingWall
from uqmsm.physics.phasefield.nucleation import avrami_exponent, critical_radius, nucleation_flow, seed, transform
from uqmsm.physics.phasefield.ripening import Ripening
from uqmsm.physics.phasefield.spectral import Box
from uqmsm.physics.phasefield.vti import write_vti

WELL = double_well(5.0, 0.3, 0.7)
DRIVE = 1.0 / (3.0 * np.sqrt(2.0))
TIMES = (1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6)

FIELDS = (1e3, 1e4, 1e5, 1e6)


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


def start_1(x, y, size):
    """Composition at t = 0 of 1a-c and 2; the field jumps where periodic walls meet, as stated."""
    waves = np.cos(0.105 * x) * np.cos(0.11 * y) + (np.cos(0.13 * x) * np.cos(0.087 * y)) ** 2
    return 0.5 + size * (waves + np.cos(0.025 * x - 0.15 * y) * np.cos(0.07 * x - 0.02 * y))


def start_sphere(theta, phi):
    """Composition at t = 0 of 1d."""
    waves = np.cos(8 * theta) * np.cos(15 * phi) + (np.cos(12 * theta) * np.cos(10 * phi)) ** 2
    return 0.5 + 0.05 * (waves + np.cos(2.5 * theta - 1.5 * phi) * np.cos(7 * theta - 2 * phi))


def start_order(i, x, y):
    """Order parameter i = 1..4 at t = 0 of case 2."""
    wave = np.cos((0.046 + 0.001 * i) * x + (0.0405 + 0.001 * i) * y)
    inner = np.cos(0.01 * i * x - 4.0) * np.cos((0.007 + 0.01 * i) * y)
    inner = inner + np.cos((0.11 + 0.01 * i) * x) * np.cos((0.11 + 0.01 * i) * y)
    return 0.1 * (inner + 1.5 * (wave * np.cos((0.031 + 0.001 * i) * x - (0.004 + 0.001 * i) * y)) ** 2) ** 2


def picture(args, name, basis, fields, now):
    """Write fields for ParaView; what is not a box or made of cells has no such file."""
    grid = getattr(basis, "mask", np.ones(basis.shape, bool))
    spacing = basis.spacing if isinstance(basis, Box) else (basis.spacing,) * 2
    whole = np.full((len(fields), *grid.shape), np.nan)
    whole[:, grid] = fields.reshape(len(fields), -1)
    names = ("c", *(f"eta_{i}" for i in range(1, len(fields))))
    args.out.mkdir(parents=True, exist_ok=True)
    write_vti(args.out / f"raw_data_{name}.{now:07.0f}.vti", dict(zip(names, whole, strict=True)), spacing)


def decay(args, name, refined, flow, fields):
    """Run a flow to its end, one printed line per decade of time, PFHub's energies and fields in files."""
    told = [t for t in TIMES if t <= args.until]
    moments = sorted({*told, *np.geomspace(0.1, args.until, 200)})
    for tolerance in args.tolerance or [1e-4, 2e-5]:
        begin = time.process_time()
        run = ImplicitSteps(flow, fields, Accuracy(error=tolerance))
        mass, rows, rise = run.means()[0], [(0.0, run.energy)], -np.inf
        for now in moments:
            run.advance(now)
            rise = max(rise, run.energy - rows[-1][1])
            rows.append((float(now), run.energy))
            if now in told:
                spent, drift = time.process_time() - begin, f"{run.means()[0] - mass:.1e}"
                say(refined, tolerance, float(now), run.energy, run.taken, run.refused, drift, f"{rise:.1e}", spent)
            if now in FIELDS and not isinstance(flow.basis, Sphere):
                picture(args, f"{name}_{refined}_{tolerance:g}", flow.basis, run.fields, now)
        write(args.out, f"free_energy_{name}_{refined}_{tolerance:g}.csv", ("time", "free_energy"), rows)


def flows_1(args):
    """Print the head of the table of case 1 or 2."""
    args.until = args.until or 1e6
    head("points", "tolerance", "t", "free energy", "steps", "refused", "mass drift", "largest rise", "processor s")


def square(args, name, boundary):
    """Cases 1a and 1b."""
    flows_1(args)
    for points in args.points or [100, 200]:
        box = Box.of((200.0, 200.0), (points, points), boundary)
        flow = PhaseFlow(box, WELL, 2.0, 5.0, True, WELL.steepest(0.28, 0.72))
        decay(args, name, points, flow, start_1(*box.points(), 0.01)[None])


def case_1a(args):
    """Spinodal decomposition, periodic."""
    square(args, "1a", "periodic")


def case_1b(args):
    """Spinodal decomposition, no flux."""
    square(args, "1b", "no_flux")


def case_1c(args):
    """Spinodal decomposition in a T; the origin is the lower left corner of its stem."""
    flows_1(args)
    for spacing in args.spacing or [2.0, 1.25]:
        cells = Cells(*tee(spacing))
        flow = PhaseFlow(cells, WELL, 2.0, 5.0, True, WELL.steepest(0.28, 0.72))
        x, y = cells.points()
        decay(args, "1c", cells.shape[0], flow, start_1(x - 40.0, y, 0.01)[None])


def case_1d(args):
    """Spinodal decomposition on a sphere; --points is the largest degree of the harmonics."""
    flows_1(args)
    for degree in args.points or [128]:
        ball = Sphere(100.0, degree)
        flow = PhaseFlow(ball, WELL, 2.0, 5.0, True, WELL.steepest(0.28, 0.72))
        decay(args, "1d", degree, flow, start_sphere(*ball.points())[None])


def ripen(args, name, boundary):
    """Cases 2a and 2b."""
    flows_1(args)
    for points in args.points or [100, 200]:
        box = Box.of((200.0, 200.0), (points, points), boundary)
        x, y = box.points()
        fields = np.stack([start_1(x, y, 0.05), *(start_order(i, x, y) for i in range(1, 5))])
        decay(args, name, points, Ripening(box), fields)


def case_2a(args):
    """Ostwald ripening, periodic."""
    ripen(args, "2a", "periodic")


def case_2b(args):
    """Ostwald ripening, no flux."""
    ripen(args, "2b", "no_flux")


def fitted(sizes, errors):
    """Return the slope of log error against log size, over the errors in [1e-4, 5e-3] when three or more are."""
    sizes, errors = np.array(sizes), np.array(errors)
    used = (errors >= 1e-4) & (errors <= 5e-3)
    used = used if used.sum() >= 3 else np.full(errors.shape, True)
    return float(np.polyfit(np.log(sizes[used]), np.log(errors[used]), 1)[0]), int(used.sum())


def order(args, name, series):
    """Print errors along spacing or step and their order; two files with PFHub's columns."""
    head("series", "points", "steps", "L2 error", "order to the last", "processor s")
    for kind, used, pairs in series:
        sizes, errors = [], []
        for points, steps in pairs:
            begin = time.process_time()
            sizes.append(1.0 / points if kind == "space" else (args.until or 8.0) / steps)
            errors.append(used.error(points, steps, args.until or 8.0))
            since = np.log(errors[-1] / errors[-2]) / np.log(sizes[-1] / sizes[-2]) if errors[1:] else np.nan
            say(kind, points, steps, errors[-1], f"{since:.2f}", time.process_time() - begin)
        slope, count = fitted(sizes, errors)
        say(kind, "fitted", "", "", f"{slope:.3f} from {count} errors", "")
        columns, rows = ("mesh_size" if kind == "space" else "time_step", "L2_error"), zip(sizes, errors, strict=True)
        write(args.out, f"{name}_{'spatial' if kind == 'space' else 'temporal'}.csv", columns, rows)


def case_7a(args):
    """Manufactured wall: errors by differences in space, and by k^2 in time, and their orders."""
    wall, sharp = MovingWall(), MovingWall(difference=False)
    space = [(n, 400) for n in args.points or [128, 192, 256, 384]]
    order(args, "7a", [("space", wall, space), ("time", sharp, [(256, n) for n in (12, 16, 32, 64, 96, 256, 512)])])


def cost(args, name, wall, pairs):
    """Print cost against error; a file with PFHub's columns, memory in KB, cost at a clock of 2 GHz."""
    head("points", "steps", "L2 error", "wall s", "processor s", "peak of memory MB")
    rows = []
    for points, steps in pairs:
        begin, busy = time.perf_counter(), time.process_time()
        error = wall.error(points, steps, args.until or 8.0)
        spent, peak = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rows.append((1, spent, peak, error, spent * args.clock / 2.0))
        say(points, steps, error, spent, time.process_time() - busy, peak / 1024)
    write(args.out, f"{name}.csv", ("cores", "wall_time", "memory", "error", "cost"), rows)


def case_7b(args):
    """Thin wall: orders by differences in space and by k^2 in time; cost against error by k^2."""
    wall, sharp = MovingWall(gradient=1.5625e-6), MovingWall(gradient=1.5625e-6, difference=False)
    cost(args, "7b", sharp, [(n, n // 8) for n in args.points or [768, 1024, 1280, 1536, 2048]])
    space = [(n, 256) for n in (1024, 1536, 2048, 3072)]
    order(args, "7b", [("time", sharp, [(2048, n) for n in (32, 64, 128)]), ("space", wall, space)])


def case_7c(args):
    """Thin wall that shakes faster: the same."""
    wall, sharp = (MovingWall(gradient=1.5625e-6, frequency=0.5, difference=d) for d in (True, False))
    cost(args, "7c", sharp, [(n, n * n // 8192) for n in args.points or [768, 1024, 1280, 1536, 2048]])
    space = [(n, 384) for n in (1024, 1536, 2048)]
    order(args, "7c", [("time", sharp, [(2048, n) for n in (48, 64, 96, 128)]), ("space", wall, space)])


def case_8a(args):
    """One seed at 0.99, 1 and 1.01 of the critical radius; and the field at t = 200 against the finest grid."""
    drive, until = np.sqrt(2.0) / 30.0, args.until or 200.0
    head("points", "tolerance", "r0 / r*", "fraction t=0", "fraction at end", "energy at end", "L2 to finest", "wall s")
    grids, finals = args.points or [100, 200, 400], {}
    for tolerance in args.tolerance or [1e-4]:
        for points in reversed(grids):
            box = Box.of((100.0, 100.0), (points, points), "periodic")
            for number, ratio in enumerate((0.99, 1.0, 1.01), 1):
                begin = time.perf_counter()
                start = seed(box, np.array([50.0, 50.0]), ratio * critical_radius(drive))[None]
                run, rows = ExponentialSteps(nucleation_flow(box, drive), start, Tolerance(error=tolerance)), []
                for now in np.linspace(0.0, until, 101):
                    run.advance(now)
                    rows.append((now, float(run.means()[0]), run.energy))
                finest = finals.setdefault((tolerance, ratio), run.fields[0])
                away = run.fields[0] - finest[:: grids[-1] // points, :: grids[-1] // points]
                distance = float(np.sqrt(np.sum(away**2)) * 100.0 / points)
                say(
                    points, tolerance, ratio, rows[0][1], rows[-1][1], run.energy, distance, time.perf_counter() - begin
                )
                write(args.out, f"8a_{points}_data_{number}.csv", ("time", "fraction", "energy"), rows)
                x, y = (np.broadcast_to(line, box.shape).ravel() - 50.0 for line in box.points())
                phi = zip(x, y, run.fields[0].ravel(), strict=True)
                write(args.out, f"8a_{points}_phase_field_{number}.csv", ("x", "y", "phi"), phi)


def ensemble(args, name, length, points, seeds, appear, until):
    """Cases 8b and 8c: replicas, their Avrami exponents and the interval of the mean."""
    head("points", "tolerance", "replica", "Y at half time", "Y at end", "n (0.02 < Y < 0.9)", "steps", "wall s")
    for size in args.points or [points]:
        for tolerance in args.tolerance or [3e-4]:
            box, exponents = Box.of((length, length), (size, size), "periodic"), []
            for replica in range(args.replicas or 10):
                begin, rule = time.perf_counter(), Tolerance(error=tolerance, first=1e-2, longest=20.0)
                chance = np.random.default_rng([8, replica])
                told = transform(chance, box, DRIVE, seeds, 2.2, until, appear, 200, rule)
                exponents.append(avrami_exponent(told.times, told.fraction))
                rows, wall = told.rows(), time.perf_counter() - begin
                say(size, tolerance, replica, rows[100][1], rows[-1][1], exponents[-1], told.steps, wall)
                columns = ("time", "fraction", "energy", "particle_count")
                write(args.out, f"{name}_{size}_{tolerance:g}_data_{replica + 1}.csv", columns, rows)
                interval(exponents, size, tolerance)


def interval(exponents, size, tolerance):
    """Print the mean exponent and its 95 % interval by Student's t."""
    if len(exponents) >= 3:
        mean, error = float(np.mean(exponents)), float(scipy.stats.sem(exponents))
        wide = float(scipy.stats.t.ppf(0.975, len(exponents) - 1)) * error
        text = f"{mean:.4f} [{mean - wide:.4f}, {mean + wide:.4f}], sd {np.std(exponents, ddof=1):.4f}"
        say(size, tolerance, f"mean of {len(exponents)}", "", "", text, "", "")


def case_8b(args):
    """25 seeds at t = 0 on 500 x 500."""
    ensemble(args, "8b", 500.0, 400, 25, 0.0, args.until or 200.0)


def case_8c(args):
    """100 seeds at uniform times before 600 on 1000 x 1000; radius 2.2 as in its text, not 1.1 as in its formula."""
    ensemble(args, "8c", 1000.0, 640, 100, 600.0, args.until or 600.0)


def case_ratio(args):
    """Processor time of a step over that of its own bare transforms, in turn: waiting for others does not count."""
    head("case", "points", "transforms per step", "step ms", "bare ms", "median ratio", "quartiles")
    for points in args.points or [128, 200, 256, 512]:
        for boundary in ("periodic", "no_flux"):
            box = Box.of((points * 1.0, points * 1.0), (points, points), boundary)
            x, y = box.points()
            flow = PhaseFlow(box, WELL, 2.0, 5.0, True, WELL.steepest(0.28, 0.72))
            fields = np.stack([start_1(x, y, 0.05), *(start_order(i, x, y) for i in range(1, 5))])
            for name, model, start in (("1", flow, fields[:1]), ("2", Ripening(box), fields)):
                run = ExponentialSteps(model, start, Tolerance(first=0.1))
                run.try_step(0.1)
                pairs = np.array([one_pair(run, box, start) for _ in range(40)])
                low, middle, high = np.percentile(pairs[:, 0] / pairs[:, 1], [25, 50, 75])
                ours, bare = 1e3 * np.median(pairs, axis=0)
                say(
                    name + boundary,
                    points,
                    4 * len(start),
                    float(ours),
                    float(bare),
                    float(middle),
                    f"{low:.2f}-{high:.2f}",
                )


def one_pair(run, box, fields):
    """Return the processor seconds of one step and of its two pairs of transforms."""
    begin = time.process_time()
    run.try_step(0.1)
    middle = time.process_time()
    for _ in range(2):
        box.backward(box.forward(fields))
    return middle - begin, time.process_time() - middle


def case_3a(args):
    """Dendrite: solid area, energy and tip against time, the contour at the end."""
    until = args.until or 1500.0
    head("spacing", "courant", "t", "tip x", "tip x - tip y", "solid area", "energy", "heat drift", "processor s")
    for spacing in args.spacing or [1.2, 1.0, 0.8]:
        for courant in args.courant or [0.8]:
            crystal, rows, start = Dendrite(spacing=spacing, courant=courant), [], time.process_time()
            heat = crystal.summary()[2]
            for now in np.linspace(0.0, until, round(until / 10.0) + 1):
                crystal.advance(now)
                (x, y), (solid, energy, whole) = crystal.tips(0.5), crystal.summary()
                rows.append((now, solid / crystal.length**2, energy, x, solid))
                if now % 100.0 == 0.0 or now == until:
                    spent, drift = time.process_time() - start, f"{whole / heat - 1.0:.1e}"
                    say(spacing, courant, float(now), x, f"{x - y:.1e}", solid, energy, drift, spent)
            name = f"3a_{spacing:g}_{courant:g}"
            columns = ("time", "solid_fraction", "free_energy", "tip_position", "solid_area")
            write(args.out, f"{name}.csv", columns, rows)
            write(args.out, f"phase_field_1500_{name}.csv", ("x", "y"), crystal.contour())


CASES = {name.removeprefix("case_"): one for name, one in list(globals().items()) if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--case", choices=sorted(CASES), default="ratio", help="which one; by default the costs of steps"
    )
    parser.add_argument("--until", type=float, help="end of the run; default as stated")
    parser.add_argument("--tolerance", type=float, nargs="+", help="errors of a step, one run each")
    parser.add_argument("--points", type=int, nargs="+", help="points per edge, one run each")
    parser.add_argument("--spacing", type=float, nargs="+", help="spacings (1c, 3a), one run each")
    parser.add_argument("--courant", type=float, nargs="+", help="step over the stable one (3a)")
    parser.add_argument("--replicas", type=int, help="members of the ensemble (8b, 8c)")
    parser.add_argument("--clock", type=float, default=2.0, help="nominal GHz of a core, for PFHub's cost (7b, 7c)")
    parser.add_argument("--out", type=Path, default=Path("pfhub"), help="folder of the CSV files")
    args = parser.parse_args()
    CASES[args.case](args)


if __name__ == "__main__":
    main()
