"""Misfit volumes: how much the relaxed crystal swells per atom of each element that is exchanged in.

With v(c) the relaxed volume per atom, DV_n is the derivative of v along (e_n - c), so that sum_n c_n DV_n = 0
(Varvenne, Luque & Curtin, Acta Mater. 118, 164, 2016). Each family exchanges atoms of one crystal for every target
element at the same sites where it can (common random numbers) and in equal steps towards and away from the element, so
that the curvature of v(c) cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import Species
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, relax
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Misfit", "from_swaps", "misfit_volumes", "swaps"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Misfit:
    """Misfit volumes in A^3 per atom.

    Attributes
    ----------
    volumes
        (n_elements,) mean over families; sum of composition times volumes is zero.
    standard_errors
        (n_elements,) of that mean, from the scatter between families; NaN for a single family.
    families
        (n_families, n_elements) each family's own estimate.
    potentials, potential_errors
        (n_elements,) chemical potentials (eV) of the random alloy at rest, e + de/dc along (e_n - c) with e the energy
        per atom, from the same swaps, and standard errors; sum of composition times potentials is e.
    iterations, products
        Newton steps and second-derivative products spent.
    """

    volumes: Floats
    standard_errors: Floats
    families: Floats
    potentials: Floats
    potential_errors: Floats
    iterations: int
    products: int

    @classmethod
    def unknown(cls, elements: int) -> Misfit:
        """Return what is known of misfits where no atom was exchanged: nothing."""
        nothing = np.full(elements, np.nan)
        return cls(nothing, nothing, np.empty((0, elements)), nothing, nothing, 0, 0)


def _share(total: int, weights: Floats) -> Ints:
    """Share `total` among weights by largest remainders."""
    quota = total * weights / weights.sum()
    whole: Ints = np.floor(quota + 1e-9).astype(np.int64)
    whole[np.argsort(-np.round(quota - whole, 9), kind="stable")[: total - int(whole.sum())]] += 1
    return whole


def swaps(species: Species, composition: Floats, step: float, ranks: Ints) -> list[tuple[int, Species, Species | None]]:
    """Return, for every target element, the crystal moved towards it and away from it.

    Parameters
    ----------
    species
        (n,) of the crystal itself.
    composition
        (k,) atomic fractions.
    step
        Share of all sites that is handed to the target element.
    ranks
        (n,) a permutation of the sites: the order in which sites are taken, the same for every target.

    Returns
    -------
    For each element with its number: species after exchange towards it; away from it, or None where there is too
    little of it to take away.
    """
    n = len(species)
    queue = [ranks[species[ranks] == s] for s in range(len(composition))]
    moves: list[tuple[int, Species, Species | None]] = []
    for target, fraction in enumerate(composition):
        others = composition.copy()
        others[target] = 0.0
        if others.sum() <= 0.0:
            continue
        wanted = max(1, round(step * n * (1.0 - fraction)))
        held = len(queue[target])
        flips = wanted if held == 0 else min(wanted, max(1, held // 2))
        towards = species.copy()
        for s, number in enumerate(_share(flips, others)):
            towards[queue[s][:number]] = target
        away: Species | None = None
        if held:
            away = species.copy()
            away[queue[target][:flips]] = np.repeat(np.arange(len(composition)), _share(flips, others))
        moves.append((target, towards, away))
    return moves


def misfit_volumes(
    potential: Potential,
    rest: Relaxed,
    composition: ArrayLike,
    rng: np.random.Generator,
    *,
    n_families: int = 4,
    step: float = 0.125,
    strain_stiffness: Floats | None = None,
    force_tolerance_eV_per_A: float = 1e-4,
) -> Misfit:
    """Measure misfit volumes by exchanging atoms of a relaxed random crystal and relaxing again, at zero stress.

    Parameters
    ----------
    potential, rest
        The potential and the crystal at rest.
    composition
        (k,) atomic fractions of the elements of the potential.
    rng
        The stream of chance that picks the sites; one permutation is drawn per family.
    n_families
        Independent choices of sites; the standard error needs at least two.
    step
        Share of sites handed to the target element in each direction.
    strain_stiffness
        (6, 6) strain block (eV) of `rest`, a preconditioner.
    force_tolerance_eV_per_A
        Of each relaxation.

    Raises
    ------
    StudyError
        For a composition of the wrong length or a number of families below one.
    Unstable
        When an exchanged crystal does not relax.
    """
    fractions = np.asarray(composition, dtype=np.float64)
    k = len(potential.elements)
    if fractions.shape != (k,) or n_families < 1:
        raise StudyError(
            f"misfit volumes need {k} atomic fractions and at least one family of swaps; got a composition of shape "
            f"{fractions.shape} and n_families = {n_families}"
        )
    if strain_stiffness is None:
        strain_stiffness = rest.stiffness.affine()[0]
    n, iterations, products = len(rest.crystal.species), 0, 0

    def per_atom(species: Species) -> tuple[float, float]:
        nonlocal iterations, products
        crystal = Crystal(species, rest.crystal.positions, rest.crystal.cell)
        swapped = relax(
            potential, crystal, neighbours=rest.neighbours, strain_stiffness=strain_stiffness,
            force_tolerance_eV_per_A=force_tolerance_eV_per_A, stress_tolerance_GPa=1e-2,
        )  # fmt: skip
        iterations += swapped.iterations
        products += swapped.products
        return swapped.crystal.volume / n, swapped.energy / n

    here = rest.crystal.volume / n, rest.energy / n
    found = from_swaps(per_atom, rest.crystal.species, here, fractions, rng, n_families=n_families, step=step)
    return replace(found, iterations=iterations, products=products)


def from_swaps(
    per_atom: Callable[[Species], tuple[float, float]],
    species: Species,
    here: tuple[float, float],
    composition: Floats,
    rng: np.random.Generator,
    *,
    n_families: int,
    step: float = 0.125,
) -> Misfit:
    """Return misfit volumes and chemical potentials of what volume and energy do when atoms are exchanged.

    Parameters
    ----------
    per_atom
        Volume (A^3) and energy (eV) per atom, at rest, of the crystal with other species (n,) on its sites.
    species, here
        The crystal's own species, and its own volume and energy per atom.
    composition, rng, n_families, step
        As in `misfit_volumes`.
    """
    n, k = len(species), len(composition)
    families, energies = np.empty((n_families, k)), np.empty((n_families, k))
    for family in range(n_families):
        rows, rises = [], []
        for _, towards, away in swaps(species, composition, step, rng.permutation(n)):
            start = species if away is None else away
            base = here if away is None else per_atom(away)
            rows.append((np.bincount(towards, minlength=k) - np.bincount(start, minlength=k)) / n)
            rises.append(np.subtract(per_atom(towards), base))
        changes, both = np.array(rows).reshape(-1, k), np.array(rises).reshape(-1, 2)
        families[family] = _gradient(changes, both[:, 0], composition)
        energies[family] = _gradient(changes, both[:, 1], composition)
    mean = families.mean(axis=0)
    mean -= composition @ mean  # once more, for the last bits
    slopes = energies.mean(axis=0)
    potentials = here[1] + slopes - composition @ slopes
    return Misfit(mean, _scatter(families), families, potentials, _scatter(energies), 0, 0)


def _scatter(families: Floats) -> Floats:
    """Return the standard error of the mean over families; NaN of one alone."""
    if len(families) < 2:
        return np.full(families.shape[1], np.nan)
    return np.asarray(families.std(axis=0, ddof=1) / np.sqrt(len(families)))


def _gradient(changes: Floats, rises: Floats, composition: Floats) -> Floats:
    """Least-squares gradient g of rises = changes @ g with composition @ g = 0."""
    # every change sums to zero, so the constant along (1, ..., 1) is free: the second condition fixes it exactly
    gradient = np.linalg.lstsq(changes, rises, rcond=None)[0] if len(changes) else np.zeros(len(composition))
    return np.asarray(gradient - composition @ gradient)
