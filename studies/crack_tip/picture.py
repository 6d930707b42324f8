"""Draw what a run of this study found at the tip, as an SVG picture.

``python picture.py RUN FILE`` after ``uqmsm run``. Left: how K-, K_G, K+ and the critical K are distributed over the
members, as shares that lie below. Right: the parts of the variance of the critical K, and the shifts that a larger disc
of atoms and smaller steps of the load bring.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import uqmsm
from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

Floats = NDArray[np.float64]

CURVES = {
    "crack_retreat_K": ("K\N{MINUS SIGN}", "s-numerical curve"),
    "crack_griffith_K": ("Griffith", "whisker"),
    "crack_start_K": ("K+", "s-aleatoric curve"),
    "crack_critical_K": ("critical", "s-epistemic curve"),
}


WORDS = {"radius": "a disc of 36 Å shifts it", "load_step": "quarter steps shift it"}


def curves(canvas: Canvas, found: dict[str, Floats]) -> None:
    """Draw the share of calls below each stress intensity."""
    everything = np.concatenate([*found.values()])
    low, high = float(everything.min()), float(everything.max())
    frame = Frame(60.0, 390.0, 44.0, 290.0, (low - 0.05 * (high - low), high + 0.05 * (high - low)), (0.0, 100.0))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 5)), "share of the members below [%]")
    for k, (name, values) in enumerate(found.items()):
        label, style = CURVES[name]
        at = np.sort(values)
        share = 100.0 * (np.arange(len(at)) + 0.5) / len(at)
        canvas.curve([(frame.px(float(x)), frame.py(float(y))) for x, y in zip(at, share, strict=True)], style)
        y = frame.py(44.0 - 11.0 * k)  # at the lower right no curve passes
        canvas.curve([(310.0, y - 4.0), (330.0, y - 4.0)], style)
        canvas.text(336.0, y, label, "mid", "start")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 6)), "stress intensity [MPa√m]")


def parts(canvas: Canvas, shares: dict[str, list[float]], shifts: dict[str, tuple[float, float]], sd: float) -> None:
    """Draw the fair shares of the three kinds with their 90 % intervals, and say what disc and steps cost."""
    frame = Frame(490.0, 740.0, 44.0, 230.0, (0.0, float(len(shares))), (0.0, 100.0))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 5)), "share of the variance of the critical K [%]")
    for k, (kind, (share, *ends)) in enumerate(shares.items()):
        x, y = frame.px(k + 0.2), frame.py(100.0 * max(share, 0.0))
        low, high = (frame.py(100.0 * min(max(end, 0.0), 1.0)) for end in ends)
        canvas.rect(x, y, frame.px(k + 0.8) - x, frame.bottom - y, f"k-{kind} pale")
        canvas.curve([(frame.px(k + 0.5), low), (frame.px(k + 0.5), high)], "whisker")
        canvas.text(frame.px(k + 0.5), frame.bottom + 18.0, kind, "mid", "middle")
    canvas.text(490.0, 268.0, f"standard deviation {sd:.3f} MPa√m", "mid", "start")
    for k, (name, (shift, se)) in enumerate(shifts.items()):
        canvas.text(490.0, 286.0 + 18.0 * k, f"{WORDS[name]} by {signed(shift)} ± {se:.3f}", "mid", "start")


def signed(number: float) -> str:
    """Return a number with its sign, a minus as wide as a plus."""
    return f"{number:+.3f}".replace("-", "\N{MINUS SIGN}")


def main() -> None:
    """Draw the run named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    tree = uqmsm.open(chosen.run)
    tips = tree["outcomes/crack"].to_dataset()
    found = {name: tips[name].to_numpy()[np.isfinite(tips[name].to_numpy())] for name in CURVES}
    ledger, shifts = tree["ledger"].sel(answer="crack_critical_K"), tree["shifts"].sel(answer="crack_critical_K")
    shares = {  # interactions parted fairly between those who interact; together they are the whole
        kind: [float(ledger[name].sel(line=kind)) for name in ("fair", "fair_lo", "fair_hi")]
        for kind in ("epistemic", "aleatoric", "numerical")
    }
    moved = {
        str(name): (float(shifts["shift"].sel(refinement=name)), float(shifts["shift_se"].sel(refinement=name)))
        for name in shifts["refinement"].to_numpy()
    }
    critical = found["crack_critical_K"]
    canvas = Canvas(780.0, 330.0, "crack-tip")
    curves(canvas, found)
    parts(canvas, shares, moved, float(np.std(critical, ddof=1)))
    words = (
        f"{len(critical)} tips of cracks in MoNbTaW: shares of them below each stress intensity, and the parts of the "
        f"variance of the critical one, whose mean is {critical.mean():.2f} MPa√m."
    )
    chosen.file.write_text(canvas.svg("What drives a crack on", words, standalone=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
