"""Which run next: the rows that reach a target, and every share that misses it."""

from __future__ import annotations

import numpy as np
import pytest
from exact_chains import CHAIN, LINEAR

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.allocate import rows_needed, shortfalls
from uqmsm.questions.ledgers import ledgers


def _table(rows: int, seed: int = 3):
    design = Design.of(CHAIN, rows)
    return ledgers(design, {"y": LINEAR.values(design.members, seed)})


def test_rows_grow_with_the_square_of_the_error() -> None:
    assert rows_needed(32, 0.10, 0.05) == 128
    assert rows_needed(32, 0.01, 0.05) == 16
    for rows, se, target in ((0, 0.1, 0.05), (32, np.nan, 0.05), (32, 0.1, 0.0)):
        with pytest.raises(StudyError, match="positive"):
            rows_needed(rows, se, target)


def test_the_rows_said_to_be_needed_are_enough() -> None:
    """The worst error of 32 rows, to be halved: the rows named reach 1.3 of the target in the mean of 20 studies.

    One worst error scatters by some 20 %, the mean of 20 by 5 %: 1.3 is five standard deviations. Negative control: the
    rows of the pilot miss it.
    """
    worst = [_worst(_table(32, seed)) for seed in range(20)]
    target = float(np.mean(worst)) / 2.0
    need = rows_needed(32, float(np.mean(worst)), target)
    assert np.mean([_worst(_table(need, seed)) for seed in range(20)]) < 1.3 * target
    assert np.mean(worst) > 1.3 * target


def _worst(table) -> float:
    shown = table["verdict"].isin(["estimated", "bounded"])
    return float(table["fair_se"].where(shown).max())


@pytest.mark.parametrize("of", ["source", "stage", "kind"])
def test_every_printed_line_is_judged(of: str) -> None:
    """One error made too large, or lost, on one line of each sort is enough to miss the target."""
    table = _table(256)
    assert shortfalls(table, 256, 0.2) == []
    number = int(np.flatnonzero((table["of"].values == of) & (table["verdict"].values[0] == "estimated"))[0])
    name = str(table["line"].values[number])
    for se, advice in ((0.4, "uqmsm extend RUN --members 1024"), (np.nan, "uqmsm extend RUN --members 512")):
        worse = table.copy(deep=True)
        worse["fair_se"][0, number] = se
        (said,) = shortfalls(worse, 256, 0.2)
        assert name in said
        assert advice in said


@pytest.mark.parametrize("key", ["aleatoric", "epistemic", "numerical", "interaction"])
def test_every_fraction_is_judged(key: str) -> None:
    table = _table(256)
    table[f"{key}_fraction_se"][0] = 0.4
    (said,) = shortfalls(table, 256, 0.2)
    assert key in said


@pytest.mark.parametrize(("rows", "words"), [(7, "7 complete rows"), (12, "16 complete rows, there are 12")])
def test_shares_that_were_refused_are_told(rows: int, words: str) -> None:
    assert any(words in said for said in shortfalls(_table(rows), rows, 0.9))


def test_the_event_failed_is_not_judged() -> None:
    design = Design.of(CHAIN, 256)
    values = LINEAR.values(design.members, 3)
    values[5] = np.nan
    table = ledgers(design, {"y": values})
    assert "refused" in table["verdict"].sel(answer="y failed").values
    assert shortfalls(table, 256, 0.2) == []
