"""The colours and letters of the report, light and dark, shared by the page and by pictures that stand alone."""

from __future__ import annotations

__all__ = ["FIGURE_STYLE", "THEME"]

# Blue, orange and grey differ in lightness and on the blue-yellow axis: they stay apart in every common colour vision
# (after the palette of Okabe and Ito, 2008).
THEME = """
:root{--paper:#fdfdfb;--ink:#1e232b;--soft:#5d6673;--faint:#dcdfe3;--wash:#f4f3ef;
--epistemic:#2a6cb0;--aleatoric:#df8a26;--numerical:#868d97;--on-epistemic:#fff;--on-aleatoric:#241603;--on-numerical:#fff;
--good:#1f7a5c;--care:#a8690f;--bad:#b23a2a;--experiment:#1e232b}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e5e7ea;--soft:#9da5b0;--faint:#343a43;--wash:#1c2026;
--epistemic:#6ba6e4;--aleatoric:#eba656;--numerical:#8e959f;--on-epistemic:#08182a;--on-aleatoric:#241603;
--on-numerical:#101215;--good:#5cc19c;--care:#e2ad55;--bad:#ee8a78;--experiment:#f4f5f6}}
@media print{:root{--paper:#fff;--ink:#111;--soft:#444;--faint:#ccc;--wash:#f6f6f4;--epistemic:#2a6cb0;
--aleatoric:#df8a26;--numerical:#868d97;--on-epistemic:#fff;--on-aleatoric:#241603;--on-numerical:#fff;
--good:#1f7a5c;--care:#a8690f;--bad:#b23a2a;--experiment:#111}}
"""
"""Custom properties: every colour of page and pictures is one of these."""

_KINDS = "".join(
    f".k-{kind}{{fill:var(--{kind})}}.s-{kind}{{stroke:var(--{kind});fill:none}}.on-{kind}{{fill:var(--on-{kind})}}"
    for kind in ("epistemic", "aleatoric", "numerical")
)
FIGURE_STYLE = (
    "svg.fig{font:13px/1.2 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"
    "font-variant-numeric:tabular-nums;display:block;width:100%;height:auto}"
    "svg.fig text{fill:var(--ink)}"
    "svg.fig text.soft{fill:var(--soft)}svg.fig text.tiny{font-size:11px;fill:var(--soft)}"
    "svg.fig text.strong{font-weight:600}svg.fig text.mid{font-size:12px}"
    "svg.fig text.on-epistemic{fill:var(--on-epistemic);font-weight:600}"
    "svg.fig text.on-aleatoric{fill:var(--on-aleatoric);font-weight:600}"
    "svg.fig text.on-numerical{fill:var(--on-numerical);font-weight:600}"
    ".grid{stroke:var(--faint);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}"
    ".rule{stroke:var(--ink);stroke-width:1.5}.whisker{stroke:var(--ink);stroke-width:1.2;fill:none}"
    ".thin{stroke-width:.8}.dash{stroke-dasharray:4 3}.curve{stroke-width:2;stroke-linejoin:round}"
    ".band{opacity:.22}.pale{opacity:.45}.faintfill{fill:var(--faint)}.inkfill{fill:var(--ink)}.softfill{fill:var(--soft)}"
    ".hollow{fill:var(--paper);stroke:var(--ink);stroke-width:1.6}.paperfill{fill:var(--paper)}"
    ".c0{stroke:var(--epistemic)}.c1{stroke:var(--aleatoric)}.c2{stroke:var(--numerical)}.c3{stroke:var(--good)}"
    ".badfill{fill:var(--bad)}.trace{fill:none;stroke-width:.8;opacity:.8}" + _KINDS
)
"""Classes that pictures use; they need `THEME`."""
