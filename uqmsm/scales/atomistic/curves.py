"""The crystal along temperature: what motion has shown, with quanta counted and the potential's inadequacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources

__all__ = ["Curves"]

Floats = NDArray[np.float64]

_DEGREE = 2


@dataclass(frozen=True)
class Curves:
    """Lattice parameter, elastic constants and moduli of a polycrystal along temperature.

    A parabola in the classical temperature passes through the specimen at rest and by its runs in motion, each with the
    weight of its error. It is read where quanta put each temperature: an Einstein crystal holds above its zero point,
    at T, the energy of a classical one at Theta / (exp(Theta / T) - 1). So nothing expands or softens near 0 K; the
    zero point itself is in the crystal at rest, for the potential is fitted to have it there. Runs in a bath give
    isothermal constants; those of sound, which experiments measure, follow from expansion and heat capacity.

    Parameters
    ----------
    temperatures
        Where the curves are told; rising, all are outcomes of one call.
    read_at
        Temperature at which single numbers are told, for questions that take one.
    """

    temperatures: Annotated[tuple[float, ...], Unit("K")] = (77.0, 200.0, 293.0, 500.0, 700.0, 900.0, 1000.0)
    read_at: Annotated[float, Unit("K")] = 293.0

    def __post_init__(self) -> None:
        """Refuse temperatures that do not rise."""
        rising = all(a < b for a, b in zip(self.temperatures, self.temperatures[1:], strict=False))
        if not self.temperatures or min(*self.temperatures, self.read_at) < 0 or not rising:
            raise StudyError(
                f"temperatures = {list(self.temperatures)} K, read_at = {self.read_at:g} K: give rising ones"
            )

    @property
    def inputs(self) -> Ports:
        """The specimen at rest and in motion, and what the posterior knows of the potential's misses."""
        along = ("temperature",)
        moving = [("md_lattice_parameter", "angstrom"), *((f"md_{name}", "GPa") for name in ("C11", "C12", "C44"))]
        return (
            Port("elements", "1", ("element",)),
            Port("composition", "1", ("element",)),
            Port("atoms_per_cell", "1"),
            Port("static_lattice_parameter", "angstrom"),
            *(Port(f"static_{name}", "GPa") for name in ("C11", "C12", "C44")),
            Port("static_misfit_volumes", "angstrom^3", ("element",)),
            Port("md_temperature", "K", along),
            *(Port(name, unit, along) for name, unit in moving),
            *(Port(f"{name}_error", unit, along) for name, unit in moving),
            Port("discrepancy_mean", "1", ("quantity",)),
            Port("discrepancy_sd", "1", ("quantity",)),
        )

    @property
    def outputs(self) -> Ports:
        """Curves, and single numbers at one temperature."""
        along, at = ("temperature",), f"at {self.read_at:g} K"
        return (
            Port("curve_temperature", "K", along, "temperature"),
            Port("curve_lattice_parameter", "angstrom", along, "lattice parameter"),
            Port("curve_moduli", "GPa", ("temperature", "constant"), "C11, C12, C44, isothermal"),
            Port("curve_adiabatic_moduli", "GPa", ("temperature", "constant"), "C11, C12, C44 of sound, adiabatic"),
            Port("curve_youngs_modulus", "GPa", along, "adiabatic Young's modulus of a polycrystal (Hill)"),
            Port("curve_shear_modulus", "GPa", along, "shear modulus of a polycrystal (Hill)"),
            Port("curve_expansion", "1/K", along, "linear thermal expansion"),
            Port("misfit_volumes", "angstrom^3", ("element",), "misfit volumes, the potential's inadequacy included"),
            Port("lattice_parameter", "angstrom", meaning=f"lattice parameter {at}"),
            Port("C11", "GPa", meaning=f"C11 {at}"),
            Port("C12", "GPa", meaning=f"C12 {at}"),
            Port("C44", "GPa", meaning=f"C44 {at}"),
            Port("youngs_modulus", "GPa", meaning=f"adiabatic Young's modulus of a polycrystal {at} (Hill)"),
            Port("shear_modulus", "GPa", meaning=f"shear modulus of a polycrystal {at} (Hill)"),
            Port("expansion", "1/K", meaning=f"linear thermal expansion {at}"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The discrepancy of the potential."""
        words = "what the potential cannot fit (lattice, moduli, misfits)"
        return (Source("discrepancy", Kind.EPISTEMIC, long_name=words), *law_sources(self))

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.002

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Read one member's curves."""
        from ase.data import chemical_symbols

        from uqmsm.physics.atomistic.thermal import adiabatic_excess
        from uqmsm.physics.softening import alloy_softening, element_softening, warmth_K

        z = streams["discrepancy"].standard_normal(5)
        a, *moduli, misfit = np.exp(given["discrepancy_mean"] + given["discrepancy_sd"] * z)
        symbols = tuple(chemical_symbols[int(number)] for number in given["elements"])
        einstein = alloy_softening(element_softening(symbols), given["composition"]).einstein_K
        wanted = np.array([*self.temperatures, self.read_at])
        at, cooler, warmer = (warmth_K(np.maximum(wanted + step, 0.0), einstein) for step in (0.0, -0.5, 0.5))
        stiff = [_read(given, f"md_{name}", f"static_{name}", at)[0] for name in ("C11", "C12", "C44")]
        constants = np.stack(stiff, axis=1) * np.array(moduli)
        length, slope = _read(given, "md_lattice_parameter", "static_lattice_parameter", at)
        # of an Einstein crystal, over its classical value
        heat = (warmer - cooler) / np.minimum(wanted + 0.5, 1.0)
        expansion = slope * heat / length
        excess = adiabatic_excess(
            (constants[:, 0] + 2.0 * constants[:, 1]) / 3.0, expansion,
            (a * length) ** 3 / int(given["atoms_per_cell"]), 3.0 * heat, wanted,
        )  # fmt: skip
        adiabatic = constants + excess[:, None] * np.array([1.0, 1.0, 0.0])
        young, shear = _isotropic(adiabatic, wanted)
        return {
            "curve_temperature": wanted[:-1],
            "curve_lattice_parameter": a * length[:-1],
            "curve_moduli": constants[:-1],
            "curve_adiabatic_moduli": adiabatic[:-1],
            "curve_youngs_modulus": young[:-1],
            "curve_shear_modulus": shear[:-1],
            "curve_expansion": expansion[:-1],
            "misfit_volumes": given["static_misfit_volumes"] * misfit,
            "lattice_parameter": a * length[-1],
            **{name: constants[-1, k] for k, name in enumerate(("C11", "C12", "C44"))},
            "youngs_modulus": young[-1],
            "shear_modulus": shear[-1],
            "expansion": expansion[-1],
        }


def _read(given: Given, moving: str, at_rest: str, at_K: Floats) -> tuple[Floats, Floats]:
    """Return a quantity and its slope by temperature from a parabola that passes through the crystal at rest."""
    t, y, error = given["md_temperature"], given[moving] - given[at_rest], given[f"{moving}_error"]
    powers = np.arange(1, min(_DEGREE, len(t)) + 1)
    weight = 1.0 / np.maximum(error, 1e-3 * np.abs(y).max() + 1e-12)
    scaled = (t[:, None] / 1000.0) ** powers
    fit = np.linalg.lstsq(scaled * weight[:, None], y * weight, rcond=None)[0]
    value = given[at_rest] + ((at_K[:, None] / 1000.0) ** powers) @ fit
    slope = (powers * (at_K[:, None] / 1000.0) ** (powers - 1)) @ fit / 1000.0
    return np.asarray(value), np.asarray(slope)


def _isotropic(constants: Floats, at_K: Floats) -> tuple[Floats, Floats]:
    """Return Young's and shear modulus of a polycrystal without texture, Hill's mean of Voigt and Reuss."""
    from uqmsm.physics.strength import effective_moduli, is_stable

    stable = is_stable(constants[:, 0], constants[:, 1], constants[:, 2])
    if not stable.all():
        worst = int(np.argmin(stable))
        raise Unstable(
            f"C11, C12, C44 = {constants[worst].round(1).tolist()} GPa at {at_K[worst]:g} K are elastically unstable"
        )
    C11, C12, C44 = constants.T
    found = effective_moduli(C11, C12, C44, "hill")
    return 2.0 * found.shear_GPa * (1.0 + found.poisson), found.shear_GPa
