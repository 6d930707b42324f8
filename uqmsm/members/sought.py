"""The members that a search for rare failure asks for: addresses like all others, some of whose indices are places.

The convention of indices, for ever, for draw k of what is not known: an epistemic source has the index ``16 k``, as in
`Nested` and in row k of a `Design`, so that their results are shared. A source with a place has the index of its
quantile (`streams.PLACES`): the address says where the member stands, whoever asked for it and why. Every other source
has the index ``2**32 (k + 1) + j``, j counting the draws that the search has asked for. An address is replayed, cached
and resumed like any other; a search that is begun again with the same seed asks for the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from uqmsm.chain import Chain
from uqmsm.errors import UqmsmError
from uqmsm.members.design import LEVELS
from uqmsm.stochastic import Kind, Source, laws_in
from uqmsm.streams import ORDINARY, Placed, places_of

__all__ = ["Sought", "has_place"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def has_place(operator: Any, source: Source) -> bool:
    """Tell whether a source is a law in a field of its operator that takes one uniform number, and no more."""
    found = laws_in(operator).get(source.name)
    if found is None or source.given:
        return False
    probe = Placed(source.label, 0.37)
    try:
        found[0].law.draw(probe)
    except (UqmsmError, AttributeError, TypeError, ValueError):
        return False
    return probe.spent


@dataclass(frozen=True)
class Sought:
    """The sources of an answer as a search sees them.

    Parameters
    ----------
    chain
        The chain, its laws learnt.
    answer
        Name of the port whose margin is searched; sources that it does not depend on stand still.
    """

    chain: Chain
    answer: str

    @cached_property
    def _own(self) -> tuple[Source, ...]:
        stage, _ = self.chain.giver(self.answer)
        upstream = set(self.chain.ancestors[stage])
        return tuple(source for source in self.chain.sources if source.label in upstream)

    @cached_property
    def placed(self) -> tuple[str, ...]:
        """Labels of the sources of chance (or of our numerics) with a place, in chain order."""
        return tuple(s.label for s in self._moving if has_place(self.chain[s.stage].operator, s))

    @cached_property
    def rolled(self) -> tuple[str, ...]:
        """Labels of the others, which can only be drawn afresh."""
        return tuple(s.label for s in self._moving if s.label not in set(self.placed))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Labels of what is not known: one index per draw."""
        return tuple(s.label for s in self._own if s.kind is Kind.EPISTEMIC and "all" not in s.given)

    @property
    def _moving(self) -> tuple[Source, ...]:
        still = set(self.unknown)
        return tuple(source for source in self._own if source.label not in still)

    def table(self, draws: Sequence[int] | Ints, normal: Floats, rolled: Ints) -> Ints:
        """Return addresses.

        Parameters
        ----------
        draws
            Draw of what is not known, shape (members,).
        normal
            Standard normal numbers of the placed sources, shape (members, placed).
        rolled
            Draws of the others, counted from 0, shape (members, rolled).

        Returns
        -------
        ndarray
            Shape (members, sources of the chain), in their order.
        """
        draw = np.asarray(draws, dtype=np.int64)
        columns = dict.fromkeys((source.label for source in self.chain.sources), np.zeros_like(draw))
        columns |= dict.fromkeys(self.unknown, LEVELS * draw)
        places = places_of(ndtr(normal))
        columns |= {label: places[:, k] for k, label in enumerate(self.placed)}
        columns |= {label: ORDINARY * (draw + 1) + rolled[:, k] for k, label in enumerate(self.rolled)}
        return np.stack(list(columns.values()), axis=1) if columns else np.empty((len(draw), 0), np.int64)
