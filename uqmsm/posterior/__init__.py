"""Laws learnt from data: prior, likelihood and data in, draws with their diagnostics out (the emcee door)."""

from __future__ import annotations

from uqmsm.posterior.conditional import Conditional, ConditionalDensity, Conditionals, conditionals
from uqmsm.posterior.judging import Diagnostics, Sampling, diagnose
from uqmsm.posterior.kept import Observed, Posterior, Row, keep
from uqmsm.posterior.sampling import Chains, Density, Whitening, sample

__all__ = [
    "Chains",
    "Conditional",
    "ConditionalDensity",
    "Conditionals",
    "Density",
    "Diagnostics",
    "Observed",
    "Posterior",
    "Row",
    "Sampling",
    "Whitening",
    "conditionals",
    "diagnose",
    "keep",
    "sample",
]
