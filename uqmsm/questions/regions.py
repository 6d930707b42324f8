"""Which region of atoms should be computed next?

The same member (address) may be computed in several regions: discs, cores, clusters of different reach, the last of
which is the one whose mean is wanted. All of them are correlated, and they cost differently. The mean of the last is
estimated from whatever has been run by generalised least squares (D. Schaden and E. Ullmann, SIAM/ASA J. Uncertainty
Quantification 8, 601, 2020): with Psi = sum over runs of P' C^-1 P, P the regions a member was run in and C their
covariance, its variance is the last diagonal element of Psi^-1. The next run is the one that takes most off that
variance for its cost: a new member in some of the regions, or one that is there in some more. What the last region
itself lacks is a shift (`shift`), and none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.shift import FEWEST_PAIRS

__all__ = ["NextRun", "Regions", "chosen_runs"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class NextRun:
    """What to run next.

    Attributes
    ----------
    member
        Row of the member; the number of rows where it is a new one.
    regions
        Which regions to compute it in.
    gain
        Variance that this is expected to take off the mean of the last region.
    cost
        What it costs.
    """

    member: int
    regions: tuple[int, ...]
    gain: float
    cost: float


@dataclass(frozen=True)
class Regions:
    """What several regions have answered so far.

    Parameters
    ----------
    answers
        (members, regions), NaN where a member was not run in a region. Leave members out that failed in any region
        they were run in. The last region is the wanted one.
    costs
        (regions,) of one run.

    Raises
    ------
    StudyError
        With fewer than eight members, or fewer than regions + 3, that ran in all regions; with costs that are none.
    """

    answers: Floats
    costs: Floats

    def __post_init__(self) -> None:
        """Refuse what tells no covariance."""
        need = max(FEWEST_PAIRS, len(self.costs) + 3)
        if self.answers.ndim != 2 or self.answers.shape[1] != len(self.costs) or not np.all(self.costs > 0.0):
            raise StudyError(
                f"answers of shape {self.answers.shape} with {len(self.costs)} costs: give one column and one positive "
                "cost for each region"
            )
        if (full := int(np.isfinite(self.answers).all(axis=1).sum())) < need:
            raise StudyError(f"{full} members were run in all regions; a covariance of them needs {need}: run more")

    @cached_property
    def covariance(self) -> Floats:
        """Covariance (regions, regions) over the members that ran in all of them."""
        whole = self.answers[np.isfinite(self.answers).all(axis=1)]
        return np.atleast_2d(np.cov(whole, rowvar=False))

    @cached_property
    def groups(self) -> tuple[tuple[Bools, NDArray[np.int64]], ...]:
        """Members (rows) that were run in the same regions, and which regions (flags) those were."""
        there = np.isfinite(self.answers)
        codes = there @ (1 << np.arange(len(self.costs)))
        return tuple((there[codes == code][0], np.flatnonzero(codes == code)) for code in np.unique(codes) if code)

    @cached_property
    def information(self) -> Floats:
        """Psi, the inverse covariance of the means of all regions."""
        return np.asarray(sum(len(rows) * self._of(one) for one, rows in self.groups))

    def estimate(self) -> tuple[float, float]:
        """Return the mean of the last region and its standard error.

        The covariance is an estimate too: the error is widened as that of a regression on the other regions is.
        """
        right = np.zeros(len(self.costs))
        for one, rows in self.groups:
            right[one] += np.linalg.solve(self._covariance_of(one), self.answers[np.ix_(rows, one)].sum(axis=0))
        inverse = np.linalg.inv(self.information)
        full, others = sum(len(rows) for one, rows in self.groups if one.all()), len(self.costs) - 1
        widened = (full - 2.0) / (full - others - 2.0)
        return float(inverse[-1] @ right), float(np.sqrt(widened * inverse[-1, -1]))

    def next_run(self) -> NextRun:
        """Return the run with the largest expected fall of the variance for its cost."""
        before = float(np.linalg.inv(self.information)[-1, -1])
        best = NextRun(len(self.answers), (len(self.costs) - 1,), 0.0, float(self.costs[-1]))
        for member, had, more in self._possible():
            added = self._of(had | more) - (self._of(had) if had.any() else 0.0)
            gain = before - float(np.linalg.inv(self.information + added)[-1, -1])
            cost = float(self.costs[more].sum())
            if gain * best.cost > best.gain * cost:
                best = NextRun(member, tuple(np.flatnonzero(more).tolist()), gain, cost)
        return best

    def _possible(self) -> Iterator[tuple[int, Bools, Bools]]:
        """Yield a member, the regions it has been run in, and those that it could be run in besides."""
        known = [(int(rows[0]), one) for one, rows in self.groups]
        for member, had in [(len(self.answers), np.zeros(len(self.costs), dtype=np.bool_)), *known]:
            lacking = np.flatnonzero(~had)
            for size in range(1, len(lacking) + 1):
                for some in combinations(lacking, size):
                    more = np.zeros_like(had)
                    more[list(some)] = True
                    yield member, had, more

    def _covariance_of(self, pattern: Bools) -> Floats:
        return self.covariance[np.ix_(pattern, pattern)]

    def _of(self, pattern: Bools) -> Floats:
        """Return what one member run in some regions adds to Psi."""
        added = np.zeros((len(pattern), len(pattern)))
        added[np.ix_(pattern, pattern)] = np.linalg.inv(self._covariance_of(pattern))
        return added


def chosen_runs(
    run: Callable[[int, int], float],
    costs: Floats,
    target_se: float,
    *,
    pilot: int = 12,
    batch: int = 1,
    most: int = 10_000,
) -> tuple[Regions, float]:
    """Run members in regions, each time the run that promises most, until the mean of the last region is as sure.

    Parameters
    ----------
    run
        (member, region) -> answer.
    costs
        (regions,) of one run.
    target_se
        Standard error of the mean of the last region to be reached.
    pilot
        Members that are run in all regions first.
    batch
        New members of the chosen kind that are run before choosing again.
    most
        Choices after which to give up.

    Returns
    -------
    Regions, float
        What was run, and what it cost.

    Raises
    ------
    StudyError
        When `most` runs do not reach the target.
    """
    every = range(len(costs))
    found = Regions(np.array([[run(member, region) for region in every] for member in range(pilot)]), costs)
    spent = pilot * float(costs.sum())
    for _ in range(most):
        if found.estimate()[1] <= target_se:
            return found, spent
        chosen = found.next_run()
        new = batch if chosen.member == len(found.answers) else 0
        answers = np.concatenate([found.answers, np.full((new, len(costs)), np.nan)])
        for member in range(chosen.member, chosen.member + max(new, 1)):
            answers[member, list(chosen.regions)] = [run(member, region) for region in chosen.regions]
            spent += chosen.cost
        found = replace(found, answers=answers)
    raise StudyError(f"a standard error of {target_se:g} is not reached in {most} choices; ask for less, or allow more")
