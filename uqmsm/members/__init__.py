"""Which members a study runs: a member is one index per source, a design is a set of such addresses.

`Design` holds independent rows of 2x2 rectangles and feeds the variance ledger; `Nested` holds many inner members for
every epistemic draw and feeds the band of a probability; `Sought` holds what a search for rare failure asks for;
`union` merges designs so that equal addresses run once, and `grown` those of a run that had several sizes.
"""

from __future__ import annotations

from uqmsm.members.address import Address, Members, union
from uqmsm.members.design import LEVELS, Design
from uqmsm.members.growth import Size, grown
from uqmsm.members.nested import Nested
from uqmsm.members.sought import Sought, has_place
from uqmsm.members.split import Split, splits_of

__all__ = [
    "LEVELS",
    "Address",
    "Design",
    "Members",
    "Nested",
    "Size",
    "Sought",
    "Split",
    "grown",
    "has_place",
    "splits_of",
    "union",
]
