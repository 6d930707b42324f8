"""How wrong a coupled solution is: strain errors against a finer one, rates in the number of unknowns, ghost forces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.equilibrium import Rest
from uqmsm.physics.coupling.methods import Coupled

__all__ = [
    "Rate",
    "StrainError",
    "fitted_rate",
    "ghost_force",
    "rates_told",
    "strain_error",
    "strain_error_at_nodes",
    "unknowns_at",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StrainError:
    """Relative errors of displacement gradients: in the mean square (the energy norm) and the largest."""

    mean_square: float
    largest: float


def strain_error(rest: Rest, reference: Rest) -> StrainError:
    """Compare the displacement gradients of two solutions of one defect.

    The solution is interpolated at the nodes of the reference, whose mesh must be the finer one everywhere, and is zero
    beyond its own mesh. Elements at vacancies are left out: nothing has a displacement there.

    Raises
    ------
    StudyError
        When far fields or vacancies differ.
    """
    theirs, ours = reference.coupled.problem, rest.coupled.problem
    if not np.array_equal(theirs.far_field, ours.far_field) or theirs.absent.sum() != ours.absent.sum():
        raise StudyError("the two solutions belong to different problems: far fields or vacancies differ")
    return strain_error_at_nodes(ours.mesh.interpolation(theirs.mesh.chart) @ rest.displacement, reference)


def strain_error_at_nodes(guess: Floats, reference: Rest) -> StrainError:
    """Compare displacements (n, d) at the nodes of the reference with its own (see `strain_error`)."""
    theirs = reference.coupled.problem
    mesh = theirs.mesh
    whole = ~theirs.absent[mesh.elements].any(axis=1)
    gradients, volumes = (array[whole] for array in mesh.measured())

    def strains(u: Floats) -> Floats:
        return np.asarray(np.einsum("eaJ,eai->eiJ", gradients, u[mesh.elements[whole]]))

    true = strains(reference.displacement)
    wrong = strains(guess) - true
    squares, all_squares = (wrong**2).sum(axis=(1, 2)), (true**2).sum(axis=(1, 2))
    return StrainError(
        float(np.sqrt(volumes @ squares / (volumes @ all_squares))), float(np.sqrt(squares.max() / all_squares.max()))
    )


@dataclass(frozen=True)
class Rate:
    """Slope of log error against log unknowns, with its 95 % confidence interval, and the decades it is fitted over."""

    slope: float
    low: float
    high: float
    decades: float


def fitted_rate(unknowns: ArrayLike, errors: ArrayLike) -> Rate:
    """Fit a power law by least squares on logarithms.

    The interval is Student's; it speaks of the scatter around the line, which meshes cause, not of a bend in it.

    Raises
    ------
    StudyError
        With fewer than three points: they carry no interval.
    """
    x, y = np.log(np.asarray(unknowns, dtype=np.float64)), np.log(np.asarray(errors, dtype=np.float64))
    if len(x) < 3:
        raise StudyError(f"a rate from {len(x)} points has no confidence interval; compute at least 3 sizes")
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    left = y - y.mean() - slope * centred
    half = float(student.ppf(0.975, len(x) - 2) * np.sqrt(left @ left / (len(x) - 2) / (centred @ centred)))
    return Rate(slope, slope - half, slope + half, float((x.max() - x.min()) / np.log(10.0)))


def unknowns_at(error: float, unknowns: ArrayLike, errors: ArrayLike, *, last: int = 3) -> float:
    """Return the unknowns at which a method reaches an error, by its power law through the `last` finest sizes.

    Inside the computed range the two sizes around `error` are interpolated instead.
    """
    x, y = np.log(np.asarray(unknowns, dtype=np.float64)), np.log(np.asarray(errors, dtype=np.float64))
    if y.min() <= np.log(error) <= y.max():
        k = int(np.flatnonzero(y <= np.log(error))[0])
        k = max(k, 1)
        share = (np.log(error) - y[k - 1]) / (y[k] - y[k - 1])
        return float(np.exp(x[k - 1] + share * (x[k] - x[k - 1])))
    slope, offset = np.polyfit(x[-last:], y[-last:], 1)
    return float(np.exp((np.log(error) - offset) / slope))


def rates_told(found: Mapping[str, tuple[Sequence[int], Sequence[float]]], floor: float) -> tuple[str, dict[str, Rate]]:
    """Return the table of errors against unknowns in words, a line for each method, and the rates in it.

    Parameters
    ----------
    found
        Unknowns and errors of each method, ascending in unknowns.
    floor
        No rate is fitted to errors below it: there the reference's own speaks.
    """
    lines = [f"{'method':10} {'slope':>6} {'95 % interval':>15} {'decades':>7} {'at 1 %':>7}   unknowns: error"]
    rates = {}
    for method, (unknowns, errors) in found.items():
        seen = np.asarray(errors) > floor
        rate = rates[method] = fitted_rate(np.asarray(unknowns)[seen], np.asarray(errors)[seen])
        reached = f"{unknowns_at(0.01, unknowns, errors):7.0f}" if min(errors) < 0.02 else "  never"
        sizes = "  ".join(f"{n}: {error:.4f}" for n, error in zip(unknowns, errors, strict=True))
        interval = f"[{rate.low:.2f}, {rate.high:.2f}]"
        lines.append(f"{method:10} {rate.slope:6.2f} {interval:>15} {rate.decades:7.2f} {reached}   {sizes}")
    return "\n".join(lines), rates


def ghost_force(coupled: Coupled, F: Floats) -> float:
    """Return the largest force component on free nodes of a crystal under homogeneous deformation F (d, d).

    The patch test: zero for a consistent method. The problem must have no defect.

    Raises
    ------
    StudyError
        When the problem has vacancies, whose forces are real.
    """
    problem = coupled.problem
    if problem.absent.any():
        raise StudyError("ghost forces are those of the perfect crystal; ask them of problem.perfect")
    forces = coupled.gradient(problem.mesh.nodes @ F.T)
    return float(np.abs(forces[problem.free]).max())
