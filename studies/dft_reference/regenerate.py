"""Compute the first-principles reference set again, or go on where it was interrupted."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from uqmsm.physics.dft import campaign
from uqmsm.physics.dft.calculations import run

HERE = Path(__file__).resolve().parent


def say(line: str) -> None:
    """Print a line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=HERE / "computed", help="folder of results, one file each")
    parser.add_argument("--elements", nargs="+", default=["W", "Nb", "Mo", "Ta", "V"])
    chosen = parser.parse_args()
    run(campaign.everything(tuple(chosen.elements)) + campaign.checks(), chosen.cache, say)


if __name__ == "__main__":
    main()
