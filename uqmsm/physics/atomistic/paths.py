"""The pass between two valleys: how a crystal gets from one state at rest to another, and the energy it takes.

A band of images settles roughly into the valley floor (nudged elastic band with improved tangents, Henkelman &
Jonsson, J. Chem. Phys. 113, 9978, 2000), moved by FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201, 2006). From the
highest point between its images, energies and slopes taken together, Newton's method with exact second derivatives
ends on a saddle, and the two lowest curvatures tell that it has one descent. Where that leads, on both sides, is
followed: to the two states, or to a basin between them, from which the rest of the way is found likewise. The highest
saddle of the way is the pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, minres

from uqmsm.errors import NotConverged
from uqmsm.physics.atomistic.eam import Evaluation, Species, evaluate
from uqmsm.physics.atomistic.neighbours import Neighbours, half_list
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.response import Stiffness, stiffen
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Pass", "lowest_curvatures", "pass_between"]

Floats = NDArray[np.float64]

_SKIN_A = 0.8
_SPRING = 2.0  # eV/A^2 between images
_CLOSE = 0.15  # eV/A across the band: where Newton's method takes over
_LONGEST_STEP_A = 0.1
_NUDGE_A = 0.05  # off a saddle, before the way down is followed
_SAME_A = 0.1  # states closer than this are one
_MOST_BASINS = 4


@dataclass(frozen=True)
class Pass:
    """A saddle between two states.

    Attributes
    ----------
    energy
        eV, of the saddle.
    positions
        (n, 3) A.
    residual_force
        Largest component, eV/A.
    curvatures
        (2,) the two lowest eigenvalues of the second derivative (eV/A^2), rigid shifts left out: the first negative.
    profile
        (m,) energies (eV) along the band when Newton's method took over, both ends included.
    steps
        Steps of the band, and of Newton's method.
    saddles
        How many there are on the way; more than one where basins lie between the states.
    """

    energy: float
    positions: Floats
    residual_force: float
    curvatures: Floats
    profile: Floats
    steps: tuple[int, int]
    saddles: int = 1


class _Image:
    """One image of the band with a list of its own."""

    def __init__(self, potential: Potential, species: Species, cell: Floats, positions: Floats) -> None:
        self.potential, self.species, self.cell = potential, species, cell
        self.positions = positions
        self.near: Neighbours | None = None
        self.seen = self.look()

    def look(self, seen: Evaluation | None = None) -> Evaluation:
        """Evaluate where the image stands."""
        if self.near is None or not self.near.serves(self.positions, self.cell, self.potential.cutoff):
            self.near = half_list(self.positions, self.cell, self.potential.cutoff, _SKIN_A)
        reuse = None if seen is None else seen.bonds
        self.seen = evaluate(self.potential, self.species, self.positions, self.cell, self.near, reuse=reuse)
        return self.seen


def _tangent(energies: Floats, path: list[Floats], k: int) -> Floats:
    """Return the unit tangent at image k, by the rule that leads uphill."""
    ahead, behind = path[k + 1] - path[k], path[k] - path[k - 1]
    up, down = energies[k + 1] - energies[k], energies[k - 1] - energies[k]
    if up > 0.0 > down:
        tangent = ahead
    elif down > 0.0 > up:
        tangent = behind
    else:
        high, low = max(abs(up), abs(down)), min(abs(up), abs(down))
        tangent = ahead * (high if up > down else low) + behind * (low if up > down else high)
    return np.asarray(tangent / max(float(np.linalg.norm(tangent)), 1e-12))


def _pulls(images: list[_Image], ends: tuple[Floats, Floats], energies: Floats) -> tuple[list[Floats], float]:
    """Return the force on every image of the band, and the largest component across the band."""
    path = [ends[0], *(one.positions for one in images), ends[1]]
    pulls, across = [], 0.0
    for k, image in enumerate(images):
        tangent = _tangent(energies, path, k + 1)
        force = image.seen.forces
        along = float((force * tangent).sum())
        stretch = np.linalg.norm(path[k + 2] - path[k + 1]) - np.linalg.norm(path[k + 1] - path[k])
        pulls.append(force + (_SPRING * stretch - along) * tangent)
        across = max(across, float(np.abs(force - along * tangent).max()))
    return pulls, across


def _highest(images: list[_Image], ends: tuple[Floats, Floats], levels: tuple[float, float]) -> Floats:
    """Return the highest point of the band, where cubics through energies and slopes of its images have it."""
    path = np.array([ends[0], *(one.positions for one in images), ends[1]])
    energies = np.array([levels[0], *(one.seen.energy for one in images), levels[1]])
    forces = np.array([np.zeros_like(ends[0]), *(one.seen.forces for one in images), np.zeros_like(ends[0])])
    best, where = -np.inf, path[0]
    fine = np.linspace(0.0, 1.0, 41)
    for k in range(len(path) - 1):
        step = path[k + 1] - path[k]
        first, last = (-float((forces[m] * step).sum()) for m in (k, k + 1))
        rise = energies[k + 1] - energies[k]
        c3, c2 = first + last - 2.0 * rise, 3.0 * rise - 2.0 * first - last
        curve = energies[k] + fine * (first + fine * (c2 + fine * c3))
        if curve.max() > best:
            best, where = float(curve.max()), path[k] + fine[int(curve.argmax())] * step
    return np.asarray(where)


def _settle(images: list[_Image], ends: tuple[Floats, Floats], levels: tuple[float, float], most: int) -> int:
    """Move the band by FIRE until no image feels more than `_CLOSE` across it; return the steps taken."""
    velocity = [np.zeros_like(one.positions) for one in images]
    dt, mix, uphill = 0.08, 0.1, 0
    for step in range(most):
        energies = np.array([levels[0], *(one.seen.energy for one in images), levels[1]])
        pulls, across = _pulls(images, ends, energies)
        if across < _CLOSE:
            return step
        power = sum(float((p * v).sum()) for p, v in zip(pulls, velocity, strict=True))
        if power > 0.0:
            fast = np.sqrt(sum((v**2).sum() for v in velocity) / sum((p**2).sum() for p in pulls))
            velocity = [(1.0 - mix) * v + mix * fast * p for p, v in zip(pulls, velocity, strict=True)]
            uphill += 1
            if uphill > 5:
                dt, mix = min(1.1 * dt, 0.3), 0.99 * mix
        else:
            velocity, dt, mix, uphill = [np.zeros_like(v) for v in velocity], 0.5 * dt, 0.1, 0
        velocity = [speed + dt * pull for speed, pull in zip(velocity, pulls, strict=True)]
        for image, speed in zip(images, velocity, strict=True):
            move = dt * speed
            move *= min(1.0, _LONGEST_STEP_A / max(float(np.abs(move).max()), 1e-12))
            image.positions = image.positions + move
            image.look(image.seen)
    raise NotConverged(f"the band between two states did not settle in {most} steps; give it more images or steps")


def _operator(stiffness: Stiffness, n: int, hold: float) -> LinearOperator:
    """Return the second derivative as a linear operator, rigid shifts held with a stiffness `hold` (eV/A^2)."""

    def times(x: Floats) -> Floats:
        u = x.reshape(n, 3)
        out, _ = stiffness.times(np.ascontiguousarray(u), np.zeros(6))
        return np.asarray((out + hold * u.mean(axis=0)).ravel())

    return LinearOperator((3 * n, 3 * n), matvec=times, dtype=np.float64)


def lowest_curvatures(
    stiffness: Stiffness, n: int, count: int = 2, *, start: Floats | None = None, tolerance: float = 1e-6
) -> tuple[Floats, Floats]:
    """Return the lowest eigenvalues (count,) in eV/A^2 of the second derivative and their directions (count, n, 3).

    Rigid shifts are left out. `start` (3 n,) is a guess of the lowest direction.

    Raises
    ------
    NotConverged
        When Lanczos' method does not settle.
    """
    if start is None:
        start = np.random.default_rng(0).normal(size=3 * n)  # a fixed start: nothing here is left to chance
    whole = _operator(stiffness, n, 100.0)
    try:
        values, vectors = eigsh(whole, k=count, which="SA", v0=start, tol=tolerance, maxiter=4000)
    except ArpackNoConvergence as fault:
        raise NotConverged(f"curvatures of {n} atoms did not settle: {fault}; relax more tightly") from fault
    order = np.argsort(values)
    return values[order], vectors.T[order].reshape(count, n, 3)


def _righted(stiffness: Stiffness, n: int, values: Floats, modes: Floats) -> LinearOperator:
    """Return the second derivative with its lowest curvatures (k,) along `modes` (k, n, 3) made positive."""
    plain, flat = _operator(stiffness, n, 1.0), modes.reshape(len(values), 3 * n)
    lift = np.maximum(np.abs(values), 0.1) - values

    def times(x: Floats) -> Floats:
        return np.asarray(plain.matvec(x) + (lift * (flat @ x)) @ flat)

    return LinearOperator((3 * n, 3 * n), matvec=times, dtype=np.float64)


def _land(image: _Image, tolerance: float, most: int) -> int:
    """Move an image to the saddle next to it by following its softest direction uphill; return the steps taken.

    Newton's step, made to lead up along the direction of the lowest curvature and down along every other, also where
    curvatures have the wrong sign: in a basin, or on a ridge that parts. The trust radius shrinks where the force grew
    although all signs are right.
    """
    n = len(image.species)
    stiffness: Stiffness | None = None
    radius, last = _LONGEST_STEP_A, np.inf
    mode: Floats | None = None
    for step in range(most):
        seen = image.seen
        force, size = float(np.abs(seen.forces).max()), float(np.linalg.norm(seen.forces))
        if force < tolerance:
            return step
        stiffness = stiffen(image.potential, image.species, seen.bonds, stiffness)
        values, modes = lowest_curvatures(stiffness, n, 3, start=mode, tolerance=1e-3)
        mode = modes[0].ravel()
        grown = size > last and values[0] < 0.0 < values[1]
        radius, last = (0.3 * radius if grown else min(2.0 * radius, _LONGEST_STEP_A)), size
        pull = seen.forces.ravel() - 2.0 * (seen.forces.ravel() @ mode) * mode
        move, _ = minres(_righted(stiffness, n, values, modes), pull, rtol=min(0.1, force), maxiter=500)
        move = move.reshape(n, 3)
        move *= min(1.0, radius / float(np.abs(move).max()))
        image.positions = image.positions + move
        image.look(seen)
    raise NotConverged(f"no saddle was reached in {most} steps (largest force {force:.1e} eV/A)")


def pass_between(
    potential: Potential,
    species: Species,
    cell: Floats,
    start: Floats,
    end: Floats,
    *,
    images: int = 5,
    force_tolerance_eV_per_A: float = 1e-5,
    most_steps: int = 400,
) -> Pass:
    """Find the saddle between two states at rest of the same atoms in the same cell.

    Parameters
    ----------
    potential, species, cell
        What, with cell vectors in rows (A).
    start, end
        (n, 3) positions at rest in A; each atom in the images between which it moves.
    images
        Between the ends; the straight line is where they begin.
    force_tolerance_eV_per_A
        Largest component at the saddle.
    most_steps
        Of the band.

    Raises
    ------
    NotConverged
        When no saddle with one descending direction is found, with twice as many images neither, or the way leads
        through more than a few basins.
    """
    settings = (images, force_tolerance_eV_per_A, most_steps)
    found = _way(potential, species, cell, start, end, settings, _MOST_BASINS)
    highest = max(found, key=lambda one: one.energy)
    return replace(highest, saddles=len(found))


def _way(
    potential: Potential, species: Species, cell: Floats, start: Floats, end: Floats,
    settings: tuple[int, float, int], depth: int,
) -> list[Pass]:  # fmt: skip
    """Return all saddles between two states, basin after basin."""
    images, tolerance, most = settings
    try:
        over, mode = _pass(potential, species, cell, start, end, images, tolerance, most)
    except NotConverged:
        over, mode = _pass(potential, species, cell, start, end, 2 * images + 1, tolerance, most)
    mode *= np.sign((mode * (end - start)).sum())
    feet = [_descended(potential, species, cell, over.positions + sign * _NUDGE_A * mode) for sign in (-1.0, 1.0)]
    found = [over]
    for one, other in ((start, feet[0]), (feet[1], end)):
        if np.abs(one - other - (one - other).mean(axis=0)).max() < _SAME_A:
            continue
        if depth == 0:
            raise NotConverged(f"the way between two states leads through more than {_MOST_BASINS} basins")
        found += _way(potential, species, cell, one, other, settings, depth - 1)
    return found


def _descended(potential: Potential, species: Species, cell: Floats, positions: Floats) -> Floats:
    """Return where a crystal comes to rest below a saddle."""
    end = relax(
        potential, Crystal(species, positions, cell), cell_freedom="fixed", force_tolerance_eV_per_A=1e-4,
        longest_path=1.0, most_steps=100,
    )  # fmt: skip
    return end.crystal.positions


def _pass(
    potential: Potential, species: Species, cell: Floats, start: Floats, end: Floats, images: int, tolerance: float,
    most: int,
) -> tuple[Pass, Floats]:  # fmt: skip
    """Find a saddle with one band, and its descending direction (n, 3), the largest component 1."""
    states = [
        _Image(potential, species, cell, start + (end - start) * (k + 1.0) / (images + 1.0)) for k in range(images)
    ]
    levels = [_Image(potential, species, cell, where).seen.energy for where in (start, end)]
    settled = _settle(states, (start, end), (levels[0], levels[1]), most)
    profile = np.array([levels[0], *(one.seen.energy for one in states), levels[1]])
    top = _Image(potential, species, cell, _highest(states, (start, end), (levels[0], levels[1])))
    landed = _land(top, tolerance, 60)
    curvatures, modes = lowest_curvatures(stiffen(potential, species, top.seen.bonds), len(species))
    if not curvatures[0] < 0.0 < curvatures[1]:
        raise NotConverged(
            f"the stationary point between two states has curvatures {curvatures.round(3).tolist()} eV/A^2, not one "
            "descent; give the band more images"
        )
    force = float(np.abs(top.seen.forces).max())
    over = Pass(top.seen.energy, top.positions, force, curvatures, profile, (settled, landed))
    return over, modes[0] / np.abs(modes[0]).max()
