"""A study from its file to its report: plan it, run it, go on with it, let it grow, look at it."""

from __future__ import annotations

from uqmsm.conduct.extending import extend
from uqmsm.conduct.finishing import Finished
from uqmsm.conduct.overview import plan, report
from uqmsm.conduct.running import resume, run
from uqmsm.conduct.standing import newest, status

__all__ = ["Finished", "extend", "newest", "plan", "report", "resume", "run", "status"]
