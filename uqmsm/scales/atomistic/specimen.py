"""What an atomistic stage begins with: the member's own potential, and the alloy's crystal at rest in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port
from uqmsm.scales.upstream import field_of, lattice_of, potential_rows
from uqmsm.stochastic import Given, Operator

if TYPE_CHECKING:
    from uqmsm.physics.atomistic.layers import Layered
    from uqmsm.physics.atomistic.relax import Relaxed
    from uqmsm.physics.atomistic.splines import Potential

__all__ = [
    "foreign_forms",
    "form_port",
    "layered_specimen",
    "member_potential",
    "require_cuts",
    "require_tables",
    "resting_specimen",
]


def require_tables(points: int) -> None:
    """Refuse tables too coarse for forces good to 1e-4 eV/angstrom.

    Raises
    ------
    StudyError
        Below 500 points.
    """
    if points < 500:
        raise StudyError(f"points = {points}: at least 500 points (for forces good to 1e-4 eV/angstrom) are needed")


def require_cuts(side: float, height: float, cuts: int) -> None:
    """Refuse blocks too small to be cut across.

    Raises
    ------
    StudyError
        Below two lattice parameters of width, four of height, or without a cut.
    """
    if side < 2.0 or height < 4.0 or cuts < 1:
        raise StudyError(
            f"side = {side:g}, height = {height:g}, cuts = {cuts}: at least 2 and 4 lattice parameters and 1 cut are "
            "needed"
        )


def form_port(rivals: tuple[Rival, ...]) -> tuple[Port, ...]:
    """Return the port that tells which form a member has drawn, where there are several."""
    return (Port("potential_form", "1"),) if rivals else ()


def foreign_forms(rivals: tuple[Rival, ...], upstream: Mapping[str, Operator]) -> Iterable[str]:
    """Say which forms are not those of the potential, or run in an engine that has no second derivatives for us."""
    law = getattr(field_of(upstream, "potential_form", "parameters"), "law", None)
    if getattr(law, "rivals", rivals) != rivals:
        theirs = ", ".join(rival.name for rival in getattr(law, "rivals", ()))
        yield f"the potential has {theirs} beside the learnt form; name the same rivals here, word for word"
    for rival in rivals:
        if rival.calculator or rival.needs:
            yield f"{rival.name!r} runs in its own engine, and defects need one of our kernel; leave it out of both"


def member_potential(
    given: Given, points: int, cutoff: float | None, rivals: tuple[Rival, ...] = ()
) -> tuple[Potential, float]:
    """Return the member's potential, ready to evaluate, and the lattice parameter (A) of its average atom.

    Where it has drawn one of the rivals, the lattice parameter is that of the learnt form: where to begin, no more.

    Raises
    ------
    Unstable
        When this draw of the potential has no crystal to start from.
    MemberFailed
        When its form is none of our kernel.
    """
    from uqmsm.physics.atomistic.splines import interpolate
    from uqmsm.physics.potential.average_atom import average_atom
    from uqmsm.physics.potential.tabulated import Tables, tabulate
    from uqmsm.physics.potential.zhou import Zhou

    symbols, rows = potential_rows(given)
    zhou = Zhou(symbols, given["potential_parameters"][rows])
    start = float(average_atom(zhou.values, given["composition"], lattice_of(given)).lattice_parameter)
    if not np.isfinite(start):
        raise Unstable("this draw of the potential has no average-atom crystal to start from")
    form = int(given["potential_form"]) if rivals else 0
    if form == 0:
        return interpolate(tabulate(zhou, points_r=points, points_rho=points, cutoff_angstrom=cutoff)), start
    engine = rivals[form - 1].engine(symbols) if form <= len(rivals) else None
    if not isinstance(engine, Tables):
        raise MemberFailed(f"form {form} of the potential is none of our kernel; name rivals of tables here")
    return interpolate(engine), start


def resting_specimen(
    given: Given, points: int, cutoff: float | None, rivals: tuple[Rival, ...] = ()
) -> tuple[Potential, Relaxed]:
    """Return the member's potential and the alloy's specimen at rest in it."""
    from uqmsm.physics.alloy import sites
    from uqmsm.physics.atomistic.relax import Crystal, relax

    potential, start = member_potential(given, points, cutoff, rivals)
    cell = start * np.asarray(given["cell_vectors"], dtype=np.float64)
    species = np.ascontiguousarray(given["species"], dtype=np.int64)
    positions = sites(lattice_of(given), given["cell_vectors"]) @ cell
    return potential, relax(potential, Crystal(species, positions, cell))


def layered_specimen(
    given: Given,
    points: int,
    cutoff: float | None,
    vectors: NDArray[np.float64],
    rng: np.random.Generator,
    rivals: tuple[Rival, ...] = (),
) -> tuple[Potential, Layered]:
    """Return the member's potential and a fresh random arrangement of the alloy, at rest, in a block across a plane."""
    from uqmsm.physics.alloy import configuration, sites
    from uqmsm.physics.atomistic.layers import stacked

    potential, start = member_potential(given, points, cutoff, rivals)
    lattice = lattice_of(given)
    species = configuration(given["composition"], vectors, lattice, rng)
    return potential, stacked(potential, species, sites(lattice, vectors), vectors, start)
