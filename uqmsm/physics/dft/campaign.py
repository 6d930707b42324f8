"""What the shipped reference set consists of: which cells of which material, at which settings, and in which order.

Volumes are fractions of the all-electron PBE volume of the element (Bosoni et al., Nat. Rev. Phys. 6, 45, 2024), wide
enough for the minima of all functionals of the BEEF-vdW ensemble.

What limits shear moduli of these metals is the integration over the Brillouin zone: a strain of 3 % raises the energy
by 10 to 30 meV, and 14 divisions with 0.2 eV of smearing leave 2 to 8 meV, which grow or shrink with the strain. The
elements of group 6 (Mo, W), where this hurts most, are integrated by tetrahedra too.
"""

from __future__ import annotations

import numpy as np

from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import Calculation, Settings, bcc_cell, bcc_elastic, bcc_volumes, refined
from uqmsm.physics.dft.engine import TETRAHEDRA, Cell
from uqmsm.physics.dft.orientations import orientations
from uqmsm.physics.dft.quasirandom import quasirandom
from uqmsm.physics.dft.strains import STRAINS, gradient

__all__ = [
    "CENTRAL_VOLUME_A3",
    "DIVISIONS",
    "SHEAR_DIVISIONS",
    "alloy_equation",
    "alloy_shears",
    "alloys",
    "element_settings",
    "equation",
    "everything",
    "shears",
    "tetrahedra",
]

CENTRAL_VOLUME_A3 = {"Mo": 15.792581, "Nb": 18.141501, "Ta": 18.291992, "V": 13.460765, "W": 16.145475}
"""All-electron PBE volume per atom, average of two codes (Bosoni et al. 2024, unaries, bcc)."""

VOLUMES = (0.88, 0.94, 0.97, 1.00, 1.03, 1.07, 1.14)
SHEARED = (1.00, 1.07, 0.94)
"""Volumes of the equation of state and, the most important first, of the shear moduli."""

ALLOY_VOLUMES = (1.00, 1.06, 0.95, 1.13, 0.89)
SPARSE = (0.94, 1.00, 1.07)
ALLOY_DIVISIONS = 8
OTHER_DIVISIONS = {"Mo": (10, 18), "W": (10, 18), "Nb": (16,), "Ta": (16,), "V": (16,)}
"""Of the checks: volumes of equations of state, divisions of shears."""

BINARIES = (("Mo", "Ta"), ("Nb", "W"), ("Mo", "Nb"), ("Ta", "W"), ("Mo", "W"), ("Nb", "Ta"))

SIZE = 0.03
LARGE = 0.045
ALLOY_SIZE = 0.05
"""Sizes of the strains; the large one, at the central volume, measures the fourth-order term. Alloys have few k-points,
whose error a larger strain makes smaller."""

TETRAHEDRAL = {"Mo": (14, 18), "W": (14, 18), "Nb": (14,), "Ta": (14,), "V": (14,)}
"""Divisions of shears that are integrated by tetrahedra."""

DIVISIONS = {"Mo": 14, "W": 14, "Nb": 16, "Ta": 16, "V": 16}
SHEAR_DIVISIONS = {"Mo": 14, "W": 14, "Nb": 20, "Ta": 20, "V": 20}
"""Divisions of the primitive cell's reciprocal vectors for equations of state and for shears."""


def element_settings(element: str, functional: str = "BEEF-vdW", divisions: dict[str, int] = DIVISIONS) -> Settings:
    """Return the settings of an element's cells.

    Raises
    ------
    StudyError
        When the reference set has no such element.
    """
    if element not in divisions:
        raise StudyError(f"element {element!r} is not in the reference set; it has {', '.join(divisions)}")
    n = divisions[element]
    return Settings(functional, 400.0, (n, n, n), "methfessel-paxton", 0.2, (14, 14, 14))


def equation(element: str, functional: str = "BEEF-vdW") -> list[Calculation]:
    """Return the equation of state of an element, the volumes nearest to the central one first."""
    order = sorted(VOLUMES, key=lambda ratio: abs(ratio - 1.01))
    volumes = [ratio * CENTRAL_VOLUME_A3[element] for ratio in order]
    return bcc_volumes(element, volumes, element_settings(element, functional))


def shears(element: str, ratio: float, sizes: tuple[float, ...] = (SIZE,)) -> list[Calculation]:
    """Return an element unstrained and strained at one of the volumes of `SHEARED`, by the sizes given."""
    settings, volume = element_settings(element, divisions=SHEAR_DIVISIONS), ratio * CENTRAL_VOLUME_A3[element]
    strains = dict.fromkeys(("orthorhombic", "monoclinic"), sizes)
    return bcc_volumes(element, [volume], settings) + bcc_elastic(element, volume, strains, settings)


def tetrahedra(element: str, divisions: int) -> list[Calculation]:
    """Return an element unstrained and strained at its central volume, integrated by tetrahedra instead of smeared."""
    return refined(shears(element, SHEARED[0]), kpoints=(divisions,) * 3, smearing=TETRAHEDRA, width_eV=0.0)


def alloys() -> dict[str, Cell]:
    """Return the cells of alloys at one cubic angstrom an atom: quasirandom MoNbTaW and MoNbTaVW, and the B2 binaries.

    Atoms rest on the sites of the perfect lattice, where forces tell what they would do.
    """
    # all arrangements of so few atoms are tried: the generator is never asked
    rng = np.random.default_rng(0)
    cells = {
        f"{''.join(names)}-{len(names)}": quasirandom(dict.fromkeys(names, 1), rng).cell(1.0)
        for names in (("Mo", "Nb", "Ta", "W"), ("Mo", "Nb", "Ta", "V", "W"))
    }
    places = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    for pair in BINARIES:
        cells["".join(pair) + "-B2"] = Cell(pair, np.eye(3) * 2.0 ** (1.0 / 3.0), places)
    return cells


def alloy_equation(name: str, divisions: int) -> list[Calculation]:
    """Return the equation of state of one of `alloys`, with forces and stress, the central volume first.

    Parameters
    ----------
    name
        One of `alloys`.
    divisions
        k-points as dense as so many divisions of an element's primitive cell.
    """
    cell = alloys()[name]
    centre = float(np.mean([CENTRAL_VOLUME_A3[element] for element in cell.symbols]))
    lengths = np.linalg.norm(cell.vectors, axis=1) * centre ** (1.0 / 3.0)
    # the length of the reciprocal vectors, against that of an element's of the same volume
    reciprocal = np.linalg.norm(np.linalg.inv(cell.vectors), axis=0)
    element = np.linalg.norm(np.linalg.inv(bcc_cell("W", 1.0).vectors), axis=0)[0]
    n = [max(1, int(np.ceil(divisions * ratio - 1e-9))) for ratio in reciprocal / element]
    # points of the grid a fifth of an angstrom apart, in products of small primes
    g = [_smooth(length / 0.2) for length in lengths]
    settings = Settings("BEEF-vdW", 400.0, (n[0], n[1], n[2]), "methfessel-paxton", 0.2, (g[0], g[1], g[2]))
    return [
        Calculation(name, "volume", 0.0, _scaled(cell, ratio * centre), settings, forces=True, stress=True)
        for ratio in ALLOY_VOLUMES
    ]


def alloy_shears(name: str, divisions: int) -> list[Calculation]:
    """Return one of `alloys` at its central volume and under the strains that its cubic average needs."""
    rest = alloy_equation(name, divisions)[0]
    strained = [
        Calculation(name, role, sign * ALLOY_SIZE, rest.cell.deformed(gradient(role, sign * ALLOY_SIZE)), rest.settings)
        for strain in STRAINS
        for role, sign in orientations(rest.cell, strain)
    ]
    return [rest, *strained]


def _scaled(cell: Cell, volume_A3: float) -> Cell:
    return Cell(cell.symbols, cell.vectors * (volume_A3 / cell.volume) ** (1.0 / 3.0), cell.scaled)


def _smooth(wanted: float) -> int:
    """Return the smallest even number not below, whose only primes are 2, 3, 5 and 7."""
    number = 2 * int(np.ceil(wanted / 2.0))
    while not _only_small_primes(number):
        number += 2
    return number


def _only_small_primes(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


def everything() -> list[Calculation]:
    """Return the whole campaign in the order of its worth: equations, the alloy, shears, binaries, numerical errors.

    A cell may be listed twice; it is computed once.
    """
    names = ("W", "Nb", "Mo", "Ta", "V")
    wanted = [one for name in names for one in equation(name)]
    wanted += alloy_equation("MoNbTaW-4", ALLOY_DIVISIONS)
    wanted += [one for name in names for ratio in SHEARED[:2] for one in shears(name, ratio)]
    wanted += [one for name in names for n in TETRAHEDRAL[name] for one in tetrahedra(name, n)]
    wanted += alloy_shears("MoNbTaW-4", ALLOY_DIVISIONS) + _alloy_check()
    wanted += _binary("Mo", "Ta") + _binary("Nb", "W") + alloy_equation("MoNbTaVW-5", ALLOY_DIVISIONS)
    wanted += [one for name in ("Nb", "Ta", "W", "V", "Mo") for one in curve_checks(name)]
    wanted += [one for name in names for one in _shear_checks(name)]
    wanted += [one for pair in BINARIES[2:] for one in _binary(*pair)]
    wanted += [one for name in names for one in shears(name, SHEARED[2])]
    return wanted + alloy_shears("MoNbTaVW-5", ALLOY_DIVISIONS)


def _shear_checks(element: str) -> list[Calculation]:
    """Return the shears of an element at the central volume with other k-points, and larger."""
    first = shears(element, SHEARED[0])
    others = [one for n in OTHER_DIVISIONS[element] for one in refined(first, kpoints=(n, n, n))]
    return [*shears(element, SHEARED[0], (LARGE,)), *others]


def _binary(one: str, other: str) -> list[Calculation]:
    return alloy_equation(f"{one}{other}-B2", 14)


def _alloy_check() -> list[Calculation]:
    """Return one volume of three alloys with other k-points."""
    four, five = (alloy_equation(name, ALLOY_DIVISIONS)[:1] for name in ("MoNbTaW-4", "MoNbTaVW-5"))
    others = [one for n in ((5, 3, 3), (10, 6, 6)) for one in refined(four, kpoints=n)]
    others += [one for n in ((5, 4, 2), (10, 7, 4)) for one in refined(five, kpoints=n)]
    return [*others, *refined(_binary("Mo", "Ta")[:1], kpoints=(14, 14, 14))]


def curve_checks(element: str) -> list[Calculation]:
    """Return what tells the numerical error of an equation of state: the same at three volumes and other settings.

    Denser k-points (for group 5 they are part of the shears), a higher cutoff, a narrower smearing, and PBE on its own
    density instead of that of BEEF-vdW.
    """
    volumes = [ratio * CENTRAL_VOLUME_A3[element] for ratio in SPARSE]
    curve = bcc_volumes(element, volumes, element_settings(element))
    dense = SHEAR_DIVISIONS[element] if SHEAR_DIVISIONS[element] != DIVISIONS[element] else 18
    wanted = refined(curve, kpoints=(dense,) * 3) + refined(curve, cutoff_eV=550.0)
    return wanted + refined(curve, functional="PBE") + refined(curve, width_eV=0.1)
