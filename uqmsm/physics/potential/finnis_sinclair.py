"""The Finnis-Sinclair potential of bcc metals: bonds as the root of a density, and a short pair repulsion.

``E = sum_i -A sqrt(rho_i) + 1/2 sum_ij V(r_ij)``, with ``rho_i = sum_j (r_ij - d)^2`` and
``V(r) = (r - c)^2 (c0 + c1 r + c2 r^2)``, each within its own cutoff. M. W. Finnis and J. E. Sinclair,
Philos. Mag. A 50, 45 (1984). Seven numbers an element meet lattice, cohesion and elastic constants exactly, where
`uqmsm.physics.potential.zhou` has an exponential repulsion and a density that is fitted: a second opinion that needs no
engine but our own.

The paper speaks of elements. For alloys A^2 goes into the density of the atom that spreads it (second moments of unlike
bonds then lie between those of like ones), and unlike atoms repel with the mean of their elements' V. That is a choice,
and how wrong it is for an alloy is for data of alloys to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential.tabulated import CLAMP_ANGSTROM, Tables

__all__ = ["finnis_sinclair_1984"]

_TABLE = "finnis_sinclair_1984.csv"
_BEYOND_ANGSTROM = 0.1  # so that the tables end where everything has been zero for some points
_LARGEST_DENSITY_EV2 = 600.0  # five times that of tungsten at rest


def finnis_sinclair_1984(elements: Sequence[str], points: int = 10_000) -> Tables:
    """Return the potential of some elements as tables.

    Parameters
    ----------
    elements
        Chemical symbols in the order of the species' numbers: of V, Nb, Ta, Mo, W.
    points
        Grid points of distances and densities.

    Raises
    ------
    StudyError
        When there are no parameters of an element.
    """
    rows = {row["element"]: row for row in tables.rows(_TABLE)}
    absent = [element for element in elements if element not in rows]
    if absent:
        raise StudyError(
            f"the potential of Finnis and Sinclair (1984) has no parameters for {', '.join(absent)}; its elements are "
            f"{', '.join(rows)}"
        )
    found = [rows[element] for element in elements]
    reach, scale, end = (
        np.array([float(row[key]) for row in found])[:, None]
        for key in ("d_angstrom", "A_eV_per_angstrom", "c_angstrom")
    )
    polynomial = [
        np.array([float(row[key]) for row in found])[:, None]
        for key in ("c0_eV_per_angstrom2", "c1_eV_per_angstrom3", "c2_eV_per_angstrom4")
    ]
    cutoff = float(max(reach.max(), end.max())) + _BEYOND_ANGSTROM
    r = np.maximum(np.linspace(0.0, cutoff, points), CLAMP_ANGSTROM)
    density = np.where(r < reach, scale**2 * (r - reach) ** 2, 0.0)
    own = np.where(r < end, (r - end) ** 2 * (polynomial[0] + polynomial[1] * r + polynomial[2] * r**2), 0.0)
    rho = np.linspace(0.0, _LARGEST_DENSITY_EV2, points)
    return Tables(
        elements=tuple(elements),
        r_step=cutoff / (points - 1),
        cutoff=cutoff,
        rho_step=_LARGEST_DENSITY_EV2 / (points - 1),
        density=density,
        pair=0.5 * (own[:, None] + own[None, :]),
        embedding=np.tile(-np.sqrt(rho), (len(found), 1)),
    )
