"""Draw the pictures of docs/failure.md: ``python picture.py RUN_OF_THE_DISC RUN_WITH_A_BAND docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import uqmsm
from uqmsm.report.rare_pictures import draw_envelope, draw_rare


def rare(run: str) -> str:
    """Return the probability of first yield, draw by draw of what is not known."""
    one = uqmsm.open(run)["reliability"].to_dataset().isel(event=0)
    draws = {key: one[f"draw_{key}"].values for key in ("probability", "lo", "hi")}
    band = (float(one["band"].sel(quantile=0.05)), float(one["band"].sel(quantile=0.95)))
    title = "probability that a flight makes the disc yield"
    return draw_rare(draws, float(one["probability"]), band, title=title, prefix="d", standalone=True)


def box(run: str) -> str:
    """Return the p-box of the first answer of a run with a band."""
    one = uqmsm.open(run)["envelope"].to_dataset().isel(answer=0)
    unit = str(one["unit"].item())
    return draw_envelope(one, str(one["answer"].item()), "" if unit == "1" else unit, prefix="b", standalone=True)


if __name__ == "__main__":
    place = Path(sys.argv[3])
    (place / "failure-probability.svg").write_text(rare(sys.argv[1]) + "\n", encoding="utf-8")
    (place / "failure-box.svg").write_text(box(sys.argv[2]) + "\n", encoding="utf-8")
