"""On which planes and along which directions crystals slip, and how slip on one system hardens the others."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import permutations, product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Interaction", "SlipFamilies", "interaction_matrix", "schmid_tensors", "slip_systems"]

Array = NDArray[np.float64]
SlipFamilies = Literal["fcc", "bcc_110", "bcc_110_112", "bcc_110_112_123"]

_PLANES_AND_DIRECTIONS: dict[str, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]] = {
    "fcc": (((1, 1, 1), (1, 1, 0)),),
    "bcc_110": (((1, 1, 0), (1, 1, 1)),),
    "bcc_110_112": (((1, 1, 0), (1, 1, 1)), ((1, 1, 2), (1, 1, 1))),
    "bcc_110_112_123": (((1, 1, 0), (1, 1, 1)), ((1, 1, 2), (1, 1, 1)), ((1, 2, 3), (1, 1, 1))),
}


@dataclass(frozen=True)
class Interaction:
    """How much slip on one system hardens another, by what their dislocations do when they meet.

    Attributes
    ----------
    own, coplanar, collinear
        The system itself; another direction in its plane; its direction in another plane.
    hirth, glissile, lomer
        Of fcc crystals: Burgers vectors at right angles; those whose sum glides in one of the two planes; those whose
        sum does not. In bcc crystals all other pairs take `glissile`.
    """

    own: float = 1.0
    coplanar: float = 1.0
    collinear: float = 1.4
    hirth: float = 1.4
    glissile: float = 1.4
    lomer: float = 1.4

    def __post_init__(self) -> None:
        """Refuse what would soften without end."""
        if not min(astuple(self)) >= 0.0 or not self.own > 0.0:
            raise StudyError(f"interaction {astuple(self)}: coefficients are not negative, and the own one is positive")


@lru_cache(maxsize=8)
def slip_systems(families: SlipFamilies) -> tuple[Array, Array]:
    """Return unit plane normals and slip directions, ``(systems, 3)`` each, in crystal axes.

    Parameters
    ----------
    families
        ``"fcc"`` {111}<110> (12 systems), ``"bcc_110"`` {110}<111> (12), ``"bcc_110_112"`` with {112}<111> too (24), or
        ``"bcc_110_112_123"`` with {123}<111> as well (48).

    Raises
    ------
    StudyError
        When the name is none of these.
    """
    if families not in get_args(SlipFamilies):
        raise StudyError(f"slip on {families!r} is unknown; choose one of {', '.join(get_args(SlipFamilies))}")
    normals, directions = [], []
    for plane, direction in _PLANES_AND_DIRECTIONS[families]:
        for n, b in product(_up_to_sign(plane), _up_to_sign(direction)):
            if np.dot(n, b) == 0:
                normals.append(np.array(n) / np.linalg.norm(n))
                directions.append(np.array(b) / np.linalg.norm(b))
    pair = np.array(normals), np.array(directions)
    for one in pair:
        one.flags.writeable = False
    return pair


@lru_cache(maxsize=8)
def schmid_tensors(families: SlipFamilies) -> Array:
    """Return the symmetric Schmid tensors of all slip systems, ``(systems, 3, 3)``, in crystal axes.

    Parameters and errors as `slip_systems`.
    """
    normals, directions = slip_systems(families)
    dyads = directions[:, :, None] * normals[:, None, :]
    result = 0.5 * (dyads + dyads.transpose(0, 2, 1))
    result.flags.writeable = False
    return result


def _up_to_sign(indices: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the crystallographically equal index triples, one of each opposite pair."""
    family = {
        tuple(s * v for s, v in zip(signs, order, strict=True))
        for order in permutations(indices)
        for signs in product((1, -1), repeat=3)
    }
    return sorted(triple for triple in family if triple > tuple(-v for v in triple))


def interaction_matrix(families: SlipFamilies, interaction: Interaction) -> Array:
    """Return ``(systems, systems)``: how much slip on the second system hardens the first, symmetric.

    The classes are those of dislocation reactions (P. Franciosi, A. Zaoui, Acta Metall. 30, 1982, 1627).

    Raises
    ------
    StudyError
        When the name of the slip families is unknown.
    """
    normals, directions = slip_systems(families)
    planes, lines = np.abs(normals @ normals.T), np.abs(directions @ directions.T)
    same_plane, same_line = planes > 1.0 - 1e-9, lines > 1.0 - 1e-9
    found = np.full(planes.shape, interaction.glissile)
    if families == "fcc":
        found[~_glide_on(normals, directions)] = interaction.lomer
        found[lines < 1e-9] = interaction.hirth
    found[same_line] = interaction.collinear
    found[same_plane & ~same_line] = interaction.coplanar
    found[same_plane & same_line] = interaction.own
    return found


def _glide_on(normals: Array, directions: Array) -> NDArray[np.bool_]:
    """Tell which pairs react to a Burgers vector that lies in one of their two planes."""
    # of b1 + b2 and b1 - b2 the shorter one is the product of the reaction
    signs = np.where(directions @ directions.T > 0.0, -1.0, 1.0)
    together = directions[:, None, :] + signs[:, :, None] * directions[None, :, :]
    first = np.abs(np.einsum("abk,ak->ab", together, normals)) < 1e-9
    second = np.abs(np.einsum("abk,bk->ab", together, normals)) < 1e-9
    return np.asarray(first | second)
