"""From the outcomes of a study to its answered questions: spread, ledger, probability, shift, comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm import results
from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.members import Design, Members, Nested, union
from uqmsm.quantity import conversion
from uqmsm.questions.attribute import FEWEST_ROWS
from uqmsm.questions.ledgers import ledgers
from uqmsm.questions.propagate import spread
from uqmsm.questions.reliability import below, probability_band
from uqmsm.questions.shift import FEWEST_PAIRS, shift, shifts
from uqmsm.study import Ask, Study

__all__ = ["Plan", "Values", "answer_groups", "misses", "planned"]

Floats = NDArray[np.float64]


class Values(Protocol):
    """What this room needs of the outcomes: one value per member."""

    def member_values(self, stage: str, port: str) -> NDArray[Any]:
        """Return one value per member."""
        ...


@dataclass(frozen=True)
class Plan:
    """The members of a study: rows for the ledger, a nested part for the band, and where each lies in the table.

    Attributes
    ----------
    design
        Rows of rectangles.
    nested
        The nested design, or None.
    members
        Both merged, equal addresses once.
    rows, inner
        Member numbers of the two parts.
    pairs
        Member numbers of the first ("all a") member of every row: independent addresses for refinements.
    """

    design: Design
    nested: Nested | None
    members: Members
    rows: NDArray[np.int64]
    inner: NDArray[np.int64]

    @property
    def pairs(self) -> NDArray[np.int64]:
        """Return one member per row, independent of each other."""
        return self.rows[:: self.design.members_per_row]


def planned(study: Study) -> Plan:
    """Return the members that a study needs."""
    chain = study.chain
    design = Design.of(chain.sources, study.members.rows, ancestors=chain.ancestors)
    band = study.members.band
    if band is None:
        members, (rows,) = union(design.members)
        return Plan(design, None, members, rows, np.empty(0, np.int64))
    nested = Nested(chain.sources, band.draws, band.inner, ancestors=chain.ancestors)
    members, (rows, inner) = union(design.members, nested.members)
    return Plan(design, nested, members, rows, inner)


def _column(chain: Chain, ask: Ask, outcomes: Values) -> tuple[Floats, str]:
    """Return an answer per member in the unit asked for, and the unit."""
    stage, port = chain.giver(ask.answer)
    unit = ask.unit or port.unit
    values = np.asarray(outcomes.member_values(stage, port.name), dtype=np.float64)
    return values * conversion(port.unit, unit), unit


def answer_groups(
    study: Study, chain: Chain, plan: Plan, outcomes: Values, refined: Mapping[str, Values]
) -> dict[str, xr.Dataset]:
    """Answer everything a study asks.

    Parameters
    ----------
    study
        What is asked.
    chain
        The chain that was run.
    plan
        Its members.
    outcomes
        What they gave.
    refined
        Refinement -> outcomes of the members ``plan.pairs[:pairs]`` with the refined operator.

    Returns
    -------
    dict
        Group of the results tree -> dataset: answers, summary, ledger, probability, shifts.
    """
    found = {ask.answer: _column(chain, ask, outcomes) for ask in study.ask}
    groups = {
        "answers": results.answers(
            chain, {n: v for n, (v, _) in found.items()}, plan.members.table, {n: u for n, (_, u) in found.items()}
        ),
        "summary": _summary(found, plan),
    }
    in_rows = {name: values[plan.rows] for name, (values, _) in found.items()}
    if plan.design.rows >= FEWEST_ROWS and plan.design.splits:
        varying = {name: values for name, values in in_rows.items() if np.nanstd(values) > 0}
        if varying:
            groups["ledger"] = ledgers(plan.design, varying)
    if plan.nested is not None:
        bands = _bands(study, plan, found)
        if bands is not None:
            groups["probability"] = bands
    moved = _shifts(study, plan, found, refined, chain)
    if moved is not None:
        groups["shifts"] = moved
    return groups


def _summary(found: Mapping[str, tuple[Floats, str]], plan: Plan) -> xr.Dataset:
    parts = []
    for name, (values, unit) in found.items():
        try:
            part = spread(values[plan.rows], plan.design.row_of_member)
        except StudyError:
            continue  # fewer than three rows: there is no error to state, and `answers` holds the members
        one = part.dataset(unit).rename(quantiles="quantile_value", quantile="probability")
        one = one.rename({f"quantiles_{end}": f"quantile_{end}" for end in ("se", "lo", "hi")})
        one = one.assign(n_used=part.succeeded, n_of=part.members).drop_attrs(deep=False)
        units = {key: str(one[key].attrs.pop("units")) for key in one.data_vars if "units" in one[key].attrs}
        del units
        parts.append(one.expand_dims(answer=[name]).assign_coords(unit=("answer", [unit])))
    if not parts:
        return xr.Dataset()
    summary = xr.concat(parts, "answer", join="exact", combine_attrs="drop_conflicts")
    for key in summary.data_vars:
        summary[key].attrs.update(units="1" if key in {"n_used", "n_of"} else "as coordinate unit", sources="")
    return summary


def _events(ask: Ask, values: Floats) -> tuple[Floats, float, str] | None:
    if ask.below is not None:
        return below(values, ask.below), ask.below, "below"
    if ask.above is not None:
        return below(-values, -ask.above), ask.above, "above"
    return None


def _bands(study: Study, plan: Plan, found: Mapping[str, tuple[Floats, str]]) -> xr.Dataset | None:
    nested, parts = plan.nested, []
    if nested is None:
        return None
    for ask in study.ask:
        values, unit = found[ask.answer]
        event = _events(ask, values[plan.inner])
        if event is None:
            continue
        happened, limit, direction = event
        band = probability_band(nested.arrange(happened))
        one = band.dataset().drop_attrs(deep=False)
        coordinates = {"threshold": limit, "direction": direction, "unit": unit, "inner": nested.inner}
        one = one.expand_dims(answer=[ask.answer])
        parts.append(one.assign_coords({key: ("answer", [value]) for key, value in coordinates.items()}))
    if not parts:
        return None
    return xr.concat(parts, "answer", join="exact", combine_attrs="drop_conflicts")


def _shifts(
    study: Study, plan: Plan, found: Mapping[str, tuple[Floats, str]], refined: Mapping[str, Values], chain: Chain
) -> xr.Dataset | None:
    parts = []
    for ask in study.ask:
        values, unit = found[ask.answer]
        moved = []
        for refinement in study.refinements:
            fine, _ = _column(chain, ask, refined[refinement.name])
            coarse = values[plan.pairs[: len(fine)]]
            enough = (np.isfinite(coarse) & np.isfinite(fine)).sum() >= FEWEST_PAIRS
            if enough:
                moved.append(shift(coarse, fine, refinement.name, order=refinement.order))
        if moved:
            # members of a row share indices: the plain variance of all members would be too small
            variance = spread(values[plan.rows], plan.design.row_of_member).sd.value ** 2
            one = shifts(moved, unit, variance).drop_attrs(deep=False)
            parts.append(one.expand_dims(answer=[ask.answer]).assign_coords(unit=("answer", [unit])))
    if not parts:
        return None
    return xr.concat(parts, "answer", join="exact", combine_attrs="drop_conflicts")


def misses(ledger: xr.Dataset | None, target: float) -> list[str]:
    """Return the printed shares whose standard error exceeds the target, in words."""
    if ledger is None:
        return ["fewer rows than a ledger needs"]
    found = []
    for answer in ledger["answer"].values:
        one = ledger.sel(answer=answer)
        shown = one["verdict"].isin(["estimated", "bounded"]) & (one["of"] == "source")
        late = one["line"].values[(shown & (one["fair_se"] > target)).values]
        found += [f"share of {line} in {answer}: {float(one['fair_se'].sel(line=line)):.3f}" for line in late]
    return found
