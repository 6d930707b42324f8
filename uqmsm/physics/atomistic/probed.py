"""The crystal at zero temperature of a potential that is only a black box: energy, forces and virial, asked for often.

What `statics` computes with second derivatives is found here by relaxing strained crystals; it serves potentials of
others, whose second derivatives nobody hands out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, Species, evaluate
from uqmsm.physics.atomistic.elastic import require_stable
from uqmsm.physics.atomistic.misfit import Misfit, from_swaps
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.nonaffine import deviations, softened
from uqmsm.physics.atomistic.relax import Crystal, strain_matrix
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.statics import Statics, block_vectors
from uqmsm.physics.atomistic.virial_work import virial_gap
from uqmsm.physics.embedded_tables import PotentialTables

__all__ = ["Probe", "Rest", "own_probe", "probed_rest", "probed_statics"]

Floats = NDArray[np.float64]

Probe = Callable[[Species, Floats, Floats], tuple[float, Floats, Floats]]
"""Species (n,), positions (n, 3) and cell (3, 3) in A -> energy (eV), forces (n, 3), virial dE/dstrain (6,) in eV."""

_LOST_STRAIN = 0.2
_FIELDS = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


@dataclass(frozen=True)
class Rest:
    """A crystal that a probe holds at rest: where, its energy (eV), what is left, stress (6,) in GPa, probes spent.

    `first_stress` is the stress before any atom moved.
    """

    crystal: Crystal
    energy: float
    residual_force: float
    stress: Floats
    first_stress: Floats
    probes: int


def own_probe(tables: PotentialTables, skin_A: float = 0.6) -> Probe:
    """Return the probe of a tabulated embedded-atom potential, evaluated by the kernel of this package."""
    potential = interpolate(tables)

    def probe(species: Species, positions: Floats, cell: Floats) -> tuple[float, Floats, Floats]:
        near = half_list(positions, cell, potential.cutoff, skin_A)
        seen = evaluate(potential, species, positions, cell, near)
        return seen.energy, np.array(seen.forces), np.array(seen.virial)

    return probe


class _Path:
    """The energy as a function of displacements and strain, and the last answer."""

    def __init__(self, probe: Probe, crystal: Crystal, *, with_cell: bool) -> None:
        self.probe, self.origin, self.with_cell = probe, crystal, with_cell
        self.scale = np.sqrt(len(crystal.species))  # so that strains are as stiff as displacements
        self.count = 0
        self.stresses: list[Floats] = []

    def at(self, x: Floats) -> tuple[Crystal, Floats]:
        """Return the crystal and the deformation gradient."""
        n = len(self.origin.species)
        gradient = np.eye(3)
        if self.with_cell:
            gradient = gradient + strain_matrix(x[3 * n :] / self.scale)
        moved = (self.origin.positions + x[: 3 * n].reshape(n, 3)) @ gradient
        return Crystal(self.origin.species, moved, self.origin.cell @ gradient), gradient

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return energy and gradient."""
        crystal, gradient = self.at(x)
        if np.abs(gradient - np.eye(3)).max() > _LOST_STRAIN:
            raise Unstable(f"the crystal strains by more than {_LOST_STRAIN:g} on its way to rest; it is not held")
        energy, forces, virial = self.probe(crystal.species, crystal.positions, crystal.cell)
        self.count += 1
        self.stresses.append(virial / crystal.volume * GPA_A3_PER_EV)
        slope = -(forces @ gradient.T).ravel()
        if not self.with_cell:
            return energy, slope
        full = np.linalg.solve(gradient, strain_matrix(virial * [1, 1, 1, 2, 2, 2]))
        return energy, np.concatenate([slope, (0.5 * (full + full.T))[_FIELDS] * [1, 1, 1, 1, 1, 1] / self.scale])


def probed_rest(
    probe: Probe, crystal: Crystal, *, with_cell: bool = True, force_tolerance_eV_per_A: float = 1e-4
) -> Rest:
    """Bring a crystal to rest by a quasi-Newton method (L-BFGS).

    Parameters
    ----------
    probe
        The potential.
    crystal
        Where to begin.
    with_cell
        Whether the cell may strain until the stress vanishes.
    force_tolerance_eV_per_A
        Largest force component that may be left.

    Raises
    ------
    Unstable
        When it does not come to rest, or strains by more than a fifth.
    """
    from scipy.optimize import minimize

    path = _Path(probe, crystal, with_cell=with_cell)
    start = np.zeros(3 * len(crystal.species) + (6 if with_cell else 0))
    options = {"maxcor": 30, "maxiter": 600, "maxfun": 1200, "gtol": force_tolerance_eV_per_A, "ftol": 0.0}
    found = minimize(path, start, jac=True, method="L-BFGS-B", options=options)
    energy, slope = path(found.x)
    left = float(np.abs(slope).max())
    if left > 5 * force_tolerance_eV_per_A:
        raise Unstable(
            f"the crystal does not come to rest: forces of {left:.1e} eV/angstrom are left after {path.count} "
            "evaluations; this potential does not hold this crystal"
        )
    return Rest(path.at(found.x)[0], energy, left, path.stresses[-1], path.stresses[0], path.count)


def _stiffness(probe: Probe, rest: Rest, step: float, tolerance: float) -> tuple[Floats, Floats, Floats, int]:
    """Return relaxed and affine (6, 6) in GPa and displacements (6, n, 3) in A per unit strain, and probes spent.

    All by central differences.
    """
    relaxed, affine, probes = np.empty((6, 6)), np.empty((6, 6)), 0
    answer = np.empty((6, *rest.crystal.positions.shape))
    for k in range(6):
        ends = []
        for sign in (1.0, -1.0):
            strained = rest.crystal.deformed(np.zeros_like(rest.crystal.positions), sign * step * np.eye(6)[k])
            ends.append(probed_rest(probe, strained, with_cell=False, force_tolerance_eV_per_A=tolerance))
            probes += ends[-1].probes
        bent = step * strain_matrix(np.eye(6)[k])
        moves = [one.crystal.positions - rest.crystal.positions for one in ends]
        answer[k] = (moves[0] - moves[1] - 2.0 * rest.crystal.positions @ bent) / (2 * step)
        relaxed[k] = (ends[0].stress - ends[1].stress) / (2 * step)
        affine[k] = (ends[0].first_stress - ends[1].first_stress) / (2 * step)
    return 0.5 * (relaxed + relaxed.T), 0.5 * (affine + affine.T), answer, probes


def _misfits(
    probe: Probe, rest: Rest, composition: Floats, rng: np.random.Generator, families: int, tolerance: float
) -> Misfit:
    """Return misfit volumes and chemical potentials; its `iterations` are the probes spent."""
    crystal, n, probes = rest.crystal, len(rest.crystal.species), 0

    def per_atom(species: Species) -> tuple[float, float]:
        nonlocal probes
        swapped = Crystal(species, crystal.positions, crystal.cell)
        ended = probed_rest(probe, swapped, force_tolerance_eV_per_A=tolerance)
        probes += ended.probes
        return ended.crystal.volume / n, ended.energy / n

    here = crystal.volume / n, rest.energy / n
    found = from_swaps(per_atom, crystal.species, here, composition, rng, n_families=families)
    return replace(found, iterations=probes)


def probed_statics(
    probe: Probe,
    species: Species,
    composition: ArrayLike,
    sites: Floats,
    *,
    cells: ArrayLike,
    a_guess_A: float,
    rng: np.random.Generator,
    n_families: int = 4,
    strain_step: float = 2e-3,
    force_tolerance_eV_per_A: float = 1e-4,
) -> Statics:
    """Relax one configuration and measure what `statics.statics` does, with a probe alone.

    Parameters
    ----------
    probe
        The potential.
    species, composition, sites, cells, a_guess_A, rng, n_families
        As in `statics.statics`.
    strain_step
        Of the central differences; the constants err by its square.
    force_tolerance_eV_per_A
        Of each relaxation.

    Raises
    ------
    Unstable
        When the crystal does not relax, or is elastically unstable.
    MemberFailed
        When the probe's virial does not do the work that its energy stores.
    """
    numbers, fractions = np.ascontiguousarray(species, dtype=np.int64), np.asarray(composition, dtype=np.float64)
    n, tolerance = len(numbers), force_tolerance_eV_per_A
    cell = a_guess_A * block_vectors(cells)
    rest = probed_rest(probe, Crystal(numbers, sites @ cell, cell), force_tolerance_eV_per_A=tolerance)
    relaxed, affine, answer, probes = _stiffness(probe, rest, strain_step, tolerance)
    cubic = require_stable(relaxed)
    misfit = Misfit.unknown(len(fractions))
    if n_families > 0:
        misfit = _misfits(probe, rest, fractions, rng, n_families, tolerance)

    def look(crystal: Crystal) -> tuple[float, Floats]:
        energy, _, virial = probe(crystal.species, crystal.positions, crystal.cell)
        return energy, virial

    return Statics(
        lattice_parameter=float(np.cbrt(rest.crystal.volume / np.linalg.det(block_vectors(cells)))),
        cohesive_energy=-rest.energy / n,
        volume_per_atom=rest.crystal.volume / n,
        stiffness=relaxed,
        born_stiffness=affine,
        cubic=cubic,
        nonaffine_fractions=softened(affine, relaxed),
        nonaffine_plateau=deviations(rest.crystal, answer).mean_plateau(),
        misfit_volumes=misfit.volumes,
        misfit_volumes_se=misfit.standard_errors,
        chemical_potentials=misfit.potentials,
        chemical_potentials_se=misfit.potential_errors,
        residual_force=rest.residual_force,
        residual_stress=float(np.abs(rest.stress).max()),
        virial_gap=virial_gap(look, rest.crystal, rest.energy, answer),
        iterations=rest.probes + probes + misfit.iterations + 2,
        products=0,
    )
