"""The second-nearest-neighbour MEAM of Choi et al. for Co, Cr, Fe, Mn and Ni, written as the files that LAMMPS reads.

Its form bends bonds, which no embedded-atom form does: a second opinion on the Cantor family from outside the family
that is calibrated here. W.-M. Choi, Y. H. Jo, S. S. Sohn, S. Lee and B.-J. Lee, npj Comput. Mater. 4, 1 (2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential.engines import LammpsPotential

__all__ = ["CHOI_2018", "choi_2018"]

CHOI_2018 = ("Co", "Ni", "Cr", "Fe", "Mn")
"""The elements, in the order of the library."""

_TABLE = "choi2018_2nnmeam_parameters.csv"
_LINES = (
    ("alpha", "b0", "b1", "b2", "b3", "alat", "esub", "asub"),
    ("t0", "t1", "t2", "t3", "rozero", "ibar"),
)


def choi_2018(elements: Sequence[str]) -> LammpsPotential:
    """Return the potential for some of its elements.

    Parameters
    ----------
    elements
        Chemical symbols in the order of the species' numbers.

    Raises
    ------
    StudyError
        When it has no such element.
    """
    absent = [element for element in elements if element not in CHOI_2018]
    if absent:
        raise StudyError(
            f"the 2NN-MEAM of Choi 2018 has no parameters for {', '.join(absent)}; its elements are "
            f"{', '.join(CHOI_2018)}"
        )
    rows = tables.rows(_TABLE)
    coefficients = f"* * library.meam {' '.join(CHOI_2018)} alloy.meam {' '.join(elements)}"
    return LammpsPotential("meam", (coefficients,), texts={"library.meam": _library(rows), "alloy.meam": _alloy(rows)})


def _library(rows: Sequence[Mapping[str, str]]) -> str:
    known = {(row["species_i"], row["parameter"]): row["value"] for row in rows if row["block"] == "library"}
    lines = ["# elt lat z ielement atwt / alpha b0 b1 b2 b3 alat esub asub / t0 t1 t2 t3 rozero ibar"]
    for element in CHOI_2018:
        first = [f"'{known[element, 'lattice']}'", *(known[element, key] for key in ("z", "ielement", "atwt"))]
        lines.append(" ".join([f"'{element}'", *first]))
        lines += [" ".join(known[element, key] for key in keys) for keys in _LINES]
    return "\n".join(lines) + "\n"


def _alloy(rows: Sequence[Mapping[str, str]]) -> str:
    lines = []
    for row in rows:
        if row["block"] != "pair_file":
            continue
        species = [row[key] for key in ("species_i", "species_j", "species_k") if row[key]]
        places = ",".join(str(CHOI_2018.index(one) + 1) for one in species)
        value = f"'{row['value']}'" if row["parameter"] == "lattce" else row["value"]
        lines.append(f"{row['parameter']}{f'({places})' if places else ''} = {value}")
    return "\n".join(lines) + "\n"
