"""Interactions of a regular solution from a thermodynamic assessment, with the error that assessments do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

__all__ = ["AssessedInteractions"]


@dataclass(frozen=True)
class AssessedInteractions:
    """Interaction parameters of a phase of a TDB file, each with a normal error about its assessment.

    Parameters
    ----------
    elements
        Chemical symbols.
    database
        The TDB file, beside the study.
    phase
        Its phase with one sublattice of atoms, for example BCC_A2.
    temperature
        Where the parameters, which may depend on it, are evaluated.
    error
        Standard deviation of an interaction about its assessment: a judgement, for files hold none.
    left_out
        Largest parameter of higher order or of three elements that may be left out. A regular solution has no place
        for them; larger ones are refused.
    """

    elements: tuple[str, ...]
    database: Path
    phase: str
    temperature: Annotated[Uncertain, Unit("K")]
    error: Annotated[float, Unit("kJ/mol")] = 3.0
    left_out: Annotated[float, Unit("kJ/mol")] = 0.0

    def __post_init__(self) -> None:
        """Refuse elements that are none and widths that are none."""
        if len(set(self.elements)) != len(self.elements) or len(self.elements) < 2:
            raise StudyError(f"elements {', '.join(self.elements)}: give two or more, each once")
        if not (self.error >= 0 and self.left_out >= 0):
            raise StudyError(f"error = {self.error:g}, left_out = {self.left_out:g}: write 0 or more")
        if not self.database.is_file():
            raise StudyError(f"database: there is no file {self.database}; put it beside the study")

    @property
    def inputs(self) -> Ports:
        """Nothing: an assessment is where this chain begins."""
        return ()

    @property
    def outputs(self) -> Ports:
        """The table of the regular solution."""
        words = "interaction of a regular solution; above zero unlike neighbours repel"
        return (Port("interactions", "kJ/mol", ("component", "component_"), words),)

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the assessment leaves open."""
        words = "error of assessed interactions, of each pair by itself"
        return (*law_sources(self), Source("assessment", Kind.EPISTEMIC, long_name=words))

    def requirements(self) -> tuple[str, ...]:
        """Return the engine that reads the file."""
        return ("pycalphad",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.05

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "pycalphad: R. Otis, Z.-K. Liu, J. Open Res. Softw. 5, 1 (2017)",
            "excess energies: O. Redlich, A. T. Kister, Ind. Eng. Chem. 40, 345 (1948)",
        )

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Draw one table about the assessment."""
        from uqmsm.physics.phasefield.calphad import assessed

        found = assessed(self.database, self.phase, self.elements, settled(self.temperature))
        large = {name: value for name, value in found.beyond_J_per_mol.items() if abs(value) > 1e3 * self.left_out}
        if large:
            told = ", ".join(f"{name} = {1e-3 * value:.3g} kJ/mol" for name, value in large.items())
            raise StudyError(
                f"{self.database.name}: {self.phase} is no regular solution: {told}; write  left_out: "
                f"{1e-3 * max(map(abs, large.values())):.3g} kJ/mol  or more to leave them out, and an error as large"
            )
        if found.absent:
            raise StudyError(
                f"{self.database.name}: {self.phase} says nothing of {', '.join(found.absent)}; choose an assessment "
                "that does, or interactions from  dft"
            )
        table = 1e-3 * found.interactions_J_per_mol
        pairs = list(combinations(range(len(self.elements)), 2))
        for (i, j), z in zip(pairs, streams["assessment"].standard_normal(len(pairs)), strict=True):
            table[i, j] = table[j, i] = table[i, j] + self.error * z
        return {"interactions": np.asarray(table)}
