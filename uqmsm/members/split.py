"""A split parts the sources in two, "these | the rest"; every question about shares is a question about splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from uqmsm.errors import StudyError
from uqmsm.stochastic import Kind, Source

__all__ = ["ALL", "By", "Split", "closure", "complete_ancestors", "distinct", "families", "splits_of"]

By = Literal["source", "stage", "kind"]
ALL = "all"
"""The word in `Source.given` for noise that is rolled anew whenever anything upstream changes."""


@dataclass(frozen=True)
class Split:
    """These sources | the rest.

    Parameters
    ----------
    name
        For people: a source, ``up to`` a stage, a kind, or a set of sources joined by ``+``.
    sources
        Labels on the first side.
    of
        What the split was asked for.
    """

    name: str
    sources: frozenset[str]
    of: By = "source"


def complete_ancestors(
    sources: Sequence[Source], ancestors: Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Return stage -> labels of the sources it depends on, in chain order; a linear chain when none are given.

    Raises
    ------
    StudyError
        When a label repeats, a source is not among the ancestors of its own stage, or `given` names no earlier source.
    """
    labels = [source.label for source in sources]
    if len(set(labels)) != len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        raise StudyError(f"sources {twice} occur twice; every source has its own name within its stage")
    if ancestors is None:
        stages = list(dict.fromkeys(source.stage for source in sources))
        found = {t: tuple(s.label for s in sources if stages.index(s.stage) <= k) for k, t in enumerate(stages)}
    else:
        found = {t: tuple(label for label in labels if label in set(seen)) for t, seen in ancestors.items()}
    for position, source in enumerate(sources):
        if source.label not in found.get(source.stage, ()):
            raise StudyError(f"source {source.label} is not among the ancestors of its own stage {source.stage!r}")
        unknown = [g for g in source.given if g != ALL and g not in labels[:position]]
        if unknown:
            raise StudyError(f"source {source.label} is given {unknown}, which do not come before it in the chain")
    _refuse_two_noises(sources)
    return found


def _refuse_two_noises(sources: Sequence[Source]) -> None:
    """One stage has at most one re-rolled noise: two would roll each other anew and could not be told apart."""
    noisy = [source.stage for source in sources if ALL in source.given]
    for stage in set(noisy):
        if noisy.count(stage) > 1:
            raise StudyError(f"stage {stage!r} declares two sources given 'all'; what rolls together is one source")


def closure(label: str, given: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the source and all its ancestors in law: the smallest set around it whose closed share has a meaning."""
    found, todo = {label}, [label]
    while todo:
        new = [parent for parent in given[todo.pop()] if parent != ALL and parent not in found]
        found.update(new)
        todo.extend(new)
    return frozenset(found)


def families(sources: Sequence[Source]) -> tuple[tuple[str, ...], ...]:
    """Return the sources grouped by `given`: an independent source is a family of its own, in chain order."""
    root = {source.label: source.label for source in sources}
    for source in sources:
        for parent in source.given:
            if parent != ALL:
                old, new = root[source.label], root[parent]
                root = {label: new if top == old else top for label, top in root.items()}
    tops = dict.fromkeys(root.values())
    return tuple(tuple(label for label in root if root[label] == top) for top in tops)


def _wanted(sources: Sequence[Source], stages: Sequence[str], by: Iterable[str]) -> list[Split]:
    """Return all splits that the lines need, duplicates included."""
    given = {source.label: source.given for source in sources}
    wanted: list[Split] = []
    if "source" in by:
        wanted += [Split(source.label, frozenset({source.label})) for source in sources]
        sets: list[frozenset[str]] = [frozenset(family) for family in families(sources)]
        for source in sources:
            sets += [closure(source.label, given), closure(source.label, given) - {source.label}]
        wanted += [Split("+".join(s.label for s in sources if s.label in part), part) for part in sets]
    if "stage" in by:
        for position, stage in enumerate(stages):
            upto = frozenset(source.label for source in sources if source.stage in stages[: position + 1])
            wanted.append(Split(f"up to {stage}", upto, "stage"))
    if "kind" in by:
        for kind in Kind:
            part = frozenset(source.label for source in sources if source.kind is kind)
            if part:
                known = frozenset[str]().union(*(closure(label, given) for label in part))
                wanted.append(Split(str(kind), part, "kind"))
                wanted += [Split(f"{kind} and what it is given", known, "kind")]
                wanted += [Split(f"what {kind} is given", known - part, "kind")]
    return wanted


def splits_of(
    sources: Sequence[Source], stages: Sequence[str], by: Iterable[str] = ("source", "stage", "kind")
) -> tuple[Split, ...]:
    """Return one split per source, stage prefix and kind (and per set that `given` needs), each partition once."""
    return distinct(_wanted(sources, stages, tuple(by)), frozenset(source.label for source in sources))


def distinct(wanted: Iterable[Split], everything: frozenset[str]) -> tuple[Split, ...]:
    """Return the splits with both sides occupied, the first of each partition; a complement is the same partition."""
    seen: set[frozenset[str]] = {frozenset(), everything}
    kept = []
    for split in wanted:
        if split.sources not in seen:
            kept.append(split)
            seen |= {split.sources, everything - split.sources}
    return tuple(kept)
