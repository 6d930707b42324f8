"""Back from the whole to the grains: the strain and stress of every voxel and grain under a mean strain or stress.

Linear, so that six unit fields serve every mean strain: ``strain(x) = A(x) : E`` with the localization tensor A. The
same fields give the thermal expansion of the whole from that of the grains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.arrays import array_balance
from uqmsm.physics.rve.effective import periodic_cell, six_cases
from uqmsm.physics.rve.equilibrium import MeanControl
from uqmsm.physics.rve.stencils import strain_of

__all__ = [
    "Localized",
    "hill_mandel_gap",
    "localize",
    "thermal_expansion_direct",
    "thermal_expansion_levin",
    "thermal_expansion_of",
]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

ENGINEERING = np.sqrt(np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]))
"""Voigt strain over Mandel strain; Mandel stress over Voigt stress."""


@dataclass(frozen=True)
class Localized:
    """Unit fields of a periodic cell, from which any mean strain is answered.

    Attributes
    ----------
    grain_ids
        ``(nx, ny, nz)``.
    grain_stiffness
        ``(grains, 6, 6)`` Mandel, GPa.
    stiffness
        ``(6, 6)`` Mandel effective stiffness, GPa.
    unit_strains
        ``(6, 6, nx, ny, nz)``: Mandel strain of every voxel under each unit mean Mandel strain.
    hill_mandel_gap
        Largest of the six unit fields.
    """

    grain_ids: GrainIds
    grain_stiffness: Array
    stiffness: Array
    unit_strains: Array
    hill_mandel_gap: float

    def mean_strain_of(self, mean_stress_GPa: Array) -> Array:
        """Return the mean strain ``(6,)`` Voigt that carries a mean stress ``(6,)`` Voigt, GPa."""
        return np.asarray(np.linalg.solve(self.stiffness, mean_stress_GPa * ENGINEERING) * ENGINEERING)

    def strain(self, mean_strain: Array) -> Array:
        """Return the strain of every voxel, ``(6, nx, ny, nz)`` Voigt, under a mean strain ``(6,)`` Voigt."""
        unit = np.tensordot(mean_strain / ENGINEERING, self.unit_strains, 1)
        return np.asarray(unit * ENGINEERING[:, None, None, None])

    def stress_GPa(self, mean_strain: Array) -> Array:
        """Return the stress of every voxel, ``(6, nx, ny, nz)`` Voigt, GPa, under a mean strain ``(6,)`` Voigt."""
        strain = np.tensordot(mean_strain / ENGINEERING, self.unit_strains, 1)
        stress = np.einsum("xyzij,jxyz->ixyz", self.grain_stiffness[self.grain_ids], strain)
        return np.asarray(stress / ENGINEERING[:, None, None, None])

    def under(self, mean_strain: Array) -> tuple[Array, Array]:
        """Return strain and stress of every voxel under one mean strain, between which Hill's condition holds.

        Six unit fields, each right to the solver's tolerance, do no work on themselves but a little on each other. One
        step of the fluctuation along itself, of the order of that tolerance squared, takes it away.

        Parameters
        ----------
        mean_strain
            ``(6,)`` Voigt.

        Returns
        -------
        strain, stress
            ``(6, nx, ny, nz)`` Voigt; stress in GPa.
        """
        strain, stress = self.strain(mean_strain), self.stress_GPa(mean_strain)
        fluctuation = strain - mean_strain[:, None, None, None]
        uniform = np.einsum("gij,j->gi", self.grain_stiffness, mean_strain / ENGINEERING) / ENGINEERING
        of_fluctuation = stress - np.moveaxis(uniform[self.grain_ids], -1, 0)
        left, stiff = float(np.sum(fluctuation * stress)), float(np.sum(fluctuation * of_fluctuation))
        step = -left / stiff if stiff > 0.0 else 0.0
        return strain + step * fluctuation, stress + step * of_fluctuation

    def grain_localization(self) -> Array:
        """Return ``(grains, 6, 6)`` Mandel: mean strain of each grain per mean strain; NaN if it has no voxel."""
        ids, grains = self.grain_ids.ravel(), len(self.grain_stiffness)
        counts = np.bincount(ids, minlength=grains).astype(np.float64)
        counts[counts == 0.0] = np.nan
        flat = self.unit_strains.reshape(36, -1)
        sums = np.stack([np.bincount(ids, weights=row, minlength=grains) for row in flat], axis=1)
        return np.asarray(np.swapaxes((sums / counts[:, None]).reshape(-1, 6, 6), 1, 2))

    def grain_stress_GPa(self, mean_strain: Array) -> Array:
        """Return the mean stress of every grain, ``(grains, 6)`` Voigt, GPa, under a mean strain ``(6,)`` Voigt."""
        strains = self.grain_localization() @ (mean_strain / ENGINEERING)
        return np.asarray(np.einsum("gij,gj->gi", self.grain_stiffness, strains) / ENGINEERING)


def localize(stiffness_GPa: Array, grain_ids: GrainIds, *, tolerance: float = 1e-6, workers: int = 1) -> Localized:
    """Compute the six unit fields of a periodic cell in the rotated scheme.

    Parameters
    ----------
    stiffness_GPa
        ``(grains, 6, 6)`` Voigt stiffness of every grain in sample axes, GPa.
    grain_ids
        ``(nx, ny, nz)``; memory is 288 bytes a voxel.
    tolerance, workers
        As for `homogenize`.

    Raises
    ------
    StudyError, Unstable, MemberFailed
        As `homogenize`.
    """
    cell = periodic_cell(stiffness_GPa, grain_ids, workers=workers)
    cases, effective = six_cases(cell, tolerance, 500)
    gap = max(case.hill_mandel_gap for case in cases)
    if not gap <= 1e-10:
        raise MemberFailed(f"localize: the Hill-Mandel gap is {gap:.2e} and at most 1e-10 is accepted")
    strains = np.stack([strain_of(case.displacement, np) for case in cases])
    strains += np.eye(6)[:, :, None, None, None]
    return Localized(cell.grain_ids, cell.stiffness, effective, strains, gap)


def hill_mandel_gap(stress_GPa: Array, strain: Array) -> float:
    """Return ``|<stress : strain> - <stress> : <strain>|`` over the former, of fields ``(6, nx, ny, nz)`` in Voigt."""
    micro = float(np.mean(np.sum(stress_GPa * strain, axis=0)))
    macro = float(np.sum(stress_GPa.mean(axis=(1, 2, 3)) * strain.mean(axis=(1, 2, 3))))
    return abs(micro - macro) / abs(micro) if micro else 0.0


def thermal_expansion_of(fields: Localized, expansion: Array) -> Array:
    """Return the thermal expansion of the whole from that of the grains, by reciprocity with the elastic fields.

    ``C* : alpha* = < A^T : C : alpha >`` (V. M. Levin, Mech. Solids 2, 1967, 58; B. W. Rosen and Z. Hashin, Int. J.
    Eng. Sci. 8, 1970, 157).

    Parameters
    ----------
    fields
        From `localize`.
    expansion
        ``(grains, 6)`` Voigt strain per kelvin of each grain in sample axes, engineering shear.

    Returns
    -------
    ndarray
        ``(6,)`` Voigt, 1/K.
    """
    held = np.einsum("gij,gj->gi", fields.grain_stiffness, expansion / ENGINEERING)
    fractions = np.bincount(fields.grain_ids.ravel(), minlength=len(held)) / fields.grain_ids.size
    answer = np.einsum("g,gji,gj->i", fractions, np.nan_to_num(fields.grain_localization()), held)
    return np.asarray(np.linalg.solve(fields.stiffness, answer) * ENGINEERING)


def thermal_expansion_levin(stiffness_GPa: Array, whole_GPa: Array, expansion: tuple[Array, Array]) -> Array:
    """Return the exact thermal expansion of any mixture of two phases from its stiffness alone.

    ``alpha* = alpha_1 + (S* - S_1)(S_2 - S_1)^-1 (alpha_2 - alpha_1)`` (V. M. Levin, Mech. Solids 2, 1967, 58).

    Parameters
    ----------
    stiffness_GPa
        ``(2, 6, 6)`` Voigt, of the phases in sample axes; no strain may leave both with one stress.
    whole_GPa
        ``(6, 6)`` Voigt, of the mixture.
    expansion
        Two arrays ``(6,)`` Voigt strain per kelvin, engineering shear.

    Raises
    ------
    StudyError
        When the two compliances differ by a singular matrix: then the stiffness says nothing.
    """
    one, two, whole = (np.linalg.inv(matrix) for matrix in (*stiffness_GPa, whole_GPa))
    apart = two - one
    if np.linalg.cond(apart) > 1e12:
        raise StudyError("levin: the compliances do not differ in every direction; use thermal_expansion_of")
    return np.asarray(expansion[0] + (whole - one) @ np.linalg.solve(apart, expansion[1] - expansion[0]))


def thermal_expansion_direct(
    stiffness_GPa: Array, grain_ids: GrainIds, expansion: Array, *, tolerance: float = 1e-8
) -> Array:
    """Return the thermal expansion of the whole by heating it by one kelvin with no mean stress: the second way.

    Parameters
    ----------
    stiffness_GPa, grain_ids
        As for `localize`.
    expansion
        ``(grains, 6)`` Voigt strain per kelvin of each grain in sample axes, engineering shear.
    tolerance
        Relative residual; the error is of its order.

    Returns
    -------
    ndarray
        ``(6,)`` Voigt, 1/K.

    Raises
    ------
    StudyError, Unstable, MemberFailed
        As `homogenize`.
    """
    cell = periodic_cell(stiffness_GPa, grain_ids)
    local = cell.stiffness[cell.grain_ids]
    held = np.einsum("gij,gj->gi", cell.stiffness, np.asarray(expansion) / ENGINEERING)
    start = -np.moveaxis(held[cell.grain_ids], -1, 0)
    shape = (cell.grain_ids.shape[0], cell.grain_ids.shape[1], cell.grain_ids.shape[2])
    free = MeanControl(np.zeros(6), np.zeros(6), np.ones(6, dtype=np.bool_))
    done = array_balance(shape, cell.medium).correct(
        lambda strain: np.einsum("xyzij,jxyz->ixyz", local, strain), start, free, tolerance=tolerance
    )
    return np.asarray(done.strain.mean(axis=(1, 2, 3)) * ENGINEERING)
