"""The potential's line of every answer, split over pairs of elements, where the chain tells misfit volumes."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.conduct.answering import Answer, Plan, Values, answer_of
from uqmsm.errors import StudyError
from uqmsm.questions.attribute_pairs import pair_terms, shapley_of_changes
from uqmsm.questions.together import listed
from uqmsm.study import Study

__all__ = ["paired"]

Floats = NDArray[np.float64]
STIFFNESS = "stiffness"
_MODULI = ("C11", "C12", "C44")
_WORDS = {
    "answer": "quantity asked for",
    "part": "pair of elements, stiffness, or what neither explains",
    "source": "the source whose total line is split",
}


def paired(study: Study, chain: Chain, plan: Plan, outcomes: Values) -> dict[str, xr.Dataset]:
    """Return the group ``pairs``, dims (answer, part); nothing where the chain has no such stages or too few rows.

    Compared are members of a row that differ in the draw of the potential alone. What their draws change is told by the
    misfit volumes, pair by pair, and the elastic constants that the stage of the misfit volumes hands on.
    """
    found = _places(chain)
    if found is None:
        return {}
    label, crystal, alloy = found
    split = plan.design.find({label})
    if split is None:
        return {}
    corners = plan.design.rectangles(plan.design.splits[split[0]])[:, 0]
    # corners y00, y10, y01, y11: u alone changes between 00 and 10, and between 01 and 11; the rest, the other way
    first, second = ((0, 2), (1, 3)) if split[1] else ((0, 1), (2, 3))
    members = plan.rows[corners]

    def change(values: Floats) -> Floats:
        return np.asarray(values[members[:, second]] - values[members[:, first]])

    symbols = _symbols(outcomes.member_values(alloy, "elements"))
    if len(symbols) < 2:
        return {}
    terms = pair_terms(outcomes.member_values(alloy, "composition"), outcomes.member_values(crystal, "misfit_volumes"))
    moduli = np.stack([outcomes.member_values(crystal, name) for name in _MODULI], axis=-1)
    names = [f"{symbols[n]}-{symbols[m]}" for n, m in zip(*np.triu_indices(len(symbols), 1), strict=True)]
    changes = np.concatenate([change(terms), change(moduli)], axis=-1)
    groups = [*names, *[STIFFNESS] * len(_MODULI)]
    tables: list[xr.Dataset] = []
    left_out: list[str] = []
    for one in (answer_of(chain, ask, outcomes) for ask in study.ask):
        if not _depends(one, label):
            continue
        try:
            table = shapley_of_changes(change(one.values), changes, groups, sources=one.sources)
        except StudyError as fault:
            left_out.append(f"{one.name}: {fault}")  # nobody asked for it, so it is no shortfall of the run
            continue
        tables.append(table.expand_dims(answer=[one.name]).assign_coords(source=("answer", [label])))
    if not tables:
        return {}
    whole = xr.concat(tables, "answer", combine_attrs="override")
    for name in whole.coords:
        whole[name].attrs = {"units": "1", "long_name": _WORDS[str(name)], "sources": listed([label])}
    return {"pairs": whole.assign_attrs(left_out="; ".join(left_out))}


def _depends(one: Answer, label: str) -> bool:
    return one.ask.ledger and label in one.sources


def _places(chain: Chain) -> tuple[str, str, str] | None:
    """Return the potential's source, the stage of misfit volumes and moduli, and that of the composition."""
    try:
        giver = chain.giver("potential_parameters")[0]
        crystal = chain.giver("misfit_volumes")[0]
        alloy = chain.giver("composition")[0]
    except StudyError:
        return None
    own = [source.label for source in chain.own_sources[giver] if source.name == "parameters"]
    given = {port.name for port in chain[crystal].operator.outputs}
    return (own[0], crystal, alloy) if own and set(_MODULI) <= given else None


def _symbols(numbers: NDArray[np.int64]) -> list[str]:
    """Return the symbols of the alloy's elements, the same in every member that succeeded."""
    from ase.data import chemical_symbols

    there = numbers[np.isfinite(numbers).all(axis=-1)]
    return [chemical_symbols[int(number)] for number in there[0]] if len(there) else []
