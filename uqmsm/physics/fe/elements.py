"""Lines, triangles, quadrilaterals, tetrahedra and hexahedra: nodes, shape functions and faces, as one table.

An element is the list of its nodes and the monomials it spans; its shape functions are those combinations of the
monomials that are one at their own node and zero at all others. Nodes are ordered as VTK orders them: corners first,
then the middles of the sides (Zienkiewicz and Taylor, The Finite Element Method, vol. 1, ch. 8). The outward side of a
face is that from which its corners go round counter-clockwise; along an edge in the plane the material is on the left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["ELEMENTS", "Element", "element", "shape"]

Floats = NDArray[np.float64]
Point = tuple[float, ...]


@dataclass(frozen=True)
class Element:
    """One kind of element.

    Attributes
    ----------
    name : str
        Form and number of nodes, such as ``hex8``.
    form : str
        ``line``, ``tri``, ``quad``, ``tet`` or ``hex``; lines, quads and hexes live in [-1, 1]^d, the others in the
        unit simplex.
    order : int
        1 or 2.
    nodes : tuple of points
    powers : tuple of tuples of int
        Exponents of the monomials.
    facets : tuple of tuples of int
        Nodes of each face (edge in the plane), corners first.
    facet : str
        Which element a face is; empty for lines.
    """

    name: str
    form: str
    order: int
    nodes: tuple[Point, ...]
    powers: tuple[tuple[int, ...], ...]
    facets: tuple[tuple[int, ...], ...]
    facet: str

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.nodes[0])

    @property
    def corners(self) -> int:
        """Number of corners."""
        return {"line": 2, "tri": 3, "quad": 4, "tet": 4, "hex": 8}[self.form]


_CORNERS: dict[str, tuple[Point, ...]] = {
    "line": ((-1.0,), (1.0,)),
    "tri": ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),
    "quad": ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)),
    "tet": ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "hex": tuple((x, y, z) for z in (-1.0, 1.0) for x, y in ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))),
}
_SIDES: dict[str, tuple[tuple[int, int], ...]] = {
    "line": ((0, 1),),
    "tri": ((0, 1), (1, 2), (2, 0)),
    "quad": ((0, 1), (1, 2), (2, 3), (3, 0)),
    "tet": ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)),
    "hex": (
        *((0, 1), (1, 2), (2, 3), (3, 0)),
        *((4, 5), (5, 6), (6, 7), (7, 4)),
        *((0, 4), (1, 5), (2, 6), (3, 7)),
    ),
}
_FACES: dict[str, tuple[tuple[int, ...], ...]] = {
    "line": (),
    "tri": _SIDES["tri"],
    "quad": _SIDES["quad"],
    "tet": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)),
    "hex": ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
}
_CENTRES: dict[str, tuple[Point, ...]] = {
    "quad9": ((0.0, 0.0),),
    "hex27": (
        *((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 1.0, 0.0)),
        *((0.0, 0.0, -1.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)),
    ),
}
# name -> form, order, element of the faces
_KINDS: dict[str, tuple[str, int, str]] = {
    "line2": ("line", 1, ""),
    "line3": ("line", 2, ""),
    "tri3": ("tri", 1, "line2"),
    "tri6": ("tri", 2, "line3"),
    "quad4": ("quad", 1, "line2"),
    "quad8": ("quad", 2, "line3"),
    "quad9": ("quad", 2, "line3"),
    "tet4": ("tet", 1, "tri3"),
    "tet10": ("tet", 2, "tri6"),
    "hex8": ("hex", 1, "quad4"),
    "hex20": ("hex", 2, "quad8"),
    "hex27": ("hex", 2, "quad9"),
}


def _middle(points: tuple[Point, ...]) -> Point:
    """Return the mean of some points."""
    return tuple(sum(axis) / len(points) for axis in zip(*points, strict=True))


def _powers(form: str, order: int, *, serendipity: bool) -> tuple[tuple[int, ...], ...]:
    """Return the monomials: complete in simplices, products in cubes; serendipity: at most `order` beyond linear."""
    dimension = len(_CORNERS[form][0])
    every = itertools.product(range(order + 1), repeat=dimension)
    if form in {"tri", "tet"}:
        return tuple(p for p in every if sum(p) <= order)
    return tuple(p for p in every if not serendipity or sum(a for a in p if a > 1) <= order)


def _make(name: str) -> Element:
    """Lay out one kind."""
    form, order, facet = _KINDS[name]
    corners = _CORNERS[form]
    nodes = corners
    if order == 2:
        middles = tuple(_middle((corners[a], corners[b])) for a, b in _SIDES[form])
        nodes = corners + middles + _CENTRES.get(name, ())
    place = {point: k for k, point in enumerate(nodes)}
    facets = []
    for face in _FACES[form]:
        whole = list(face)
        if order == 2:
            count = 1 if len(face) == 2 else len(face)
            pairs = [(face[k], face[(k + 1) % len(face)]) for k in range(count)]
            whole += [place[_middle((corners[a], corners[b]))] for a, b in pairs]
            if facet == "quad9":
                whole.append(place[_middle(tuple(corners[a] for a in face))])
        facets.append(tuple(whole))
    powers = _powers(form, order, serendipity=name in {"quad8", "hex20"})
    return Element(name, form, order, nodes, powers, tuple(facets), facet)


ELEMENTS: dict[str, Element] = {name: _make(name) for name in _KINDS}
"""All kinds by name."""


def element(name: str) -> Element:
    """Return a kind of element by its name.

    Raises
    ------
    StudyError
        When there is none.
    """
    if name not in ELEMENTS:
        raise StudyError(f"elements: there is no element {name!r}; choose one of {', '.join(ELEMENTS)}")
    return ELEMENTS[name]


@cache
def _coefficients(name: str) -> Floats:
    """Return what each monomial, in rows, contributes to each shape function, in columns."""
    kind = ELEMENTS[name]
    return np.asarray(np.linalg.inv(_monomials(kind, np.array(kind.nodes))))


def _monomials(kind: Element, points: Floats) -> Floats:
    return np.asarray(np.prod(points[:, None, :] ** np.array(kind.powers), axis=-1))


def shape(name: str, points: Floats) -> tuple[Floats, Floats]:
    """Return shape functions and their gradients at reference points.

    Parameters
    ----------
    name : str
        Of the element.
    points : ndarray, shape (points, d)

    Returns
    -------
    values : ndarray, shape (points, nodes)
    gradients : ndarray, shape (points, d, nodes)

    Raises
    ------
    StudyError
        When there is no such element.
    """
    kind = element(name)
    at = np.asarray(points, dtype=np.float64)
    powers, coefficients = np.array(kind.powers), _coefficients(name)
    gradients = np.empty((len(at), kind.dimension, len(kind.nodes)))
    for axis in range(kind.dimension):
        lowered = powers.copy()
        lowered[:, axis] = np.maximum(powers[:, axis] - 1, 0)
        terms = np.prod(at[:, None, :] ** lowered, axis=-1) * powers[:, axis]
        gradients[:, axis] = terms @ coefficients
    return _monomials(kind, at) @ coefficients, gradients
