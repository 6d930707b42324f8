"""How likely is failure, and how well do we know that?

`frequency` counts members and puts the band of what is not known round their frequency. Where failure is too rare to be
counted the other files look for it: `form` the point where it is most likely, `importance` samples round that point,
`subset` walks down in steps, `kriging` learns the border of failure. All of them ask for members in batches (`space`);
each answer is a `Found` with its own error, its failed members and what should be doubted about it. `unknown` puts many
of them, one per draw of what is not known, into one band; `envelope` does the same for whole distribution functions.
"""

from __future__ import annotations

from uqmsm.questions.reliability.envelope import envelope
from uqmsm.questions.reliability.form import form
from uqmsm.questions.reliability.found import Found
from uqmsm.questions.reliability.frequency import (
    FEWEST_DRAWS,
    FEWEST_INNER,
    Band,
    below,
    probability,
    probability_band,
)
from uqmsm.questions.reliability.importance import importance
from uqmsm.questions.reliability.kriging import MOST_PLACED, kriging
from uqmsm.questions.reliability.space import Points, Search, lockstep, solve
from uqmsm.questions.reliability.subset import subset
from uqmsm.questions.reliability.unknown import Unknown, over_unknown

__all__ = [
    "FEWEST_DRAWS",
    "FEWEST_INNER",
    "MOST_PLACED",
    "Band",
    "Found",
    "Points",
    "Search",
    "Unknown",
    "below",
    "envelope",
    "form",
    "importance",
    "kriging",
    "lockstep",
    "over_unknown",
    "probability",
    "probability_band",
    "solve",
    "subset",
]
