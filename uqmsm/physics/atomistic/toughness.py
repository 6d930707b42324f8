"""How tough a crystal is: the stress intensities between which the tip of a crack rests, and what happens beyond them.

A continuum's crack grows at Griffith's K_G. One of atoms rests anywhere between K-, where its last row of bonds heals,
and K+, where its next one breaks (R. Thomson, C. Hsieh and V. Rana, J. Appl. Phys. 42, 3154, 1971). The load is raised
and lowered in steps from K_G, each from the atoms of the one before, and the last step is halved until it is fine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from uqmsm.errors import NotConverged
from uqmsm.physics.atomistic.cracks import Specimen, Tip

__all__ = ["GPA_ROOT_A_PER_MPA_ROOT_M", "Driven", "Toughness", "driven", "toughness"]

Event = Literal["grows", "heals", "emits"]

GPA_ROOT_A_PER_MPA_ROOT_M = 100.0
"""1 MPa sqrt(m) in GPa sqrt(A)."""
_SLIPPED = 0.4
"""Of the lattice parameter: neighbours part by 0.87 where a dislocation passes, by 0.3 in a steep elastic field."""
_BEGINNINGS = (1.0, 0.9, 0.8)
_ROW = 0.75
"""Of the distance of rows: the tip has passed one. It moves by up to half of one while all bonds hold."""


@dataclass(frozen=True)
class Driven:
    """What a load has done to a tip.

    Attributes
    ----------
    intensity
        K_I (GPa sqrt(A)) of the event, the middle of the last step.
    event
        "grows", "heals", or "emits": slip has left the tip.
    last, next
        Tips at rest before and after it.
    loads
        Loads put on.
    """

    intensity: float
    event: Event
    last: Tip
    next: Tip
    loads: int


@dataclass(frozen=True)
class Toughness:
    """Stress intensities (GPa sqrt(A)) of one tip.

    Attributes
    ----------
    griffith
        K_G of the elastic field and of the surface energy of the crack's own plane.
    retreat
        K-: the last row of broken bonds heals.
    start
        K+: the next row breaks, or a dislocation leaves.
    critical
        The crack has grown by all the rows asked, or a dislocation leaves.
    emits
        Whether a dislocation has ended it.
    loads
        Loads put on.
    """

    griffith: float
    retreat: float
    start: float
    critical: float
    emits: bool
    loads: int


def driven(
    specimen: Specimen, tip: Tip, rows: int, *, origin_A: float, step: float, fine: float, most: float
) -> Driven:
    """Load a tip until it has passed some rows, or emits a dislocation.

    Parameters
    ----------
    specimen, tip
        Where to begin.
    rows
        How many rows to pass; negative: heal so many, under a falling load.
    origin_A
        x from which they are counted.
    step, fine
        (GPa sqrt(A)) of the load, at first, and at most in the end.
    most
        (GPa sqrt(A)) beyond which to give up.

    Raises
    ------
    NotConverged
        When nothing happens up to `most` (or down to nothing).
    Unstable
        When atoms do not come to rest.
    """
    sign, loads = (1.0 if rows > 0 else -1.0), 0
    goal = (abs(rows) - 1 + _ROW) * specimen.around.stride
    while 0.0 < tip.intensity + sign * step <= most:
        then = specimen.at_rest(tip, tip.intensity + sign * step)
        loads += 1
        emits = rows > 0 and then.slip > _SLIPPED * specimen.around.lattice_parameter
        passed = sign * (then.place - origin_A) > goal
        if not (emits or passed):
            tip = then
        elif step > fine:
            step *= 0.5
        else:
            event: Event = "emits" if emits else "grows" if rows > 0 else "heals"
            return Driven(0.5 * (tip.intensity + then.intensity), event, tip, then, loads)
    raise NotConverged(
        f"the crack has not passed {abs(rows)} rows at K = {tip.intensity / GPA_ROOT_A_PER_MPA_ROOT_M:.3g} MPa sqrt(m) "
        "and no dislocation has left; another plane or front of cleavage may"
    )


def toughness(specimen: Specimen, *, rows: int = 4, step: float = 0.01, fine: float = 0.005) -> Toughness:
    """Measure between which stress intensities a tip rests, and which one drives it on.

    Parameters
    ----------
    specimen
        From `cracks.specimen`.
    rows
        Rows of bonds that a critical crack passes.
    step, fine
        Of the load, in K_G: at first, and the accuracy. The rows of an alloy break one atom after the other, and a step
        of 0.04 meeting several at once takes another path than the load would (0.01 and 0.02 of the critical K in two
        tips of three); one of 0.01 does not, and costs no more: atoms are found close to rest.

    Raises
    ------
    NotConverged
        When the crack does not rest near the centre of the disc at K_G; when nothing happens up to 2.5 K_G.
    Unstable
        When atoms do not come to rest.
    """
    griffith = specimen.field.griffith(specimen.surface_energy)
    start = _begun(specimen, griffith)
    sizes = {"origin_A": start.place, "step": step * griffith, "fine": fine * griffith, "most": 2.5 * griffith}
    back = driven(specimen, start, -1, **sizes)
    first = driven(specimen, start, 1, **sizes)
    loads = 1 + back.loads + first.loads
    if first.event == "emits":
        return Toughness(griffith, back.intensity, first.intensity, first.intensity, True, loads)
    end = first
    if first.next.place - start.place < (rows - 1 + _ROW) * specimen.around.stride:
        end = driven(specimen, first.next, rows, **sizes)
        loads += end.loads
    return Toughness(griffith, back.intensity, first.intensity, end.intensity, end.event == "emits", loads)


def _begun(specimen: Specimen, griffith: float) -> Tip:
    """Return a tip at rest at K_G, or below it where a dislocation leaves before."""
    for share in _BEGINNINGS:
        tip = specimen.begin(share * griffith)
        if not abs(tip.place) < 0.5 * specimen.around.radius:
            raise NotConverged(
                f"at {share:g} K_G the crack does not stay in the disc (its tip comes to x = {tip.place:.1f} A of "
                f"{specimen.around.radius:g} A); a larger radius may hold it"
            )
        if tip.slip <= _SLIPPED * specimen.around.lattice_parameter:
            return tip
    raise NotConverged(
        f"a dislocation leaves the crack below {_BEGINNINGS[-1]:g} K_G, where the crack would heal; this plane is not "
        "one of cleavage in this potential"
    )
