"""What functionals say of small cells of an alloy, and how a potential is compared with it, functional by functional.

Only differences are used: a cell's lattice parameter relative to the mean of its elements, and its formation energy,
both within one functional. What a functional gets wrong for every metal alike (lattices a per cent too large, say)
drops out, as it must where measured elements are data too; what remains differs from functional to functional, and
that difference is the doubt which the joint posterior carries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential import Arrangement, pure_crystals, undistorted

__all__ = ["KINDS", "FirstPrinciples"]

Floats = NDArray[np.float64]

KINDS = ("lattice_excess", "formation_energy")
"""log(lattice parameter of the cell / composition mean of its elements'), and eV per atom; atoms on perfect sites."""


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
        Which cell, and which of `KINDS`, each datum is about, shape (data,).
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
            for column in np.flatnonzero(self.cell == number):
                said[:, column] = both[:, self.kind[column]]
        return said
