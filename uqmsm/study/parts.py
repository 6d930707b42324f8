"""What a study is made of: the chain, what is asked of it, how many members, and where they run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.execution.limits import Limits
from uqmsm.quantity import Unit
from uqmsm.stochastic import Operator
from uqmsm.study.cluster import Cluster

__all__ = [
    "Ask", "Band", "Composition", "Members", "Method", "Refinement", "RunSettings", "SearchSize", "SizeAsk", "Study",
    "Until",
]  # fmt: skip

Method = Literal["frequency", "form", "importance", "subset", "kriging"]

FEWEST_ROWS = 8
"""Rows of a ledger (`attribute.FEWEST_ROWS`)."""
INTERVAL_ROWS = 16
"""Rows of ledger lines with intervals (`attribute.INTERVAL_ROWS`)."""
MOST_ROWS = 2**27
"""Rows that a design can have (`members.Design`)."""
_LEAST = 8
"""Epistemic draws of a band, and pairs of a shift (`reliability.FEWEST_DRAWS`, `shift.FEWEST_PAIRS`)."""


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise StudyError(message)


@dataclass(frozen=True)
class Ask:
    """One quantity that the study answers.

    Parameters
    ----------
    answer
        Name of a port of the chain, or ``stage.port``.
    unit
        Unit of the answer; that of the port if not given.
    below, above
        Threshold in the answer's unit (a text such as ``120 MPa`` in the file): the probability of falling below,
        or rising above, is answered too, or both. Its epistemic band needs `Members.band`.
    method
        How that probability is found. ``frequency`` counts the members of the design; the others ask for members of
        their own, `Members.search` many, and find what is too rare to be counted: ``subset`` walks down in levels,
        ``importance`` samples round the likeliest failure, ``kriging`` learns the border of failure, ``form`` takes it
        for a plane.
    ledger
        Whether to ask where its scatter comes from; ``false`` for a quantity that hardly scatters.
    least, most
        What the quantity cannot leave by its nature, in the answer's unit (a strength: ``least: 0 MPa``). Where members
        are missing, worst cases of mean, sd and shares rest on it; an answer beyond is refused.
    """

    answer: str
    unit: str | None = None
    below: float | None = None
    above: float | None = None
    ledger: bool = True
    least: float | None = None
    most: float | None = None
    method: Method = "frequency"

    @property
    def within(self) -> tuple[float, float]:
        """The range that the answer cannot leave, infinite where it is not known."""
        return (
            -math.inf if self.least is None else self.least,
            math.inf if self.most is None else self.most,
        )


@dataclass(frozen=True)
class SizeAsk:
    """How big a block must be for an error.

    Parameters
    ----------
    answer
        A port over blocks of several sizes, or ``stage.port``.
    error
        Relative, of one block against a very large one: bias and two standard deviations.
    """

    answer: str
    error: float


@dataclass(frozen=True)
class Band:
    """The nested design that gives a probability its epistemic band.

    Parameters
    ----------
    draws
        Epistemic draws, at least 8.
    inner
        Members for every epistemic draw, at least 50; what their number leaves behind is removed and printed.
    at_most
        Draws at most, where `Members.until` asks for the error of a probability.
    """

    draws: int
    inner: int
    at_most: int | None = None

    def __post_init__(self) -> None:
        """Refuse a design too small to carry a band."""
        _demand(
            self.draws >= _LEAST,
            f"draws = {self.draws} is too few; write {_LEAST} or more: with fewer there is no band",
        )
        _demand(
            self.inner >= 50,
            f"inner = {self.inner} is too few; write 50 or more: with fewer, inner chance drowns the band",
        )
        _demand(
            self.at_most is None or self.at_most >= self.draws,
            f"at_most = {self.at_most} is less than draws = {self.draws}; write {self.draws} or more, or remove it",
        )


@dataclass(frozen=True)
class SearchSize:
    """How many members a probability with a `method` other than ``frequency`` may ask for.

    Parameters
    ----------
    draws
        Draws of what is not known, each searched on its own; at least 8 give a band. A chain without epistemic sources
        has one.
    samples
        Members: per level and draw for ``subset``, of the sample for ``importance``, at most for ``kriging``.
    """

    draws: int = 16
    samples: int = 300

    def __post_init__(self) -> None:
        """Refuse a search that could find nothing."""
        _demand(self.draws >= 1, f"draws = {self.draws} is no number of draws; write 16 (8 is the least for a band)")
        _demand(self.draws <= 2**15, f"draws = {self.draws} is more than {2**15}, which have an address")
        _demand(self.samples >= 50, f"samples = {self.samples} is too few to search with; write 50 or more")


@dataclass(frozen=True)
class Until:
    """A standard error that is wanted: while it is not reached, the run adds members, in rounds.

    Parameters
    ----------
    answer
        One of the quantities asked for.
    se
        The standard error: in the unit of the answer (a text such as ``2 MPa`` in the file) for a mean, standard
        deviation or quantile; a number below 1 (``3%`` or 0.03) for a probability or a share.
    of
        Of what: ``mean``, ``sd``, ``quantile``, ``probability`` (of each threshold asked for) or ``ledger``.
    at
        Which quantile, between 0 and 1.
    line
        Which line of the ledger (a source, a stage or a kind); every share that is printed if not given.
    """

    answer: str
    se: float | str
    of: Literal["mean", "sd", "quantile", "probability", "ledger"] = "mean"
    at: Annotated[float | None, Unit("1")] = None
    line: str | None = None

    def __post_init__(self) -> None:
        """Refuse words that do not belong together."""
        _demand(
            (self.at is not None) == (self.of == "quantile"),
            "at says which quantile, of says that it is one; write  of: quantile, at: 0.05",
        )
        _demand(self.at is None or 0 < self.at < 1, f"at = {self.at} is no quantile; write a number between 0 and 1")
        _demand(
            self.line is None or self.of == "ledger",
            f"line = {self.line!r} is a line of the ledger, and of = {self.of!r}; write  of: ledger, or remove line",
        )


@dataclass(frozen=True)
class Members:
    """How many members: rows of 2x2 rectangles for the ledger, and the band's nested design.

    Parameters
    ----------
    rows
        Independent rows; fewer than 8 give no ledger and are refused, fewer than 16 give no line with an interval.
    band
        Nested design for the epistemic band of a probability; none if not given.
    search
        Size of the searches for rare failure; 16 draws of 300 if not given.
    target_se
        Standard error wanted on every printed share; the study ends with exit code 4 when it is missed.
    until
        Standard errors wanted; `rows` are then those of the first round (16 at least), and half as many again are
        added in each that follows, until all are reached or `at_most` or `budget` ends: then the exit code is 4.
    at_most
        Rows at most.
    budget
        Wall time (``2 h``): no round begins that would, at the pace so far, end later. How far one gets then depends
        on the machine; without a budget it does not.
    """

    rows: int = 32
    band: Band | None = None
    target_se: float = 0.05
    until: tuple[Until, ...] = ()
    at_most: int | None = None
    budget: Annotated[float | None, Unit("s")] = None
    search: SearchSize | None = None

    def __post_init__(self) -> None:
        """Refuse counts and errors that make no sense."""
        _demand(self.rows >= 1, f"rows = {self.rows} is no number of rows; write 32 (8 is the least for a ledger)")
        _demand(0 < self.target_se < 1, f"target_se = {self.target_se:g} lies outside 0 .. 1; write 0.05 for 5 points")
        for key in ("at_most", "budget") if not self.until else ():
            _demand(
                getattr(self, key) is None,
                f"{key} = {getattr(self, key)} ends rounds, and nothing asks for any; add until, or remove {key}",
            )
        _demand(
            not self.until or self.rows >= INTERVAL_ROWS,
            f"rows = {self.rows} is too few to judge an error by; write {INTERVAL_ROWS} or more with until",
        )
        _demand(
            self.at_most is None or self.rows <= self.at_most <= MOST_ROWS,
            f"at_most = {self.at_most} lies outside rows = {self.rows} .. {MOST_ROWS}; write a number between",
        )
        _demand(self.budget is None or self.budget > 0, f"budget = {self.budget} s is no time; write for example  2 h")


@dataclass(frozen=True)
class Refinement:
    """A finer numerical setting of one stage, run on paired addresses to measure a signed shift.

    Parameters
    ----------
    name
        The word for it in the report (mesh, cutoff, cell).
    stage
        Name of the stage.
    set
        Field of that stage's operator -> finer value.
    operator
        The refined operator.
    pairs
        Number of paired addresses, at least 8 and no more than there are rows.
    order
        Order of convergence, for Richardson's extrapolation; none if not given.
    ratio
        Factor, over 1, by which the numerical length is refined (3 when a step of 0.3 becomes 0.1); an order needs it.
    """

    name: str
    stage: str
    set: Mapping[str, Any]
    operator: Operator
    pairs: int = 8
    order: float | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        """Refuse a refinement that could not be measured."""
        _demand(self.pairs >= _LEAST, f"pairs = {self.pairs} is too few for a shift; write {_LEAST} or more")
        _demand(self.order is None or self.order > 0, f"order = {self.order} is no order; write a positive number")
        _demand(self.ratio is None or self.ratio > 1, f"ratio = {self.ratio} refines nothing; write a number over 1")
        _demand(
            self.order is None or self.ratio is not None,
            f"order = {self.order} needs the factor of refinement; write ratio: coarse / fine, a number over 1",
        )


@dataclass(frozen=True)
class Composition:
    """One more alloy of a study, a label of its members: the same addresses with another composition.

    Parameters
    ----------
    name
        The word for it in the results.
    stage
        Name of the stage that gives the composition.
    composition
        Atomic fractions of that stage's elements, or a law on the simplex; zeros leave elements out.
    operator
        That stage's operator with it.
    """

    name: str
    stage: str
    composition: Any
    operator: Operator


@dataclass(frozen=True)
class RunSettings:
    """Where the study runs, and how many failed members it bears.

    Parameters
    ----------
    workers
        Worker processes; as many as there are cores if not given, 0 for none beside the main process.
    cluster
        ``local``; the address of a Dask scheduler such as ``tls://host:8786``; a batch system and what to ask of it, as
        in ``slurm:debug,jobs=4,walltime=00:30:00``; or the same as a block.
    tolerate_failures
        Fraction of failed members (``2%`` or 0.02) above which the study ends with exit code 3.
    limits
        What one call may cost: time limits, retries of what the machine lost, and when stragglers are stopped.
    """

    workers: int | None = None
    cluster: Cluster = "local"
    tolerate_failures: Annotated[float, Unit("1")] = 0.02
    limits: Limits | None = None

    def __post_init__(self) -> None:
        """Refuse what no machine can do."""
        _demand(self.workers is None or self.workers >= 0, f"workers = {self.workers} cannot work; write 1 or more")
        _demand(
            0 <= self.tolerate_failures < 1,
            f"tolerate_failures = {self.tolerate_failures:g} is no fraction below 1; write 2% or 0.02",
        )


@dataclass(frozen=True)
class Study:
    """A whole study, checked: a `Study` that was loaded can start.

    Parameters
    ----------
    title
        One line for people.
    seed
        Seed of all chance.
    chain
        The stages, joined.
    ask
        What is answered.
    members, refinements, run
        How many, how fine, where.
    compositions
        Further alloys, each at the addresses of all members of the chain's own.
    sizes
        Questions of how big a block of grains must be.
    about
        Free text for the report.
    text
        The study file as run, overrides included.
    path
        The file it came from; modules of your own and data files lie beside it.
    """

    title: str
    seed: int
    chain: Chain
    ask: tuple[Ask, ...]
    members: Members = field(default_factory=Members)
    refinements: tuple[Refinement, ...] = ()
    run: RunSettings = field(default_factory=RunSettings)
    about: str = ""
    compositions: tuple[Composition, ...] = ()
    sizes: tuple[SizeAsk, ...] = ()
    text: str = field(default="", compare=False, repr=False)
    path: Path | None = field(default=None, compare=False)
