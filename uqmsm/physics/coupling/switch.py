"""When does a component need atoms? Signs that its law has failed, as probabilities, with a memory of where it stands.

Five signs are asked of an element (U = 1 + e its stretch; all without dimension):

- ``eta``: the largest share of affine stiffness that non-affine motion takes back, at this strain;
- ``chi``: non-affine motion over its elastic plateau;
- ``acoustic``: least eigenvalue of the acoustic tensor over that at rest;
- ``gradient``: change of strain over one lattice spacing, relative to the strain;
- ``disagreement``: stress over what the potential's own linear law says, and how far that lies from the mean of the
  committee, for the same atoms.

Each is a number for every draw of potential and alloy; what decides is the probability that it lies beyond its
threshold. An element becomes concurrent above one probability and hierarchical again below another, lower one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from uqmsm.errors import StudyError

__all__ = ["CRITERIA", "Change", "Switch", "Thresholds", "Verdict", "chance_above", "judge"]

Floats = NDArray[np.float64]

CRITERIA = ("eta", "chi", "acoustic", "gradient", "disagreement")
"""Their order wherever they are counted."""

_LEAST = 1e-12


@dataclass(frozen=True)
class Thresholds:
    """Beyond what a sign says that the hierarchical law has failed, and how sure one has to be.

    Parameters
    ----------
    eta, chi, gradient, disagreement
        Upper limits.
    acoustic
        Lower limit.
    enter, leave
        Probabilities above which an element becomes concurrent, and below which it is hierarchical again.
    """

    eta: float = 0.10
    chi: float = 3.0
    acoustic: float = 0.2
    gradient: float = 0.05
    disagreement: float = 0.05
    enter: float = 0.10
    leave: float = 0.02

    def __post_init__(self) -> None:
        """Refuse a memory that forgets."""
        if not 0.0 < self.leave <= self.enter < 1.0:
            raise StudyError(
                f"enter = {self.enter:g}, leave = {self.leave:g}: an element enters above one probability and leaves "
                "below a lower one; write  0 < leave <= enter < 1"
            )
        if min(self.eta, self.chi, self.gradient, self.disagreement) <= 0.0 or not self.acoustic < 1.0:
            raise StudyError("thresholds: limits must be positive, and that of acoustic below one; see the defaults")

    @property
    def limits(self) -> Floats:
        """(5,) in the order of `CRITERIA`."""
        return np.array([getattr(self, name) for name in CRITERIA])


@dataclass(frozen=True)
class Verdict:
    """What a jury of draws says of one strain.

    Attributes
    ----------
    chance
        (5,) probability that each sign lies beyond its threshold.
    value
        (5,) median of each sign over the draws.
    """

    chance: Floats
    value: Floats

    @property
    def leading(self) -> int:
        """The sign most likely beyond its threshold; among equals the first."""
        return int(np.argmax(self.chance))

    @property
    def worst(self) -> float:
        """Its probability."""
        return float(self.chance.max())


def chance_above(values: ArrayLike, limit: float) -> float:
    """Return the probability that the next draw lies above a limit, given some: Student's t, as for normal draws.

    With n draws of mean m and standard deviation s the next one is m + s sqrt(1 + 1/n) t, t of n - 1 degrees of freedom
    (Gelman et al., Bayesian Data Analysis, 3rd ed., sect. 3.2). Draws that are all alike are taken as certain.

    Raises
    ------
    StudyError
        With fewer than two draws.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        raise StudyError("a probability over draws needs two of them at least; give a larger jury")
    scale = float(x.std(ddof=1)) * np.sqrt(1.0 + 1.0 / len(x))
    apart = limit - float(x.mean())
    if scale <= _LEAST * max(1.0, abs(limit)):
        return float(apart < 0.0)
    return float(stdtr(len(x) - 1, -apart / scale))


def judge(
    eta: Floats, chi: Floats, acoustic: Floats, disagreement: Floats, lost: int, gradient: float, limits: Thresholds
) -> Verdict:
    """Turn the signs of a jury into probabilities.

    Parameters
    ----------
    eta, chi, acoustic
        (n,) of every draw that came to rest; shares and ratios are judged by their logarithms.
    disagreement
        (n,) signed deviations of softening from the committee's mean.
    lost
        Draws that found no rest at this strain: they count as acoustically unstable.
    gradient
        Of the element; the same for all draws.
    """
    n = len(eta)
    if n < 2:
        every = np.array([0.0, 0.0, 1.0, float(gradient > limits.gradient), 0.0])
        return Verdict(every, np.array([np.nan, np.nan, -np.inf, gradient, np.nan]))
    unstable = chance_above(-acoustic, -limits.acoustic)
    spread = disagreement - disagreement.mean()
    chance = np.array(
        [
            chance_above(np.log(np.maximum(eta, _LEAST)), np.log(limits.eta)),
            chance_above(np.log(np.maximum(chi, _LEAST)), np.log(limits.chi)),
            (lost + n * unstable) / (n + lost),
            float(gradient > limits.gradient),
            min(1.0, chance_above(spread, limits.disagreement) + chance_above(-spread, limits.disagreement)),
        ]
    )
    size = float(np.median(np.abs(disagreement)))
    return Verdict(chance, np.array([np.median(eta), np.median(chi), np.median(acoustic), gradient, size]))


@dataclass(frozen=True)
class Change:
    """One element that changed its scale, and why.

    Attributes
    ----------
    step, element
        When and where.
    entered
        Whether it became concurrent.
    criterion
        Name of the sign that decided.
    chance, value, limit
        Its probability of being beyond the threshold, its median, and the threshold.
    """

    step: int
    element: int
    entered: bool
    criterion: str
    chance: float
    value: float
    limit: float

    def __str__(self) -> str:
        """Say it in one line."""
        where = "becomes concurrent" if self.entered else "is hierarchical again"
        return (
            f"step {self.step}: element {self.element} {where}: {self.criterion} = {self.value:.3g} (limit "
            f"{self.limit:g}) is beyond with probability {self.chance:.3g}"
        )


@dataclass
class Switch:
    """Which elements are concurrent, and every change so far.

    Parameters
    ----------
    thresholds
        When elements change.
    zone
        Those that are concurrent.
    log
        Every change.
    """

    thresholds: Thresholds
    zone: set[int] = field(default_factory=set)
    log: list[Change] = field(default_factory=list)

    def enter(self, step: int, verdicts: Mapping[int, Verdict]) -> list[int]:
        """Let elements in whose probability exceeds the upper threshold; return the new ones, ascending."""
        limits = self.thresholds
        new = sorted(e for e, v in verdicts.items() if e not in self.zone and v.worst > limits.enter)
        for element in new:
            self._change(step, element, verdicts[element], entered=True)
        return new

    def leave(self, step: int, verdicts: Mapping[int, Verdict], marked: set[int]) -> list[int]:
        """Let elements go whose probability is below the lower threshold; return them, ascending.

        Parameters
        ----------
        step
            Of the load.
        verdicts
            Of the elements in the zone; one that was not asked has no reason to stay.
        marked
            Elements whose own atoms have rearranged: the virgin law would forget that, so they stay.
        """
        quiet = Verdict(np.zeros(len(CRITERIA)), np.zeros(len(CRITERIA)))
        gone = [e for e in sorted(self.zone - marked) if verdicts.get(e, quiet).worst < self.thresholds.leave]
        for element in gone:
            self._change(step, element, verdicts.get(element, quiet), entered=False)
        return gone

    def _change(self, step: int, element: int, verdict: Verdict, *, entered: bool) -> None:
        (self.zone.add if entered else self.zone.remove)(element)
        k = verdict.leading
        limit = float(self.thresholds.limits[k])
        found = Change(step, element, entered, CRITERIA[k], float(verdict.chance[k]), float(verdict.value[k]), limit)
        self.log.append(found)
