"""Operators joined by ports into a graph: order, units, sources and a picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property

from uqmsm.errors import StudyError, UnitMismatch
from uqmsm.quantity import Port, conversion, offset
from uqmsm.stochastic import Operator, Source

__all__ = ["Chain", "Join", "Stage"]


@dataclass(frozen=True)
class Join:
    """One input of a stage, joined to an output before it; `factor` converts the unit."""

    stage: str
    port: str
    factor: float = 1.0


@dataclass(frozen=True)
class Stage:
    """An operator with its name in the chain.

    Parameters
    ----------
    name
        Unique in the chain; the first half of every label of its sources.
    operator
        Any object that satisfies `uqmsm.stochastic.Operator`.
    take
        Input port -> name of the stage to take it from; needed only where two stages give the same word.
    scale
        The word of the scale vocabulary, for people.
    """

    name: str
    operator: Operator
    take: Mapping[str, str] = field(default_factory=dict)
    scale: str = ""


@dataclass(frozen=True)
class Chain:
    """Stages in an order in which each takes only from those before it.

    Raises
    ------
    StudyError
        When names repeat, an input has no giver or several, or units do not fit (`UnitMismatch`).
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        """Join all ports at once, so that a chain that exists is a chain that fits."""
        names = [stage.name for stage in self.stages]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated or not names:
            raise StudyError(f"stage names must be unique and at least one; repeated: {repeated}; rename one of them")
        _ = self.joins

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the stage names in order."""
        return tuple(stage.name for stage in self.stages)

    def __getitem__(self, name: str) -> Stage:
        """Return the stage called `name`."""
        return self.stages[self.names.index(name)]

    @cached_property
    def joins(self) -> dict[str, dict[str, Join]]:
        """Return, per stage, where each input comes from."""
        return {stage.name: self._join(position, stage) for position, stage in enumerate(self.stages)}

    def _join(self, position: int, stage: Stage) -> dict[str, Join]:
        earlier = self.stages[:position]
        return {port.name: _giver(stage, port, earlier) for port in stage.operator.inputs}

    @cached_property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """Return, per stage, the stages it takes from, in chain order."""
        takes = {name: {join.stage for join in joins.values()} for name, joins in self.joins.items()}
        return {name: tuple(other for other in self.names if other in takes[name]) for name in self.names}

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Return every source of the chain in order, its stage filled in."""
        return tuple(source for name in self.names for source in self.own_sources[name])

    @cached_property
    def own_sources(self) -> dict[str, tuple[Source, ...]]:
        """Return, per stage, its own sources."""
        return {stage.name: _sources_of(stage) for stage in self.stages}

    @cached_property
    def ancestors(self) -> dict[str, tuple[str, ...]]:
        """Return, per stage, the labels of all sources its outcome depends on, in chain order."""
        found: dict[str, set[str]] = {}
        for name in self.names:
            own = {source.label for source in self.own_sources[name]}
            found[name] = own.union(*(found[parent] for parent in self.parents[name]))
        return {name: tuple(s.label for s in self.sources if s.label in found[name]) for name in self.names}

    def giver(self, port: str) -> tuple[str, Port]:
        """Return the last stage that gives `port` and the port itself; accepts ``stage.port`` too.

        Raises
        ------
        StudyError
            When no stage gives it.
        """
        wanted_stage, _, wanted = port.rpartition(".")
        for stage in reversed(self.stages):
            for output in stage.operator.outputs:
                if output.name == wanted and wanted_stage in {"", stage.name}:
                    return stage.name, output
        given = [output.name for stage in self.stages for output in stage.operator.outputs]
        raise StudyError(f"no stage gives {port!r}{_suggest(wanted, given)}; given are {', '.join(given)}")

    def replaced(self, name: str, operator: Operator) -> Chain:
        """Return the chain with the operator of one stage replaced (for refinements)."""
        return Chain(tuple(replace(s, operator=operator) if s.name == name else s for s in self.stages))

    def draw(self) -> str:
        """Return the chain as text: one line per stage with its sources, and what it hands on."""
        lines = []
        for stage in self.stages:
            marks = ", ".join(f"{s.name} ({s.kind})" for s in self.own_sources[stage.name]) or "no source of its own"
            scale = f" [{stage.scale}]" if stage.scale and stage.scale != stage.name else ""
            lines.append(f"{stage.name}{scale}: {marks}")
            takes = ", ".join(f"{join.port} from {join.stage}" for join in self.joins[stage.name].values())
            lines += [f"  takes {takes}"] if takes else []
            lines.append(f"  gives {', '.join(port.name for port in stage.operator.outputs)}")
        return "\n".join(lines)


def _suggest(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _giver(stage: Stage, port: Port, earlier: tuple[Stage, ...]) -> Join:
    givers = [(other.name, out) for other in earlier for out in other.operator.outputs if out.name == port.name]
    if port.name in stage.take:
        givers = [pair for pair in givers if pair[0] == stage.take[port.name]]
    if not givers:
        known = [out.name for other in earlier for out in other.operator.outputs]
        words = f" ({port.meaning})" if port.meaning else ""
        raise StudyError(
            f"stage {stage.name!r} takes {port.name!r} [{port.unit}]{words}, which no stage before it gives"
            f"{_suggest(port.name, known)}; add a stage that gives it, or move {stage.name!r} behind it"
        )
    if len(givers) > 1:
        raise StudyError(
            f"stage {stage.name!r} takes {port.name!r}, which {', '.join(name for name, _ in givers)} give; "
            f"write take: [{{port: {port.name}, from: {givers[-1][0]}}}]"
        )
    name, output = givers[0]
    try:
        factor = conversion(output.unit, port.unit)
    except UnitMismatch as fault:
        raise UnitMismatch(f"{name}.{output.name} does not fit {stage.name}.{port.name}: {fault}") from fault
    if zero := offset(output.unit, port.unit):
        raise UnitMismatch(
            f"{name}.{output.name} [{output.unit}] and {stage.name}.{port.name} [{port.unit}] count from different "
            f"zeros (0 {output.unit} is {zero:g} {port.unit}), and a join only scales; give both ports one unit"
        )
    if len(output.dims) != len(port.dims):  # names of dims are a stage's own words; sizes are known in the call
        raise UnitMismatch(
            f"{name}.{output.name} has dims {output.dims} where {stage.name}.{port.name} takes {port.dims}"
        )
    return Join(name, output.name, factor)


def _sources_of(stage: Stage) -> tuple[Source, ...]:
    sources = tuple(replace(source, stage=stage.name) for source in stage.operator.sources)
    names = [source.name for source in sources]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise StudyError(f"stage {stage.name!r} declares the source {repeated[0]!r} twice; rename one")
    return sources
