"""The law of the theory's own error: learnt from measured yield stresses, drawn as a function of temperature.

The law is Gaussian and exact (see `evidence`), so learning takes milliseconds and no sampling; what a run keeps of it
are draws for people, beside draws of the prior and the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import code_digest, digest
from uqmsm.quantity import Unit
from uqmsm.scales.strength.evidence import FormError, FormPrior, form_error
from uqmsm.scales.strength.recipe import TRAINABLE, Recipe, published_crystal
from uqmsm.scales.strength.record import SHAPE, keep
from uqmsm.scales.strength.yields import YieldRow, log_ratios, measured_yields, training_rows
from uqmsm.streams import Streams

__all__ = ["GRID_K", "FormDraw", "LearntForm", "MeasuredElsewhere"]

Floats = NDArray[np.float64]

# temperatures on which the law is drawn as one function
GRID_K = np.linspace(200.0, 2000.0, 19)


@dataclass(frozen=True)
class MeasuredElsewhere:
    """The theory's own error, log(measured / theory), learnt from measurements of what is not predicted.

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

    # filled in by the operator that holds the law: the same theory must serve prediction and training. Not a field,
    # for a study says it once, in the operator.
    recipe: ClassVar[Recipe | None] = None

    def __post_init__(self) -> None:
        """Refuse an alloy whose theory values cannot be computed, and numbers without meaning."""
        known = [alloy for alloys in TRAINABLE.values() for alloy in alloys]
        if self.alloy not in known:
            raise StudyError(
                f"alloy = {self.alloy}: the published potentials compute theory values for {', '.join(known)} only; "
                "name one of them, or state strength_form as a number or a general law"
            )
        for name in ("service_temperature", "taylor_factor"):
            if not getattr(self, name) > 0:
                raise StudyError(f"{name} = {getattr(self, name):g} must be positive; mend it")
        for name in ("window", "hall_petch"):
            if not getattr(self, name) >= 0:
                raise StudyError(f"{name} = {getattr(self, name):g} must not be negative; mend it")

    def bound(self, recipe: Recipe) -> MeasuredElsewhere:
        """Return the same law, told with which recipe the theory is computed.

        Raises
        ------
        StudyError
            When the theory is for another crystal than that of the measurements.
        """
        if self.alloy not in TRAINABLE.get(recipe.phase, {}):
            raise StudyError(
                f"theory = {recipe.theory} is for {recipe.phase} crystals, and strength_form learns from {self.alloy}, "
                "which is none; choose a theory for the crystal of that alloy, or state strength_form as a number"
            )
        law = MeasuredElsewhere(**asdict(self))
        object.__setattr__(law, "recipe", recipe)
        return law

    @property
    def rows(self) -> list[YieldRow]:
        """Return the measurements learnt from."""
        phase = self._recipe.phase
        return training_rows(
            self.alloy, self.service_temperature, self.window, phase=phase, alloys=tuple(TRAINABLE[phase])
        )

    @property
    def left_out(self) -> list[YieldRow]:
        """Return the measurements kept out of the training, to be laid beside the prediction."""
        centre, window = self.service_temperature, self.window
        rows = measured_yields(self._recipe.phase)
        return [row for row in rows if row.alloy == self.alloy and abs(row.temperature_K - centre) <= window]

    @property
    def fingerprint(self) -> str:
        """Return the digest of prior, data, settings, recipe and code."""
        data = [tables.rows(name) for name in ("moduli_softening.csv", "zhou_eam_parameters.csv")]
        data.append([row for row in tables.rows("reference.csv") if row["quantity"] == "linear_thermal_expansion"])
        rows = [asdict(row) for row in self.rows]
        return digest(asdict(self), asdict(self._recipe), asdict(FormPrior()), rows, data, code_digest(__name__))

    @property
    def _recipe(self) -> Recipe:
        if self.recipe is None:
            raise StudyError("measured_elsewhere is told its theory by the operator that holds it; put it in its field")
        return self.recipe

    def cost(self) -> float:
        """Return the seconds of one core that learning takes, roughly."""
        return 0.1

    def learn(
        self, mapping: Callable[..., Iterable[Any]], seed: int, stored: Path, tell: Callable[[str], None]
    ) -> LearntForm:
        """Return the law learnt, and keep a record of it; see `uqmsm.uncertainty.LearnableLaw`."""
        law = self.learnt()
        rows, at = self.rows, self.service_temperature
        mean, sd = law.at(at)
        tell(
            f"log(measured / theory) from {len(rows)} rows, with the published potential: {mean:+.3f} ± {sd:.3f} at "
            f"{at:g} K"
        )
        z = Streams(seed).generator("measured_elsewhere.record", 0).standard_normal((*SHAPE, GRID_K.size))
        drawn = law.mean + z @ law.factor.T
        keep(stored, law.fingerprint, drawn, GRID_K, rows, Streams(seed).generator("measured_elsewhere.prior", 0))
        return law

    def learnt(self) -> LearntForm:
        """Return the law learnt, without a record."""
        rows = self.rows
        error = self._error(rows)
        factor = np.linalg.cholesky(error.covariance + 1e-12 * np.eye(GRID_K.size))
        published = published_crystal(self.alloy, self._recipe.phase)
        own = [self._recipe.stress(published, row.temperature_K)[0] for row in rows]
        places = tuple(row.temperature_K for row in rows)
        return LearntForm(self, places, error.mean, np.asarray(factor), error.gain, np.array(own), self.fingerprint)

    def _error(self, rows: list[YieldRow]) -> FormError:
        phase = self._recipe.phase
        tau = [self._recipe.stress(published_crystal(row.alloy, phase), row.temperature_K)[0] for row in rows]
        return form_error(
            [row.temperature_K for row in rows],
            log_ratios(rows, tau, self.taylor_factor, self.hall_petch),
            [row.alloy for row in rows],
            [row.ingot for row in rows],
            GRID_K,
            alloy=self.alloy if any(row.alloy == self.alloy for row in rows) else None,
        )


@dataclass(frozen=True)
class LearntForm:
    """The law of log(measured / theory) as a function on `GRID_K`, given a member's own theory values.

    A member whose theory is 10 % stronger at the training rows has measured / theory 10 % smaller there: the rows are
    the same measurements. So the mean follows the member (``gain``), and doubt in potential and softening is not
    counted twice. What the member knows nothing of (the training alloy's fifth element) follows in proportion.

    Parameters
    ----------
    elsewhere
        What it was learnt from.
    rows_K
        Temperatures of the training rows.
    mean, factor, gain
        Mean with the published potential, triangular factor of the covariance, and d mean / d log ratio.
    published_MPa
        Theory at the training temperatures with the published potential, for the alloy that is predicted.
    fingerprint
        That of `elsewhere`.
    """

    elsewhere: MeasuredElsewhere
    rows_K: tuple[float, ...]
    mean: Floats
    factor: Floats
    gain: Floats
    published_MPa: Floats
    fingerprint: str

    def draw(self, rng: Generator) -> FormDraw:
        """Return one draw: the same function of a member's theory whatever the member is."""
        return FormDraw(self, rng.standard_normal(GRID_K.size))

    def function(self, own_MPa: Floats, z: Floats) -> Floats:
        """Return one draw of the function, shape (grid,).

        Parameters
        ----------
        own_MPa
            The member's own theory at `rows_K`, for the training alloy's nominal composition.
        z
            Standard normal numbers, shape (grid,).
        """
        moved = np.log(self.published_MPa / own_MPa)
        # sums and no products of matrices: their order never depends on the library
        return np.asarray(self.mean + np.sum(self.gain * moved, axis=1) + np.sum(self.factor * z, axis=1))

    def at(self, temperature_K: float) -> tuple[float, float]:
        """Return mean and standard deviation with the published potential at one temperature."""
        weights = np.array([np.interp(temperature_K, GRID_K, row) for row in np.eye(GRID_K.size)])
        return float(weights @ self.mean), float(np.linalg.norm(weights @ self.factor))


@dataclass(frozen=True)
class FormDraw:
    """One draw of the law, to be evaluated once the member's own theory is known."""

    law: LearntForm
    z: Floats

    def log_ratio(self, temperature_K: float, own_MPa: Floats) -> float:
        """Return log(measured / theory) at a temperature; `own_MPa` as in `LearntForm.function`."""
        return float(np.interp(temperature_K, GRID_K, self.law.function(own_MPa, self.z)))
