"""How far a dislocation is held by the solutes of this member, and how wrong the theory itself may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

__all__ = ["EdgeStrength", "FormLaw", "FormTraining", "form_law"]

# alloys whose theory values the published Zhou potentials can compute, by their crystal
TRAINABLE = {"bcc": {"MoNbTaW": ("Mo", "Nb", "Ta", "W"), "MoNbTaVW": ("Mo", "Nb", "Ta", "V", "W")}}
# temperatures on which the law of the theory's error is drawn as one function
GRID_K = np.linspace(200.0, 2000.0, 19)


@dataclass(frozen=True)
class FormTraining:
    """What the theory's own error is learnt from.

    Parameters
    ----------
    alloy
        The alloy predicted. Its rows within `window` of `service_temperature` are left out of the training.
    service_temperature, window
        Centre and half width of what is left out.
    taylor_factor, hall_petch
        Used to bring measured yield stresses to the resolved stress of the solutes; measured in cast alloys of
        random texture.
    """

    alloy: str = "MoNbTaW"
    service_temperature: Annotated[float, Unit("K")] = 1073.0
    window: Annotated[float, Unit("K")] = 150.0
    taylor_factor: float = 2.795
    hall_petch: Annotated[float, Unit("MPa um^0.5")] = 240.0


@dataclass(frozen=True)
class EdgeStrength:
    """Solute strengthening of random alloys: Maresca-Curtin (bcc edge) or Varvenne-Curtin (fcc).

    Parameters
    ----------
    theory
        ``bcc_edge_maresca_2020`` or ``fcc_varvenne_2016``.
    strain_rate
        Of the service load.
    line_tension
        alpha in alpha mu b^2; the theory's own value when left out.
    modulus_rule
        Which shear modulus of a cubic crystal the theory uses.
    interpolation
        Between low and high temperature.
    strength_form
        The law of log(measured / theory). Left out, it is learnt from measured alloys (see `training`), given the
        member's own moduli and misfits; a number or a law states it instead.
    lot
        Logarithm of what varies from ingot to ingot: published yield stresses of one alloy scatter by about 10 %.
    training
        What the theory's error is learnt from.
    """

    theory: Literal["bcc_edge_maresca_2020", "fcc_varvenne_2016"] = "bcc_edge_maresca_2020"
    strain_rate: Annotated[float, Unit("1/s")] = 1e-3
    line_tension: float | None = None
    modulus_rule: Literal["cubic_edge", "voigt", "hill", "fcc_curtin"] = "cubic_edge"
    interpolation: Literal["two_branch", "smooth"] = "smooth"
    strength_form: Annotated[Uncertain | None, Unit("1")] = None
    lot: Annotated[Uncertain, Unit("1")] = 0.0
    training: FormTraining = FormTraining()

    @property
    def inputs(self) -> Ports:
        """What the member is at service temperature, and what it would be at others."""
        return (
            Port("misfit_volumes", "angstrom^3", ("element",)),
            Port("composition", "1", ("element",)),
            Port("temperature", "K"),
            Port("cold_moduli", "GPa", ("constant",)),
            Port("cold_lattice_parameter", "angstrom"),
            Port("softening_slopes", "1/K", ("constant",)),
            Port("expansion", "1/K"),
            Port("einstein_temperature", "K"),
        )

    @property
    def outputs(self) -> Ports:
        """Resolved yield stress with and without the theory's own error."""
        return (
            Port("crss", "MPa", meaning="resolved yield stress at service temperature and rate"),
            Port("crss_theory", "MPa", meaning="the same before the theory's own error"),
            Port("barrier", "eV", meaning="energy barrier at zero stress"),
            Port("log_form_ratio", "1", meaning="log(measured / theory) drawn for this member"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The theory's own form, and the ingot."""
        words = "the strengthening theory's own form: log(measured / theory) over temperature, learnt elsewhere"
        learnt = () if self.strength_form is not None else (Source("strength_form", Kind.EPISTEMIC, long_name=words),)
        return (*learnt, *law_sources(self))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        if self.theory == "fcc_varvenne_2016":
            return ("strengthening: C. Varvenne, A. Luque, W. A. Curtin, Acta Mater. 118, 164 (2016)",)
        return ("strengthening: F. Maresca, W. A. Curtin, Acta Mater. 182, 235 (2020)",)

    def comparisons(self) -> tuple[dict[str, Any], ...]:
        """Return the measurements that the training left out, to lay beside the prediction."""
        if self.strength_form is not None:
            return ()
        from uqmsm.physics.strength_form import measured_yields

        training = self.training
        low, high = training.service_temperature - training.window, training.service_temperature + training.window
        return tuple(
            {
                "what": f"yield strength of {row.alloy}, {row.temperature_K:g} K, cast, kept out of the training",
                "port": "yield_strength",
                "measured": row.yield_MPa,
                "unit": "MPa",
                "source": row.ingot,
                "verified": True,
            }
            for row in measured_yields("bcc")
            if row.alloy == training.alloy and low <= row.temperature_K <= high
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.0005

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Predict one member."""
        temperature = float(given["temperature"])
        tau, barrier = _theory(self, given, temperature)
        if self.strength_form is not None:
            log_ratio = settled(self.strength_form)
        else:
            law = form_law(replace(self, lot=0.0))
            own = [_theory(self, given, row_K)[0] for row_K in law.rows_K]
            z = streams["strength_form"].standard_normal(GRID_K.size)
            log_ratio = float(np.interp(temperature, GRID_K, law.function(np.array(own), z)))
        return {
            "crss": tau * np.exp(log_ratio + settled(self.lot)),
            "crss_theory": tau,
            "barrier": barrier,
            "log_form_ratio": log_ratio,
        }


def _theory(operator: EdgeStrength, given: Mapping[str, Any], temperature_K: float) -> tuple[float, float]:
    """Return tau (MPa) and barrier (eV) of a crystal at any temperature."""
    from uqmsm.physics import strength
    from uqmsm.physics.softening import lattice_at, moduli_at

    theory = strength.THEORIES[operator.theory]
    if operator.line_tension is not None:
        theory = replace(theory, line_tension=operator.line_tension)
    einstein = given["einstein_temperature"]
    warm = moduli_at(given["cold_moduli"], temperature_K, einstein, given["softening_slopes"])
    length = lattice_at(given["cold_lattice_parameter"], temperature_K, einstein, given["expansion"])
    moduli = strength.effective_moduli(warm[0], warm[1], warm[2], operator.modulus_rule)
    result = strength.solute_strength(
        moduli.shear_GPa,
        moduli.poisson,
        theory.burgers_per_a * length,
        given["composition"],
        given["misfit_volumes"],
        temperature_K=temperature_K,
        strain_rate_per_s=operator.strain_rate,
        theory=theory,
        interpolation=operator.interpolation,
    )
    return float(result.tau_MPa[0]), float(result.barrier_eV[0])


@dataclass(frozen=True)
class FormLaw:
    """The law of log(measured / theory) as a function on `GRID_K`, given a member's own theory values.

    A member whose theory is 10 % stronger at the training temperatures has measured / theory 10 % smaller there: the
    rows are the same measurements. So the mean follows the member (``gain``), and doubt in moduli and misfits is not
    counted twice. What the member knows nothing of (the training alloy's fifth element) follows in proportion.

    Parameters
    ----------
    rows_K
        Temperatures of the training rows.
    mean, factor, gain
        Mean with the published potential, triangular factor of the covariance, and d mean / d log ratio.
    published_MPa
        Theory at the training temperatures with the published potential, for the alloy that is predicted.
    """

    rows_K: tuple[float, ...]
    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    gain: NDArray[np.float64]
    published_MPa: NDArray[np.float64]

    def function(self, own_MPa: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one draw of the function, shape (grid,), for standard normal `z`."""
        moved = np.log(self.published_MPa / own_MPa)
        return np.asarray(self.mean + np.sum(self.gain * moved, axis=1) + np.sum(self.factor * z, axis=1))


@lru_cache(maxsize=8)
def form_law(operator: EdgeStrength) -> FormLaw:
    """Learn the theory's own error by the recipe of the chain with the published potential.

    Average-atom moduli and misfits, the same softening, modulus rule and interpolation.
    """
    from uqmsm.physics.strength_form import form_error, log_ratios, training_rows

    training = operator.training
    rows = training_rows(
        training.alloy, training.service_temperature, training.window, phase="bcc", alloys=tuple(TRAINABLE["bcc"])
    )
    tau = [_theory(operator, _published(row.alloy), row.temperature_K)[0] for row in rows]
    ratios = log_ratios(rows, tau, training.taylor_factor, training.hall_petch)
    known = training.alloy if any(row.alloy == training.alloy for row in rows) else None
    law = form_error(
        [row.temperature_K for row in rows],
        ratios,
        [row.alloy for row in rows],
        [row.ingot for row in rows],
        GRID_K,
        alloy=known,
    )
    factor = np.asarray(np.linalg.cholesky(law.covariance + 1e-12 * np.eye(GRID_K.size)), dtype=np.float64)
    own = [_theory(operator, _published(training.alloy), row.temperature_K)[0] for row in rows]
    return FormLaw(tuple(row.temperature_K for row in rows), law.mean, factor, law.gain, np.array(own))


@lru_cache(maxsize=64)
def _published(alloy: str) -> Mapping[str, Any]:
    """Return what the chain would hand to the theory for an alloy, from the published potential."""
    from uqmsm.physics.potential.average_atom import average_atom
    from uqmsm.physics.potential.zhou import published
    from uqmsm.physics.softening import alloy_softening, element_softening

    elements = TRAINABLE["bcc"][alloy]
    equimolar = np.full(len(elements), 1 / len(elements))
    crystal = average_atom(published(elements).values[None], equimolar, "bcc")
    law = alloy_softening(element_softening(elements), equimolar)
    return {
        "cold_moduli": np.array([float(crystal.C11[0]), float(crystal.C12[0]), float(crystal.C44[0])]),
        "cold_lattice_parameter": float(crystal.lattice_parameter[0]),
        "softening_slopes": law.slope_per_K,
        "expansion": law.expansion_per_K,
        "einstein_temperature": law.einstein_K,
        "misfit_volumes": crystal.misfit_volumes[0],
        "composition": equimolar,
    }
