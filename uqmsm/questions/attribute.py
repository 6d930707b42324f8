"""Where does the uncertainty come from?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import kurtosis

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.lines import NONE, NUMBERS, Line, line_dataset, one_minus
from uqmsm.questions.rectangles import Estimate, jackknife, jackknife_correlation, ratio
from uqmsm.questions.scatter import Scale, rescale
from uqmsm.questions.shares import Shares, Term
from uqmsm.stochastic import Kind

__all__ = ["FEWEST_ROWS", "INTERVAL_ROWS", "Ledger", "Line"]

Floats = NDArray[np.float64]
By = Literal["source", "stage", "kind"]
FEWEST_ROWS = 8
"""Under so many complete rows there is no ledger."""
INTERVAL_ROWS = 16
"""Under so many complete rows there are no lines of sources and no intervals."""
_SMALL = 0.05


class Ledger:
    """The variance of one answer, split by source, by stage and by kind, each with its own estimator and error.

    Parameters
    ----------
    design
        Rows of rectangles.
    values
        The answer of every member, shape (members,); NaN where the member failed.
    scale
        ``"raw"``, ``"log"`` (shares of the scatter of log y) or ``"rank"`` (of the ranks of y); see `scatter`.
    level
        Nominal coverage of the intervals.

    Raises
    ------
    StudyError
        When values and design do not fit, or the scale does not fit the values.
    """

    def __init__(self, design: Design, values: Floats, *, scale: Scale = "raw", level: float = 0.9) -> None:
        self.design, self.scale, self.level = design, scale, level
        self.shares = Shares(design, rescale(values, scale))
        self.failed = int(np.isnan(self.shares.values).sum())
        self.rows = self.shares.rows()

    # --- the contributions, as replicates ------------------------------------------------------------------------

    @cached_property
    def source_terms(self) -> dict[str, Term]:
        """Source label -> its contribution."""
        return self.shares.terms({label: frozenset({label}) for label in self.design.labels})

    @cached_property
    def kinds(self) -> dict[str, frozenset[str]]:
        """Kind -> the labels of its sources, kinds without sources left out."""
        parts = {str(k): frozenset(s.label for s in self.design.sources if s.kind is k) for k in Kind}
        return {name: part for name, part in parts.items() if part}

    @cached_property
    def _kind_terms(self) -> dict[str, Term]:
        return self.shares.terms(self.kinds)

    @staticmethod
    def _whole(terms: Mapping[str, Term]) -> Floats:
        """Return K, the sum of all contributions."""
        return np.asarray(sum(term.alone + term.with_others for term in terms.values()))

    # --- lines -----------------------------------------------------------------------------------------------------

    def _correlation(self, theta: Floats | None) -> Estimate:
        return NONE if theta is None else jackknife_correlation(theta, self.level)

    def _line(self, name: str, of: str, terms: Mapping[str, Term], rows: int) -> Line:
        """Return the line of a source, a kind or a merged set."""
        term, whole = terms[name], self._whole(terms)
        source = {source.label: source for source in self.design.sources}.get(name)
        stage, kind = (source.stage, str(source.kind)) if source else ("", name if of == "kind" else "")
        numbers = (
            self._correlation(ratio(term.alone, whole)),
            jackknife(ratio(term.with_others, whole), self.level),
            self._correlation(ratio(term.alone + term.with_others, whole)),
            self._correlation(term.first_order),
            one_minus(self._correlation(term.rest_share)),
        )
        return self._judged(Line(name, of, stage, kind, *numbers, rows, "", term.reason))

    def _stage_line(self, position: int) -> Line:
        """Return what a stage adds to all before it; first order and total are those of everything up to it."""
        stage = self.design.stages[position]
        upto = frozenset(s.label for s in self.design.sources if s.stage in self.design.stages[: position + 1])
        before = upto - {source.label for source in self.design.sources if source.stage == stage}
        step = self.shares.closed(upto) - self.shares.closed(before)
        added = (jackknife if before else jackknife_correlation)(step, self.level)
        own = self.shares.net(upto)
        total = None if self.shares.dependents(upto) else ratio(own.C_rest, own.V)
        numbers = (added, jackknife(0.0 * step, self.level), added)
        prefix = (self._correlation(self.shares.closed(upto)), one_minus(self._correlation(total)))
        reason = f"adds to what came before; first order and total are those of everything up to {stage}"
        rows = self.shares.rows(upto, before)
        return self._judged(Line(stage, "stage", stage, "", *numbers, *prefix, rows, "", reason))

    def _judged(self, line: Line) -> Line:
        """Return the line with its verdict; what may not be said is taken out."""
        numbers = {name: getattr(line, name) for name in NUMBERS}
        verdict, reason = self._verdict(line)
        if not self.shares.varies or line.rows < FEWEST_ROWS:
            numbers = dict.fromkeys(NUMBERS, NONE)
        elif line.rows < INTERVAL_ROWS:
            none = line.of == "source"
            bare = {name: Estimate(each.value, each.se, np.nan, np.nan, np.nan) for name, each in numbers.items()}
            numbers = dict.fromkeys(NUMBERS, NONE) if none else bare
        text = "; ".join(part for part in (reason, line.reason) if part)
        return Line(line.name, line.of, line.stage, line.kind, **numbers, rows=line.rows, verdict=verdict, reason=text)

    def _verdict(self, line: Line) -> tuple[str, str]:
        if line.rows < FEWEST_ROWS:
            return "refused", f"{line.rows} complete rows, a ledger needs {FEWEST_ROWS}: extend the run"
        if not self.shares.varies:
            return "refused", "the answer does not vary over the members"
        if line.rows < INTERVAL_ROWS:
            what = "lines of sources need" if line.of == "source" else "indicative: an interval needs"
            return "refused", f"{what} {INTERVAL_ROWS} complete rows, there are {line.rows}: extend the run"
        if not np.isfinite(line.fair.se):
            return "refused", "a single row carries all the scatter: extend the run"
        if line.of == "source" and line.total.hi < _SMALL:
            return "merged", f"total under {100 * line.total.hi:.1f} %: shown among the others"
        if line.fair.half_width < max(_SMALL, line.fair.value / 2.0):
            return "estimated", ""
        return "bounded", f"under {100 * line.fair.hi:.0f} %"

    def list_lines(self, by: By = "source") -> list[Line]:
        """Return the lines of all sources, stages or kinds, in chain order.

        Raises
        ------
        StudyError
            When the design lacks a split that the lines need; the message names it.
        """
        if by == "stage":
            return [self._stage_line(position) for position in range(len(self.design.stages))]
        if by == "kind":
            terms, parts = self._kind_terms, self.kinds
        elif by == "source":
            terms, parts = self.source_terms, {label: frozenset({label}) for label in self.design.labels}
        else:
            raise StudyError(f"lines by {by!r}; say 'source', 'stage' or 'kind'")
        lines = [self._line(name, by, terms, self.shares.rows(part)) for name, part in parts.items()]
        return lines + self._others(lines) if by == "source" else lines

    def _others(self, lines: list[Line]) -> list[Line]:
        """Return the line of the merged sources: a split of its own, beside the sum, never a sum of estimates."""
        small = [frozenset({line.name}) for line in lines if line.verdict == "merged"]
        free = [one for one in small if self.shares.known(one) == one and not self.shares.dependents(one)]
        merged = frozenset[str]().union(*free)
        if len(merged) < 2 or merged == frozenset(self.design.labels):
            return []
        name = " + ".join(label for label in self.design.labels if label in merged)
        if self.design.find(merged) is None:
            reason = f"no split among these members, and a sum of estimates is none (Design.with_split); {name}"
            none = (NONE, NONE, NONE, NONE, NONE)
            return [Line("others", "merged", "", "", *none, 0, "refused", reason)]
        groups = {label: frozenset({label}) for label in self.design.labels if label not in merged}
        terms = self.shares.terms({**groups, "others": merged})
        line = self._line("others", "merged", terms, self.shares.rows(merged))
        return [replace(line, reason="; ".join(part for part in (name, line.reason) if part))]

    def lines(self, by: By = "source") -> xr.Dataset:
        """Return the lines as a dataset over the dimension `line`: every share with its error, rows and verdict."""
        total = len(self.shares.values)
        counts = {"scale": self.scale, "members": f"{total - self.failed} of {total}"}
        return line_dataset(self.list_lines(by), self.level, self.design.labels).assign_attrs(counts)

    def _attributes(self, long_name: str) -> dict[str, str]:
        return {"units": "1", "long_name": long_name, "sources": ", ".join(self.design.labels)}

    # --- the sums ----------------------------------------------------------------------------------------------------

    def _fraction_replicates(self) -> dict[str, Floats]:
        """Return the closed share of every kind and the interaction between kinds: they sum to exactly 1.

        All are normalised by the sum K over the kinds, not each by its own split: then the interaction is half the sum
        of the interactions of the kinds, exactly zero where the answer is additive, and the errors are smaller. An
        interaction of all three kinds at once would be counted one and a half times, and the sum with it.
        """
        whole = self._whole(self._kind_terms)
        found = {str(kind): 0.0 * whole for kind in Kind}
        found.update({kind: ratio(term.alone, whole) for kind, term in self._kind_terms.items()})
        found["interaction"] = ratio(np.sum([term.with_others for term in self._kind_terms.values()], axis=0), whole)
        return found

    def fractions(self) -> xr.Dataset:
        """Return the closed shares of the kinds, their interaction, the law of total variance, and kappa = K/V.

        Below eight complete rows everything is NaN, below sixteen there are no limits. The interaction is a remainder:
        its interval covers 73-85 % in place of 90 % where interactions or tails are strong.
        """
        theta = self._fraction_replicates()
        found = {f"{kind}_fraction": self._correlation(theta[str(kind)]) for kind in Kind}
        found["interaction_fraction"] = jackknife(theta["interaction"], self.level)
        epistemic = self.kinds.get("epistemic", frozenset())
        closed = self.shares.known(epistemic) == epistemic
        between = found["epistemic_fraction"] if closed else NONE
        found |= {"between_fraction": between, "within_fraction": one_minus(between)}
        found["kappa"] = jackknife(ratio(self._whole(self.source_terms), self.shares.variance), self.level)
        return xr.Dataset(
            {key: ((), value, self._attributes(text)) for key, value, text in self._fraction_items(found)}
        )

    def _fraction_items(self, found: Mapping[str, Estimate]) -> list[tuple[str, float, str]]:
        few, none = self.rows < INTERVAL_ROWS, self.rows < FEWEST_ROWS or not self.shares.varies
        texts = {
            "interaction_fraction": "interaction between kinds (interval of lower confidence)",
            "between_fraction": "variance of the mean over what is not known (epistemic outside)",
            "within_fraction": "mean of the variance given what is not known (epistemic outside)",
            "kappa": "K/V: 1 without interactions of three or more sources",
        }
        items = []
        for name, each in found.items():
            text = texts.get(name, f"closed share of the {name.removesuffix('_fraction')} sources")
            limits = (np.nan, np.nan) if few else (each.lo, each.hi)
            numbers = (each.value, each.se, *limits)
            for ending, value in zip(("", "_se", "_lo", "_hi"), numbers, strict=True):
                items.append((name + ending, np.nan if none else value, text))
        return items

    def checks(self) -> xr.Dataset:
        """Return, per source, what should be looked at before its line is believed.

        Variables over `line`: `ratio` = S/T (1: comparable and additive; near 0: it acts only through others, or its
        outcome at one index means something else for every ancestor); `given` as declared; `advice`. Scalars:
        `kurtosis` of the answer, `failed` members.
        """
        rows = []
        for line in self.list_lines("source"):
            if line.of == "source":
                quotient = line.first_order.value / line.total.value if line.total.value > 0.0 else np.nan
                rows.append(
                    (line.name, quotient, " ".join(self.shares.given[line.name]), _advice(line, self.shares.given))
                )
        names, ratios, given, advice = (list(column) for column in zip(*rows, strict=True))
        there = self.shares.values[np.isfinite(self.shares.values)]
        tails = float(kurtosis(there, fisher=False)) if len(there) > 1 and np.ptp(there) > 0.0 else np.nan
        found = {
            "ratio": ("line", ratios, self._attributes("first-order over total share")),
            "given": ("line", given, self._attributes("sources across which its outcomes are not comparable")),
            "advice": ("line", advice, self._attributes("what to do")),
            "kurtosis": ((), tails, self._attributes("kurtosis of the answer, 3 if Gaussian")),
            "failed": ((), self.failed, self._attributes("failed members")),
        }
        return xr.Dataset(found, {"line": names})


def _advice(line: Line, given: Mapping[str, tuple[str, ...]]) -> str:
    """Return the next action where S is near zero though T is not, and nothing was declared."""
    S, T = line.first_order, line.total
    if given[line.name] or not (S.lo < _SMALL < T.lo and S.value < 0.2 * T.value):
        return ""
    return "acts only through others: run check(operator); if its outcome jumps, declare `given`"
