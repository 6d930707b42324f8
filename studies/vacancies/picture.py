"""Draw the picture of docs/defects.md from a run: ``python picture.py RUN docs/defects.svg``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import uqmsm

WIDTH, HEIGHT, TOP, BOTTOM, LEFT = 900, 380, 56, 46, 62
PANELS = (
    ("vacancy", "vacancy_formation_energies", "Vacancy formation energy, eV", (1.5, 4.5), 0.5),
    ("vacancy", "vacancy_migration_energies", "Barrier of a jump, eV", (0.0, 3.0), 0.5),
    ("surface", "surface_energies", "(110) surface energy, J/m\u00b2", (1.5, 3.0), 0.25),
)
STYLE = """
:root{--paper:#fdfdfb;--ink:#1e232b;--soft:#5d6673;--faint:#dcdfe3;--epistemic:#2a6cb0;--aleatoric:#df8a26}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e5e7ea;--soft:#9da5b0;--faint:#343a43;
--epistemic:#6ba6e4;--aleatoric:#eba656}}
svg{font:13px/1.2 system-ui,sans-serif;background:var(--paper)}text{fill:var(--ink)}.soft{fill:var(--soft)}
.grid{stroke:var(--faint)}.place{fill:var(--aleatoric);fill-opacity:.55}
.mean{stroke:var(--epistemic);stroke-width:3}
"""


def drawn(run: str) -> str:
    """Return the picture: in each panel one column of places for each draw of the potential, by rising mean."""
    tree = uqmsm.open(run)
    wide = (WIDTH - LEFT) / len(PANELS)
    parts = []
    for number, (stage, name, title, (low, high), step) in enumerate(PANELS):
        outcome = tree[f"outcomes/{stage}"].to_dataset()
        draws, values = outcome["potential.parameters"].values, outcome[name].values
        values = values / 1000 if stage == "surface" else values
        whole = np.isfinite(values).all(axis=1)
        columns = [values[(draws == draw) & whole].ravel() for draw in np.unique(draws[whole])]
        columns.sort(key=lambda column: column.mean())
        x0, x1 = LEFT + number * wide, LEFT + (number + 1) * wide - 46
        parts.append(f'<text x="{x0:.0f}" y="{TOP - 14}" font-weight="600">{title}</text>')

        def y(value: float, low: float = low, high: float = high) -> float:
            return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

        for tick in np.arange(low, high + step / 2, step):
            parts.append(f'<line class="grid" x1="{x0:.0f}" x2="{x1:.0f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
            parts.append(f'<text class="soft" x="{x0 - 8:.0f}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
        across = (x1 - x0) / len(columns)
        for k, column in enumerate(columns):
            x = x0 + (k + 0.5) * across
            parts += [f'<circle class="place" cx="{x:.1f}" cy="{y(v):.1f}" r="2"/>' for v in column if low < v < high]
            at = y(float(column.mean()))
            parts.append(f'<line class="mean" x1="{x - 2.5:.1f}" x2="{x + 2.5:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        within = np.sqrt(np.mean([column.var(ddof=1) for column in columns]))
        between = np.std([column.mean() for column in columns], ddof=1)
        words = f"places \u00b1 {within:.2f}, potentials \u00b1 {between:.2f}"
        parts.append(f'<text class="soft" x="{x0:.0f}" y="{HEIGHT - 18}">{words}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>Defect energies of '
        f"MoNbTaW over places and potentials</title><style>{STYLE}</style>"
        f'<text x="{LEFT}" y="20" class="soft">Each column is one draw of the potential; dots are places, the bar '
        "their mean.</text>"
    )
    return head + "".join(parts) + "</svg>\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(drawn(sys.argv[1]), encoding="utf-8")
