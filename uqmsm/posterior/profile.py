"""How firmly do data hold one parameter: its profile, the others doing their best, and whether it evaporates.

A parameter evaporates when, without a prior, the misfit stays below the threshold however far it is moved: its
posterior then ends only at a bound or not at all (Y. Kurniawan et al., J. Chem. Phys. 156, 214103 (2022)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["End", "Profile", "profile"]

Floats = NDArray[np.float64]
End = Literal["closed", "open", "wall"]
Residuals = Callable[[Floats], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Profile:
    """The profile of one parameter.

    Parameters
    ----------
    name
        The parameter.
    at, rise
        Where it was held, ascending, and by how much ``2 (smallest negative logarithm)`` rises there above its
        minimum, shape (points,).
    others
        The best values of all parameters there, shape (points, d).
    threshold
        The rise at which an interval ends: 3.84 gives 95 %, 2.71 gives 90 % (chi-squared with one degree).
    lower, upper
        Ends of the interval; infinite where it is open.
    below, above
        How it ends on each side: ``closed`` (the rise passes the threshold), ``open`` (it does not as far as was
        looked: the parameter evaporates), ``wall`` (beyond it there is no answer, no stable crystal for example).
    """

    name: str
    at: Floats
    rise: Floats
    others: Floats
    threshold: float
    lower: float
    upper: float
    below: End
    above: End

    @property
    def evaporates(self) -> bool:
        """Tell whether the data alone do not hold the parameter on at least one side."""
        return "open" in (self.below, self.above)

    def words(self) -> str:
        """Return the outcome in one line."""
        if self.evaporates:
            sides = [side for side, end in (("down", self.below), ("up", self.above)) if end == "open"]
            last = [f"{self.at[0 if side == 'down' else -1]:.4g}" for side in sides]
            risen = [f"{self.rise[0 if side == 'down' else -1]:.2g}" for side in sides]
            return (
                f"{self.name} evaporates {' and '.join(sides)}: held at {' and '.join(last)} the others make up for it "
                f"(rise {' and '.join(risen)} of {self.threshold:.3g})"
            )
        wall = [f"{end:.4g}" for end, how in ((self.lower, self.below), (self.upper, self.above)) if how == "wall"]
        return f"{self.name} is held between {self.lower:.4g} and {self.upper:.4g}" + (
            f"; at {' and '.join(wall)} by the end of what has an answer" if wall else ""
        )


def profile(
    residuals: Residuals,
    start: Floats,
    names: tuple[str, ...],
    name: str,
    *,
    step: float,
    most_steps: int = 40,
    threshold: float = 3.841,
    scale: Floats | None = None,
) -> Profile:
    """Return the profile of one parameter by least squares over the others, out from the minimum on both sides.

    Parameters
    ----------
    residuals
        ``residuals(point (d,)) -> (r (n,), dr (n, d))``: twice the negative logarithm is the sum of their squares.
        The prior is left out by leaving out its rows. Not finite where there is no answer.
    start
        Shape (d,), a point with an answer; the minimum is sought from here.
    names, name
        All parameters, and the one that is held.
    step, most_steps
        How far apart its values are, and how many there are at most on each side.
    threshold
        See `Profile`.
    scale
        Typical sizes of the parameters' moves, shape (d,); ones if None.

    Raises
    ------
    StudyError
        When the name is unknown or the start has no answer.
    """
    if name not in names:
        raise StudyError(f"profile of {name!r}: no such parameter; choose from {', '.join(names)}")
    if not np.isfinite(residuals(start)[0]).all():
        raise StudyError(f"profile of {name}: its starting point has no answer; start from a draw of the posterior")
    k = names.index(name)
    size = np.ones(len(names)) if scale is None else np.asarray(scale, dtype=np.float64)
    best, least = _minimum(residuals, start, np.ones(len(names), dtype=bool), size)
    held = np.arange(len(names)) != k
    ways = {}
    for sign in (-1, 1):
        rows, point, end = [], best, "open"
        for number in range(1, most_steps + 1):
            trial = point.copy()
            trial[k] = best[k] + sign * step * number
            if not np.isfinite(residuals(trial)[0]).all():
                end = "wall"
                break
            point, value = _minimum(residuals, trial, held, size)
            rows.append((point, value))
            if value - least > threshold:
                end = "closed"
                break
        ways[sign] = (rows, end)
    return _joined(name, k, (best, least), ways, threshold)


def _minimum(residuals: Residuals, start: Floats, free: NDArray[np.bool_], scale: Floats) -> tuple[Floats, float]:
    """Return the best point with some parameters free, and its sum of squares."""
    from scipy.optimize import least_squares

    if not free.any():
        return start, float((residuals(start)[0] ** 2).sum())

    def whole(z: Floats) -> Floats:
        point = start.copy()
        point[free] += scale[free] * z
        return point

    found = least_squares(
        lambda z: residuals(whole(z))[0],
        np.zeros(int(free.sum())),
        lambda z: residuals(whole(z))[1][:, free] * scale[free],
        xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=200,
    )  # fmt: skip
    return whole(found.x), 2.0 * float(found.cost)


def _joined(
    name: str,
    k: int,
    minimum: tuple[Floats, float],
    ways: dict[int, tuple[list[tuple[Floats, float]], str]],
    threshold: float,
) -> Profile:
    """Join both sides; a point below the supposed minimum is the minimum."""
    rows = [*reversed(ways[-1][0]), minimum, *ways[1][0]]
    others, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    rise, at = values - values.min(), others[:, k]
    middle = int(rise.argmin())
    ends: list[float] = []
    hows: list[End] = []
    for sign in (-1, 1):
        side = slice(middle, None, -1) if sign < 0 else slice(middle, None)
        x, y = at[side], rise[side]
        beyond = np.flatnonzero(y > threshold)
        if len(beyond):
            j = int(beyond[0])
            # in sqrt(rise), which is straight for a normal law
            low, high = np.sqrt(y[j - 1]), np.sqrt(y[j])
            ends.append(float(x[j - 1] + (x[j] - x[j - 1]) * (np.sqrt(threshold) - low) / (high - low)))
            hows.append("closed")
        else:
            wall = ways[sign][1] == "wall"
            ends.append(float(x[-1]) if wall else sign * np.inf)
            hows.append("wall" if wall else "open")
    return Profile(name, at, rise, others, threshold, ends[0], ends[1], hows[0], hows[1])
