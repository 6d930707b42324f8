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

    With n independent draws of mean m and standard deviation s the next one is m + s sqrt(1 + 1/n) t, t of n - 1
    degrees of freedom (Gelman et al., Bayesian Data Analysis, 3rd ed., sect. 3.2). A table crosses potentials with
    crystals, and the next draw has a potential and a crystal of its own: its variance is that of three parts, read off
    the mean squares of rows, columns and rest, its degrees of freedom are Satterthwaite's (Biometrics Bull. 2, 110,
    1946). Draws that are all alike are taken as certain.

    Parameters
    ----------
    values
        (n,) draws, or (potentials, crystals); NaN where a draw was lost. A table with lost draws, or with one row or
        column, is taken as independent draws.
    limit
        To lie above.

    Raises
    ------
    StudyError
        With fewer than two draws.
    """
    table = np.asarray(values, dtype=np.float64)
    x = table[np.isfinite(table)]
    if len(x) < 2:
        raise StudyError("a probability over draws needs two of them at least; give a larger jury")
    crossed = table.ndim == 2 and min(table.shape) > 1 and len(x) == table.size
    variance, freedom = _next_of_table(table) if crossed else (x.var(ddof=1) * (1.0 + 1.0 / len(x)), len(x) - 1.0)
    scale = float(np.sqrt(variance))
    apart = limit - float(x.mean())
    if scale <= _LEAST * max(1.0, abs(limit)):
        return float(apart < 0.0)
    return float(stdtr(freedom, -apart / scale))


def _next_of_table(table: Floats) -> tuple[float, float]:
    """Return variance about the mean and degrees of freedom of a draw with a row and a column of its own."""
    rows, columns = table.shape
    of_rows, of_columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - of_rows[:, None] - of_columns + mean
    freedom = np.array([rows - 1, columns - 1, (rows - 1) * (columns - 1)], dtype=np.float64)
    squares = np.array([columns * of_rows.var() * rows, rows * of_columns.var() * columns, (rest**2).sum()]) / freedom
    weights = np.array([(1 + 1 / rows) / columns, (1 + 1 / columns) / rows, 0.0])
    weights[2] = 1 + 1 / table.size - weights.sum()
    parts = weights * squares
    # in a table of four the rest weighs negatively: no less than what rows and columns share out then
    variance = max(float(parts.sum()), float(parts[:2].max()))
    return variance, float(variance**2 / max(float((parts**2 / freedom).sum()), np.finfo(float).tiny))


def judge(
    eta: Floats, chi: Floats, acoustic: Floats, disagreement: Floats, lost: int, gradient: float, limits: Thresholds
) -> Verdict:
    """Turn the signs of a jury into probabilities.

    Parameters
    ----------
    eta, chi, acoustic
        (n,) or (potentials, crystals) of every draw, NaN where it found no rest; shares and ratios are judged by their
        logarithms.
    disagreement
        Of the same shape: signed deviations of softening from the committee's mean.
    lost
        Draws that found no rest at this strain: they count as acoustically unstable.
    gradient
        Of the element; the same for all draws.
    """
    n = int(np.isfinite(eta).sum())
    steep = float(gradient > limits.gradient)
    if n + lost == 0:  # nobody was asked, for there is no strain
        return Verdict(np.array([0.0, 0.0, 0.0, steep, 0.0]), np.array([np.nan, np.nan, np.nan, gradient, np.nan]))
    if n < 2:
        return Verdict(np.array([0.0, 0.0, 1.0, steep, 0.0]), np.array([np.nan, np.nan, -np.inf, gradient, np.nan]))
    unstable = chance_above(-acoustic, -limits.acoustic)
    spread = disagreement - np.nanmean(disagreement)
    chance = np.array(
        [
            chance_above(np.log(np.maximum(eta, _LEAST)), np.log(limits.eta)),
            chance_above(np.log(np.maximum(chi, _LEAST)), np.log(limits.chi)),
            (lost + n * unstable) / (n + lost),
            steep,
            min(1.0, chance_above(spread, limits.disagreement) + chance_above(-spread, limits.disagreement)),
        ]
    )
    size = float(np.nanmedian(np.abs(disagreement)))
    return Verdict(chance, np.array([np.nanmedian(eta), np.nanmedian(chi), np.nanmedian(acoustic), gradient, size]))


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
