"""Closed, total and fair shares of groups of sources, from the rectangles of a design, row by row and net of noise.

Two kinds of dependence need care (`Source.given`). *Given some sources*: outcomes at one index are not comparable
across them, so only sets that hold all ancestors in law of their members have a closed share, and only sets that hold
all descendants in law have a total; between them differences are formed ("p given f" = C_fp - C_f). *Given all*: noise
that is rolled anew whenever anything upstream changes shows as interaction in every split that cuts its ancestry; its
own variance is the total of its own split, and is taken out of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.members.split import ALL, closure
from uqmsm.questions.rectangles import Moments, moments, ratio, replicates

__all__ = ["Shares", "Term"]

Floats = NDArray[np.float64]
Part = frozenset[str]


@dataclass(frozen=True)
class Term:
    """What one group of sources contributes, as replicates over rows (see `rectangles`).

    Parameters
    ----------
    alone, with_others
        Variances, in the units of the answer squared: the closed part, and its part of the interactions.
    first_order
        Closed share S = C_u/V, or None where it has no meaning.
    rest_share
        C_rest/V = 1 - T, or None where it has no meaning.
    reason
        Why something has no meaning, or what the line means in place of the usual.
    """

    alone: Floats
    with_others: Floats
    first_order: Floats | None
    rest_share: Floats | None
    reason: str = ""


class Shares:
    """The moments of every split of a design, as replicates over rows.

    Parameters
    ----------
    design
        Rows of rectangles.
    values
        One answer per member, shape (members,); NaN where the member failed. A rectangle with a missing corner is
        dropped, not its row.

    Raises
    ------
    StudyError
        When there is not one value per member, or a value is infinite.
    """

    def __init__(self, design: Design, values: Floats) -> None:
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (len(design.members),):
            raise StudyError(f"values of shape {values.shape} for {len(design.members)} members; give one per member")
        if np.isinf(values).any():
            raise StudyError(f"{int(np.isinf(values).sum())} answers are infinite; record such members as failed (NaN)")
        self.design, self.values = design, values
        self.everything: Part = frozenset(design.labels)
        self.given = {source.label: source.given for source in design.sources}
        per_row = [self._per_row(values[design.rectangles(split)]) for split in design.splits] or [self._pairs()]
        self._rows = [int(np.isfinite(split.V).sum()) for split in per_row]
        self._moments = [Moments(*(replicates(part) for part in split)) for split in per_row]

    @staticmethod
    def _per_row(corners: Floats) -> Moments:
        """Average the complete rectangles of each row: corners (rows, n, 4) -> moments (rows,)."""
        each = moments(corners)
        there = np.isfinite(each.V)
        count = there.sum(axis=1)
        sums = (np.where(there, part, 0.0).sum(axis=1) for part in each)
        return Moments(*(np.where(count > 0, total / np.maximum(count, 1), np.nan) for total in sums))

    def _pairs(self) -> Moments:
        """Moments of a chain with a single source: everything | nothing, from the pair (all a, all b)."""
        a, b = self.values.reshape(self.design.rows, -1)[:, :2].T
        return moments(np.stack([a, b, a, b], axis=-1))

    @cached_property
    def variance(self) -> Floats:
        """Variance of the answer as replicates: the mean of V over all splits, (rows + 1,)."""
        return np.asarray(np.mean([split.V for split in self._moments], axis=0))

    @property
    def varies(self) -> bool:
        """Whether the answer varies by more than rounding."""
        largest = float(np.max(np.abs(self.values), initial=0.0, where=np.isfinite(self.values)))
        return bool(self.variance[0] > (1e-12 * largest) ** 2)

    @cached_property
    def noise(self) -> dict[str, Floats]:
        """Variance of every noise given ``all``, last first, each net of the noises further down."""
        found: dict[str, Floats] = {}
        for source in reversed(self.design.sources):
            reach = frozenset(self.design.ancestors[source.stage])
            if ALL in source.given and reach != {source.label}:
                own = self._oriented(frozenset({source.label}))
                found[source.label] = own.C_u + own.I - sum(self._cut(frozenset({source.label}), found).values())
        return found

    def _cut(self, part: Part, noise: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the noises whose ancestry the split parts, so that all four corners roll them anew."""
        stage = {source.label: source.stage for source in self.design.sources}
        reach = {label: frozenset(self.design.ancestors[stage[label]]) for label in noise}
        return {label: noise[label] for label in noise if reach[label] & part and reach[label] - part}

    def _number(self, part: Part) -> tuple[int, bool]:
        found = self.design.find(part)
        if found is None:
            names = sorted(part)
            raise StudyError(f"no split parts {names} from the rest; ask for design.with_split('...', {names})")
        return found

    def _oriented(self, part: Part) -> Moments:
        """Return the raw moments of `part` | the rest."""
        number, first = self._number(part)
        raw = self._moments[number]
        return raw if first else Moments(raw.C_rest, raw.C_u, raw.I, raw.V)

    def net(self, part: Part) -> Moments:
        """Return the moments of `part` | the rest, re-rolled noise moved from the interaction to its owner.

        Raises
        ------
        StudyError
            When the design has no such split; the message names the design that has it.
        """
        if part in (frozenset(), self.everything):
            nothing = np.zeros_like(self.variance)
            sides = (self.variance, nothing) if part else (nothing, self.variance)
            return Moments(*sides, nothing, self.variance)
        raw, rest = self._oriented(part), self.everything - part
        cut = self._cut(part, self.noise)
        alone = next((label for label in cut if {label} in (part, rest)), None)
        others = {label: value for label, value in cut.items() if label != alone}
        C_u = raw.C_u + sum(value for label, value in others.items() if label in part)
        C_rest = raw.C_rest + sum(value for label, value in others.items() if label in rest)
        if alone is None:
            return Moments(C_u, C_rest, raw.I - sum(cut.values()), raw.V)
        # one side is nothing but the noise: its closed part and all the interaction are its own
        own = self.noise[alone]
        return Moments(own, C_rest, 0.0 * own, raw.V) if alone in part else Moments(C_u, own, 0.0 * own, raw.V)

    def rows(self, *parts: Part) -> int:
        """Return the number of rows with a complete rectangle, the least of the splits named."""
        split = [self._number(part)[0] for part in parts if part and part != self.everything]
        return min((self._rows[number] for number in split), default=min(self._rows))

    def closed(self, part: Part) -> Floats:
        """Return the closed share S of a set, normalised by the variance of its own split; 0 and 1 at the ends."""
        if part in (frozenset(), self.everything):
            return np.full_like(self.variance, float(bool(part)))
        own = self.net(part)
        return ratio(own.C_u, own.V)

    def known(self, part: Part) -> Part:
        """Return the set with all its ancestors in law."""
        return frozenset[str]().union(*(closure(label, self.given) for label in part))

    def increment(self, part: Part) -> Floats:
        """Return the variance that a set adds to what it is given, C(known) - C(known without the set)."""
        known = self.known(part)
        before = known - part
        if known == self.everything and before:
            own = self.net(before)
            return np.asarray(own.C_rest + own.I)
        return np.asarray(self.net(known).C_u - self.net(before).C_u)

    def dependents(self, part: Part) -> Part:
        """Return the sources outside a set that depend on it in law: then its total depends on the coupling."""
        return frozenset(label for label in self.everything - part if part & self.known(frozenset({label})))

    def terms(self, groups: Mapping[str, Part]) -> dict[str, Term]:
        """Return what each group contributes; the groups partition the sources.

        The sum of all `alone` and `with_others` is K. Divided by K they close to 100 %. K equals the variance where
        interactions join no more than two groups.
        """
        found: dict[str, Term] = {}
        for family in self._families(groups):
            single = len(family) == 1
            found.update(self._independent(family[0], groups) if single else self._dependent(family, groups))
        return {name: found[name] for name in groups}

    def _families(self, groups: Mapping[str, Part]) -> list[list[str]]:
        """Group the groups that depend on each other in law."""
        joined: list[tuple[list[str], Part]] = []
        for name, part in groups.items():
            near = [entry for entry in joined if entry[1] & self.known(part)]
            names = [*(n for entry in near for n in entry[0]), name]
            reach = self.known(part).union(*(entry[1] for entry in near))
            joined = [*(entry for entry in joined if not entry[1] & self.known(part)), (names, reach)]
        return [names for names, _ in joined]

    def _independent(self, name: str, groups: Mapping[str, Part]) -> dict[str, Term]:
        own = self.net(groups[name])
        rolled = [label for label in groups[name] if label in self.noise]
        if rolled and len(groups[name]) == 1:
            reason = "re-rolled by everything upstream: its line is its total, net of noise further down"
            return {name: Term(own.C_u, own.I / 2.0, None, ratio(own.C_rest, own.V), reason)}
        return {name: Term(own.C_u, own.I / 2.0, ratio(own.C_u, own.V), ratio(own.C_rest, own.V))}

    def _dependent(self, family: list[str], groups: Mapping[str, Part]) -> dict[str, Term]:
        """Terms of groups tied by `given`: increments, and equal parts of what the family shares with the others."""
        whole = frozenset[str]().union(*(groups[name] for name in family))
        alone = {name: self.increment(groups[name]) for name in family}
        own = self.net(whole) if whole != self.everything else None
        apart = np.sum(list(alone.values()), axis=0)
        shared = 0.0 * apart if own is None else (own.C_u + own.I / 2.0 - apart) / len(family)
        return {name: self._dependent_term(groups[name], alone[name], shared) for name in family}

    def _dependent_term(self, part: Part, alone: Floats, shared: Floats) -> Term:
        before, after = self.known(part) - part, self.dependents(part)
        own = self.net(part)
        said = []
        if before:
            said.append(f"given {', '.join(sorted(before))}: its first-order share depends on the coupling")
        if after:
            said.append(f"{', '.join(sorted(after))} depends on it in law: its total depends on the coupling")
        first = None if before else ratio(own.C_u, own.V)
        rest = None if after else ratio(own.C_rest, own.V)
        return Term(alone, np.asarray(shared), first, rest, "; ".join(said))
