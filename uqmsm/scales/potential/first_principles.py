"""What functionals say of an alloy and its elements, and how a potential is compared with it, functional by functional.

Only differences are used: a cell's lattice parameter relative to the mean of its elements, its formation energy, and
an element's elastic constants relative to the mean of all elements', each within one functional. What a functional gets
wrong for every metal alike (lattices a per cent too large, all metals too soft) drops out, as it must where measured
elements are data too; what remains differs from functional to functional, and that difference is the doubt which the
joint posterior carries.

Independent errors about a common unknown offset have the likelihood of their deviations from the mean, so elastic
constants may be counted as so many independent data. They share the inadequacy of the measured constants, which is
counted anew here; beside errors of 8 % of the measured ones that matters little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.chosen import cells_of, functionals_of, quantities_of
from uqmsm.physics.dft.engine import Cell
from uqmsm.physics.dft.reference import Reference, reference
from uqmsm.physics.potential import Arrangement, arrangement, pure_crystals, undistorted

__all__ = ["KINDS", "FirstPrinciples", "first_principles"]

Floats = NDArray[np.float64]

CONSTANTS = ("C11", "C12", "C44")
KINDS = ("lattice_excess", "formation_energy", *CONSTANTS)
"""log(lattice parameter of the cell / composition mean of its elements'), and eV per atom, atoms on perfect sites; then
of each element log(constant / geometric mean over the elements)."""


@dataclass(frozen=True)
class FirstPrinciples:
    """The data of all functionals.

    Parameters
    ----------
    functionals
        Number of each functional in its ensemble, shape (functionals,): what the functional's own stage hands on.
    cells
        The cells, atoms on undistorted sites, species counted in the order of the potential's elements.
    cell, kind
        Which cell (of elastic constants: which element), and which of `KINDS`, each datum is about, shape (data,).
    values
        Shape (functionals, data).
    numerical_sd
        What k-points, cutoff and smearing leave behind, shape (data,).
    labels
        Name of each datum for people.
    """

    functionals: tuple[int, ...]
    cells: tuple[Arrangement, ...]
    cell: NDArray[np.int64]
    kind: NDArray[np.int64]
    values: Floats
    numerical_sd: Floats
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        expected = (len(self.functionals), len(self.labels))
        if self.values.shape != expected or not np.isfinite(self.values).all():
            raise StudyError(
                f"first-principles data of shape {self.values.shape}, finite everywhere: "
                f"{bool(np.isfinite(self.values).all())}; {expected[0]} functionals and {expected[1]} data were "
                "announced: give one finite number for each"
            )
        if not (self.numerical_sd > 0).all():
            raise StudyError(
                "first-principles data without a numerical error; state k-point, cutoff and smearing errors"
            )

    @property
    def mean(self) -> Floats:
        """Return the mean over functionals, shape (data,)."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def spread(self) -> Floats:
        """Return the standard deviation over functionals, shape (data,)."""
        if len(self.functionals) < 2:
            return np.zeros(len(self.labels))
        return np.asarray(self.values.std(axis=0, ddof=1))

    @property
    def covariance(self) -> Floats:
        """Return the covariance over functionals, shape (data, data): a functional errs on many data at once."""
        if len(self.functionals) < 2:
            return np.zeros((len(self.labels), len(self.labels)))
        return np.atleast_2d(np.cov(self.values.T))

    def predicted(self, values: Floats) -> Floats:
        """Return what a potential says of the same.

        Parameters
        ----------
        values
            Parameters of the potential, shape (draws, n_elements, n_columns).

        Returns
        -------
        NDArray
            Shape (draws, data); NaN where a crystal has no equilibrium.
        """
        lattice = self.cells[0].lattice
        pure = pure_crystals(values, lattice)
        said = np.empty((len(values), len(self.labels)))
        for number, cell in enumerate(self.cells):
            c = cell.composition
            found = undistorted(values, cell)
            # einsum, not a matrix product: a draw's bytes must not depend on its mates
            mean = np.einsum("de,e->d", pure.lattice_parameter, c)
            bound = np.einsum("de,e->d", pure.cohesive_energy, c)
            with np.errstate(invalid="ignore"):
                both = np.stack([np.log(found.lattice_parameter / mean), found.energy + bound], axis=1)
            for column in np.flatnonzero((self.cell == number) & (self.kind < KINDS.index("C11"))):
                said[:, column] = both[:, self.kind[column]]
        for kind in np.unique(self.kind[self.kind >= KINDS.index("C11")]):
            with np.errstate(invalid="ignore"):  # of an unstable crystal, which has no density anyway
                logs = np.log(getattr(pure, KINDS[kind]))
            apart = logs - np.einsum("de->d", logs)[:, None] / logs.shape[1]
            for column in np.flatnonzero(self.kind == kind):
                said[:, column] = apart[:, self.cell[column]]
        return said


def first_principles(elements: Sequence[str], lattice: str, functionals: int) -> FirstPrinciples:
    """Return what the shipped calculations say of the cells that hold these elements and no others.

    Parameters
    ----------
    elements
        Elements of the potential, in its order.
    lattice
        Lattice of the potential.
    functionals
        How many functionals of the ensemble, the first ones that have every quantity of these materials.

    Raises
    ------
    StudyError
        When an element was not computed in this lattice, or there are not so many functionals.
    """
    if lattice != "bcc":
        raise StudyError(f"no first-principles calculations in {lattice}, only in bcc; use zhou_posterior")
    known = cells_of(elements)
    if not known:
        raise StudyError(
            f"no first-principles calculations of cells of {', '.join(elements)}: functionals have nothing to say of "
            "this alloy beyond its elements; use zhou_posterior, or compute cells (studies/dft_reference)"
        )
    names, numbers = list(known), functionals_of(elements, functionals)
    found = reference([*elements, *names], ("lattice_parameter", "formation_energy"), functionals=numbers.tolist())
    constants, soft = _constants(elements, numbers)
    kinds = [kind for kind in KINDS if kind not in CONSTANTS]
    columns = [_column(found, name, known[name], kind) for name in names for kind in kinds] + soft
    places = [(names.index(name), KINDS.index(kind), f"{name}.{kind}") for name in names for kind in kinds] + [
        (list(elements).index(element), KINDS.index(kind), f"{element}.{kind} relative") for element, kind in constants
    ]
    return FirstPrinciples(
        functionals=tuple(int(number) for number in numbers),
        cells=tuple(_arranged(known[name], elements) for name in names),
        cell=np.array([place[0] for place in places]),
        kind=np.array([place[1] for place in places]),
        values=np.stack([values for values, _ in columns], axis=1),
        numerical_sd=np.array([sd for _, sd in columns]),
        labels=tuple(place[2] for place in places),
    )


def _constants(
    elements: Sequence[str], numbers: NDArray[np.int64]
) -> tuple[list[tuple[str, str]], list[tuple[Floats, float]]]:
    """Return (element, constant) and the data, where strained cells of every element were computed; else none."""
    known = [kind for kind in CONSTANTS if kind in quantities_of(elements)] if len(elements) > 1 else []
    if not known:
        return [], []
    found = reference(elements, known, functionals=numbers.tolist())
    what, data = [], []
    for kind in known:
        places = [found.column(f"{element}.{kind}") for element in elements]
        with np.errstate(invalid="ignore"):
            logs = np.log(found.ensemble[:, places])
        if not np.isfinite(logs).all():  # a functional in which one of the metals is unstable: nothing to compare with
            continue
        apart = logs - logs.mean(axis=1, keepdims=True)
        for i, element in enumerate(elements):
            what.append((element, kind))
            data.append((apart[:, i], float(found.numerical_sd[places[i]] / found.named[0, places[i]])))
    return what, data


def _column(found: Reference, name: str, cell: Cell, kind: str) -> tuple[Floats, float]:
    """Return one datum in every functional, and its numerical error."""
    if kind == "formation_energy":
        k = found.column(f"{name}.formation_energy")
        return found.ensemble[:, k], float(found.numerical_sd[k])
    own = found.column(f"{name}.lattice_parameter")
    parts = [found.column(f"{symbol}.lattice_parameter") for symbol in cell.symbols]  # once for every atom
    mean = found.ensemble[:, parts].mean(axis=1)
    # errors of cores and k-points are alike in cell and elements and partly cancel; they are taken as independent
    of_mean = np.sqrt((found.numerical_sd[parts] ** 2).sum()) / len(parts)
    relative = np.hypot(found.numerical_sd[own] / found.named[0, own], of_mean / mean.mean())
    return np.log(found.ensemble[:, own] / mean), float(relative)


def _arranged(cell: Cell, elements: Sequence[str]) -> Arrangement:
    unit = (2.0 * cell.volume) ** (1.0 / 3.0)  # the volume is that of one atom, two atoms a cube
    vectors = np.asarray(cell.vectors) / unit
    species = [list(elements).index(symbol) for symbol in cell.symbols]
    return arrangement("bcc", vectors, np.asarray(cell.scaled) @ vectors, species, len(elements))
