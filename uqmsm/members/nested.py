"""The nested design: many members of chance for every epistemic draw, as the band of a probability needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members.address import Address, Members
from uqmsm.members.design import LEVELS
from uqmsm.members.split import ALL, complete_ancestors
from uqmsm.stochastic import Kind, Source

__all__ = ["Nested"]

_FIRST = 2**31
_STRIDE = 2**16


@dataclass(frozen=True)
class Nested:
    """Draw k settles all that is not known; its inner members j roll all that is chance.

    The convention of indices, for ever: every epistemic source of draw k has the index ``16 k``, the level "a" of row k
    of a `Design`, so that both share their epistemic stage results. An aleatoric source of inner member j of draw k has
    the index ``2**31 + 2**16 k + j``: fresh for every (k, j), so that the inner noise of different draws is independent
    and can be removed without bias. More draws or more inner members change no address.

    Parameters
    ----------
    sources
        All sources of the chain, in chain order.
    draws
        Number of epistemic draws, at most 32768.
    inner
        Members per draw, at most 65536; a band wants 50 or more.
    numerical
        What the numerical sources do. ``"inner"``: fresh in every member, averaged out as chance is. ``"draw"``: fresh
        in every draw, so that they widen the band. ``"held"``: index 0 throughout, the answer of this one realisation.
        Noise given ``all`` is rolled with the member in any case.
    ancestors
        Stage -> labels of the sources it depends on; a linear chain when absent.
    """

    sources: tuple[Source, ...]
    draws: int
    inner: int
    numerical: Literal["inner", "draw", "held"] = "inner"
    ancestors: Mapping[str, Sequence[str]] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be addressed."""
        if not (0 <= self.draws <= 2**15 and 0 <= self.inner <= _STRIDE):
            raise StudyError(f"{self.draws} draws of {self.inner} members; at most {2**15} draws of {_STRIDE}")
        if self.numerical not in {"inner", "draw", "held"}:
            raise StudyError(f"numerical={self.numerical!r}; say 'inner', 'draw' or 'held'")
        complete_ancestors(self.sources, self.ancestors)

    @cached_property
    def members(self) -> Members:
        """The table of all members, draw by draw."""
        draw = np.repeat(np.arange(self.draws, dtype=np.int64), self.inner)
        member = np.tile(np.arange(self.inner, dtype=np.int64), self.draws)
        fresh, outer = _FIRST + _STRIDE * draw + member, LEVELS * draw
        columns = [self._column(source, fresh, outer) for source in self.sources]
        table = np.stack(columns, axis=1) if columns else np.empty((len(draw), 0), np.int64)
        return Members(tuple(source.label for source in self.sources), table)

    def _column(self, source: Source, fresh: NDArray[np.int64], outer: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of one source, one per member."""
        if source.kind is Kind.ALEATORIC or ALL in source.given:
            return fresh
        if source.kind is Kind.EPISTEMIC:
            return outer
        return {"inner": fresh, "draw": outer, "held": np.zeros_like(outer)}[self.numerical]

    @property
    def row_of_member(self) -> NDArray[np.int64]:
        """The draw of each member: the unit of independence, shape (members,)."""
        return np.repeat(np.arange(self.draws, dtype=np.int64), self.inner)

    def addresses(self) -> Iterator[Address]:
        """Iterate over the addresses of all members, draw by draw."""
        return iter(self.members)

    def arrange(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value per member as a table of shape (draws, inner)."""
        return np.asarray(values, dtype=np.float64).reshape(self.draws, self.inner)

    def calls(self) -> dict[str, int]:
        """Return the distinct calls of every stage after sharing."""
        return self.members.calls(complete_ancestors(self.sources, self.ancestors))

    def extend(self, draws: int, inner: int) -> Nested:
        """Return the design with more draws, more inner members, or both; existing addresses do not change.

        Raises
        ------
        StudyError
            When either would shrink.
        """
        if draws < self.draws or inner < self.inner:
            raise StudyError(f"cannot extend {self.draws} x {self.inner} to {draws} x {inner}: extending only adds")
        return replace(self, draws=draws, inner=inner)
