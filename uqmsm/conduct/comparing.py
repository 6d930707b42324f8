"""The alloys of a study beside each other: answers, spread and ledger of each, and their differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import numpy as np
import xarray as xr

from uqmsm.chain import Chain
from uqmsm.conduct.answering import Answer, Plan, Values, answer_of, spread_of
from uqmsm.errors import StudyError
from uqmsm.questions.compare import differences, highest
from uqmsm.questions.ledgers import ledgers
from uqmsm.questions.together import listed, together
from uqmsm.study import Study
from uqmsm.study.compositions import own_name

__all__ = ["compared"]

T = TypeVar("T")
_WORDS = {"alloy": "alloy of the study, its own first", "element": "element of the alloys", "member": "member"}


def compared(
    study: Study, chain: Chain, plan: Plan, own: Values, others: Mapping[str, Values]
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Answer everything a study asks for each of its alloys, and compare them.

    Parameters
    ----------
    study, chain, plan
        What is asked, the chain that was run, its members.
    own, others
        What the members gave with the chain's own alloy, and with each further one (name -> outcomes).

    Returns
    -------
    groups
        ``compositions/answers``, ``/fractions``, ``/summary``, ``/ledger``, ``/difference_ledger`` (of each alloy minus
        the study's own), ``/differences``: as far as they could be answered, every one with the dimension `alloy`.
    complaints
        What could not, in words.
    """
    if not study.compositions:
        return {}, []
    giver = study.compositions[0].stage
    outcomes = {own_name(chain, giver): own, **others}
    found = {name: [answer_of(chain, ask, each) for ask in study.ask] for name, each in outcomes.items()}
    complaints: list[str] = []

    def tried(what: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except StudyError as fault:
            complaints.append(f"{what}: {fault}")
            return None

    labels = tuple(source.label for source in chain.sources)
    summaries, shares, moved = {}, {}, {}
    first = next(iter(found))
    for name, answers in found.items():
        parts = [tried(f"spread of {one.name} in {name}", partial(spread_of, one, plan)) for one in answers]
        summaries[name] = together([part for part in parts if part is not None], "answer", labels)
        shares[name] = tried(f"shares in {name}", partial(_shares, plan, answers, None))
        if name != first:
            moved[name] = tried(f"shares of {name} minus {first}", partial(_shares, plan, answers, found[first]))
    gaps = [
        tried(f"differences of {ask.answer}", partial(_differences, plan, [each[k] for each in found.values()], found))
        for k, ask in enumerate(study.ask)
    ]
    groups = {
        "answers": _answers(found, labels),
        "fractions": _fractions(chain, giver, outcomes, plan),
        "summary": _along(summaries),
        "ledger": _along(shares),
        "difference_ledger": _along(moved),
        "differences": together([gap for gap in gaps if gap is not None], "answer", labels),
    }
    return {f"compositions/{name}": _said(table) for name, table in groups.items() if table is not None}, complaints


def _shares(plan: Plan, answers: list[Answer], minus: list[Answer] | None) -> xr.Dataset | None:
    """Return the ledger of the answers that vary, or of what they have over others member by member."""
    able = {}
    for k, one in enumerate(answers):
        values = one.values[plan.rows] - (0.0 if minus is None else minus[k].values[plan.rows])
        there = values[np.isfinite(values)]
        if one.ask.ledger and there.size and np.std(there) > 1e-12 * np.max(np.abs(one.values[plan.rows])):
            able[one.name] = values
    if not able:
        return None
    # raw scale where alloys are subtracted: a difference has no logarithm
    table = ledgers(plan.design, able)
    return table.sel(answer=[name for name in table["answer"].values if str(name) in able])


def _differences(plan: Plan, each: list[Answer], found: Mapping[str, list[Answer]]) -> xr.Dataset:
    values = {name: one.values[plan.rows] for name, one in zip(found, each, strict=True)}
    row, one = plan.design.row_of_member, each[0]
    table = differences(values, row, one.unit, one.sources).merge(highest(values, row, one.sources))
    return table.drop_attrs(deep=False).expand_dims(answer=[one.name]).assign_coords(unit=("answer", [one.unit]))


def _answers(found: Mapping[str, list[Answer]], labels: tuple[str, ...]) -> xr.Dataset:
    variables = {}
    for k, one in enumerate(next(iter(found.values()))):
        about = {"units": one.unit, "long_name": f"{one.name} of every member of every alloy"}
        table = np.stack([each[k].values for each in found.values()])
        variables[one.name] = (("alloy", "member"), table, about | {"sources": listed(one.sources)})
    return xr.Dataset(variables, {"alloy": list(found)}, {"sources": listed(labels)})


def _fractions(chain: Chain, giver: str, outcomes: Mapping[str, Values], plan: Plan) -> xr.Dataset | None:
    """Return the mean composition of each alloy, by element."""
    elements = [str(one) for one in getattr(chain[giver].operator, "elements", ())]
    if not elements:
        return None
    mean = [np.nanmean(each.member_values(giver, "composition")[plan.rows], axis=0) for each in outcomes.values()]
    about = {"units": "1", "long_name": "mean atomic fraction", "sources": listed(chain.ancestors[giver])}
    return xr.Dataset(
        {"fraction": (("alloy", "element"), np.array(mean), about)}, {"alloy": list(outcomes), "element": elements}
    )


def _along(tables: Mapping[str, xr.Dataset | None]) -> xr.Dataset | None:
    """Return the tables of several alloys along `alloy`; what one of them lacks is NaN there."""
    there = {name: table for name, table in tables.items() if table is not None}
    if not there:
        return None
    attributes = {str(key): one.attrs for table in there.values() for key, one in table.variables.items()}
    # coordinates over `answer` or `line` may differ between alloys (members that failed): they are told per alloy
    bare = [table.reset_coords([key for key in table.coords if key not in table.dims]) for table in there.values()]
    alloys = xr.DataArray(list(there), dims="alloy", name="alloy")
    whole = xr.concat(bare, alloys, join="outer", data_vars="all", combine_attrs="drop")
    for key, one in whole.variables.items():
        one.attrs = dict(attributes.get(str(key), {}))
    return whole


def _said(table: xr.Dataset) -> xr.Dataset:
    """Give the coordinates of the comparison their meaning, where nobody did."""
    for name in table.coords:
        known = {"units": "1", "long_name": _WORDS.get(str(name), str(name)), "sources": "none"}
        table[name].attrs = known | table[name].attrs
    return table
