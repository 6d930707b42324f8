"""Compute the first-principles reference set again, or what of it is still missing, and pack it.

    python studies/dft_reference/regenerate.py                 what the shipped table lacks, then pack it
    python studies/dft_reference/regenerate.py --again W       the cells of one element anew, whatever is shipped
    python studies/dft_reference/regenerate.py --pack-only     what was computed so far into the table

Interrupt at will: each cell is kept when it is done, and the next call goes on with the one after it. Needs GPAW:
apt-get install g++ libxc-dev libopenblas-dev, then CC=g++ pip install gpaw gpaw-data. One core, hours: see data/dft.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uqmsm import tables
from uqmsm.physics.dft import campaign
from uqmsm.physics.dft.calculations import Calculation, computed, run
from uqmsm.physics.dft.functionals import coefficients
from uqmsm.physics.dft.table import Row, read, write

HERE = Path(__file__).resolve().parent
TABLE = tables.path("dft") / "reference.nc"
FUNCTIONALS, SEED = 2000, 2012


def say(line: str) -> None:
    """Print a line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def pack(wanted: Sequence[Calculation], cache: Path) -> None:
    """Write the table: what is shipped, replaced and extended by what was computed, in the order of the campaign."""
    known = {row.calculation.key: row for row in read(TABLE).rows} if TABLE.exists() else {}
    versions: dict[str, str] = {}
    for calculation in wanted:
        result = computed(calculation, cache)
        if result is not None:
            known[calculation.key] = Row.of(calculation, result)
            versions |= result["versions"]
    order = {calculation.key: place for place, calculation in reversed(list(enumerate(wanted)))}
    rows = sorted((row for key, row in known.items() if key in order), key=lambda row: order[row.calculation.key])
    if not versions and TABLE.exists():
        versions = read(TABLE).facts["versions"]
    facts = {
        "title": "First-principles energies of bcc Mo, Nb, Ta, V, W and of small cells of their alloys",
        "licence": "BSD-3-Clause, as uqmsm; computed for it with GPAW, whose data sets for the cores are not contained",
        "versions": versions,
        "functionals": f"{FUNCTIONALS} draws, seed {SEED}: Wellendorff et al., Phys. Rev. B 85, 235149 (2012)",
        "regenerate": "studies/dft_reference/regenerate.py",
        "sources": "",
    }
    shifts = coefficients(FUNCTIONALS, np.random.default_rng(SEED))
    write(TABLE, rows, shifts, facts)
    say(f"{TABLE}: {len(rows)} of {len(order)} cells")


def main() -> None:
    """Run what is missing, then pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=HERE / "computed", help="folder of results, one file each")
    parser.add_argument("--again", nargs="*", default=[], metavar="MATERIAL", help="compute these even if shipped")
    parser.add_argument("--pack-only", action="store_true", help="compute nothing")
    chosen = parser.parse_args()
    wanted = campaign.everything()
    if not chosen.pack_only:
        shipped = {row.calculation.key for row in read(TABLE).rows} if TABLE.exists() else set()
        left = [one for one in wanted if one.key not in shipped or one.material in chosen.again]
        run(left, chosen.cache, say)
    pack(wanted, chosen.cache)


if __name__ == "__main__":
    main()
