"""What a posterior foretells of data that it has not seen, and how far prior and posterior overlap."""

from __future__ import annotations

import numpy as np
import xarray as xr

from uqmsm.report.digits import joined, number
from uqmsm.report.learnt_pictures import draw_places

__all__ = ["WEAK", "foretold", "overlaps", "weakly"]

WEAK = 0.35
"""Overlap of prior and posterior above which a parameter is called weakly identified (Garrett and Zeger 2000)."""


def overlaps(table: xr.Dataset | None) -> dict[str, float]:
    """Return parameter -> overlap of its prior and posterior, as the run has kept it; empty where it has not."""
    if table is None or "overlap" not in table or "parameter" not in table.coords:
        return {}
    found = zip(table["parameter"].values.tolist(), table["overlap"].values.tolist(), strict=True)
    return {str(name): float(value) for name, value in found}


def foretold(group: xr.Dataset | None, place: int) -> tuple[list[str], list[tuple[str, str]], list[dict[str, str]]]:
    """Return sentences, pictures and a table of data held out with their quantity; empty where the run kept none."""
    if group is None or "place" not in group or not group.sizes.get("datum"):
        return [], [], []
    quantities, where = group["quantity"].values.tolist(), group["place"].values
    k_hat, anew, trusted = (group[name].values for name in ("k_hat", "refitted", "trusted"))
    # runs of earlier versions have not kept it
    r_hat = group["r_hat"].values if "r_hat" in group else np.full(len(where), np.nan)
    inside, sure = np.abs(where - 0.5) <= 0.45, trusted.astype(bool)
    count, expected = int(inside[sure].sum()), number(0.9 * sure.sum(), 2)
    told = f"Of {sure.sum()} data {count} lie in the 90 % interval of a posterior that has not seen their quantity"
    text = [f"{told}; about {expected} are expected to."] if sure.any() else []
    rows: list[dict[str, str]] = []
    for name in dict.fromkeys(quantities):
        own = np.array([one == name for one in quantities])
        first = int(np.flatnonzero(own)[0])
        how = "sampled anew" if anew[first] else f"by weights, k-hat {number(float(k_hat[first]), 2)}"
        how += f", R-hat {r_hat[first]:.2f}" if np.isfinite(r_hat[first]) else ""
        how += "" if trusted[first] else ", not to be trusted"
        rows.append({
            "quantity": str(name),
            "inside": f"{int(inside[own].sum())} of {int(own.sum())}",
            "score": number(float(group["score"].values[first]), 3),
            "how": how,
        })  # fmt: skip
    unsure = [row["quantity"] for row in rows if "trusted" in row["how"]]
    late = [name for name in unsure if anew[quantities.index(name)]]
    doubtful = [name for name in unsure if name not in late]
    if late:
        text.append(
            f"Chains without {joined(late)} have not come together (R-hat of 1.05 or more); give  sampling  more "
            "blocks."
        )
    if doubtful:
        text.append(
            f"Without {joined(doubtful)} the posterior is another than weights on these draws can tell (k-hat of 0.7 "
            "or more); write  held_out: anew  in the law to have it sampled."
        )
    labels = [str(label) for label in group["datum"].values]
    picture = draw_places(list(zip(labels, where.tolist(), strict=True)), prefix=f"ph{place}")
    caption = "Where each datum lies in the law foretold for it, its own quantity unseen; the shaded band holds 90 %."
    return text, [(picture, caption)], rows


def weakly(found: dict[str, float]) -> str:
    """Return in words how many parameters are weakly identified; empty where no overlap is known."""
    weak = sum(one > WEAK for one in found.values())
    told = f"Prior and posterior overlap by more than {WEAK:g} in {weak} of {len(found)} parameters"
    return f"{told}: those are weakly identified." if found else ""
