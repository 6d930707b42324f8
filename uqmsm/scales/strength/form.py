"""The law of the theory's own error: learnt from measured yield stresses, drawn as a function of temperature.

The law is Gaussian and exact (see `evidence`), so learning takes milliseconds and no sampling; what a run keeps of it
are draws for people, beside draws of the prior and the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import code_digest, digest
from uqmsm.quantity import Unit
from uqmsm.scales.strength.crystal import TRAINABLE, Recipe, published_crystal
from uqmsm.scales.strength.evidence import FormError, FormPrior, form_error, half_normal
from uqmsm.scales.strength.yields import YieldRow, log_ratios, measured_yields, training_rows
from uqmsm.streams import Streams

__all__ = ["GRID_K", "FormDraw", "LearntForm", "MeasuredElsewhere"]

Floats = NDArray[np.float64]

# temperatures on which the law is drawn as one function
GRID_K = np.linspace(200.0, 2000.0, 19)
# those of which a run keeps draws for people, the shape (chains, draws) of these, and the draws of the prior
SHOWN_K = (300.0, 600.0, 900.0, 1200.0, 1500.0, 1800.0)
KEPT = (4, 250)
PRIOR_DRAWS = 500


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

    def learn(
        self, mapping: Callable[..., Iterable[Any]], seed: int, stored: Path, tell: Callable[[str], None]
    ) -> LearntForm:
        """Return the law learnt, and keep a record of it; see `uqmsm.uncertainty.LearnableLaw`."""
        law = self.learnt()
        rows, at = len(self.rows), self.service_temperature
        mean, sd = law.at(at)
        tell(
            f"log(measured / theory) from {rows} rows: {mean:+.3f} ± {sd:.3f} at {at:g} K, with the published potential"
        )
        if not (stored.is_file() and _fingerprint_of(stored) == law.fingerprint):
            _save(law.record(seed), stored)
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

    def record(self, seed: int) -> xr.DataTree:
        """Return draws of posterior and prior at `SHOWN_K` with the published potential, beside the data."""
        rng = Streams(seed).generator("measured_elsewhere.record", 0)
        places = np.searchsorted(GRID_K, SHOWN_K)
        drawn = self.mean + rng.standard_normal((*KEPT, GRID_K.size)) @ self.factor.T
        words = {"units": "1", "long_name": "log(measured / theory) with the published potential"}
        dims, at = ("chain", "draw", "temperature"), {"temperature": ("temperature", list(SHOWN_K), {"units": "K"})}
        prior = _prior(rng)[None]
        groups = {
            "posterior": xr.Dataset({"log_ratio": (dims, drawn[..., places], words)}, at),
            "prior": xr.Dataset({"log_ratio": (dims, prior, words)}, at),
            "observed_data": xr.Dataset(_observed(self.elsewhere.rows)),
        }
        tree = xr.DataTree.from_dict(groups)
        tree.attrs |= {"fingerprint": self.fingerprint, "length": KEPT[1], "shortfalls": json.dumps([])}
        return tree


@dataclass(frozen=True)
class FormDraw:
    """One draw of the law, to be evaluated once the member's own theory is known."""

    law: LearntForm
    z: Floats

    def log_ratio(self, temperature_K: float, own_MPa: Floats) -> float:
        """Return log(measured / theory) at a temperature; `own_MPa` as in `LearntForm.function`."""
        return float(np.interp(temperature_K, GRID_K, self.law.function(own_MPa, self.z)))

    @cached_property
    def fingerprint(self) -> str:
        """Return the digest of law and draw."""
        return digest(self.law.fingerprint, self.z)


def _prior(rng: Generator) -> Floats:
    """Return draws of the prior at `SHOWN_K`, hyper-parameters included, shape (draws, temperatures)."""
    law = FormPrior()
    T = np.array(SHOWN_K)
    z = rng.standard_normal((PRIOR_DRAWS, 3 + T.size))
    wiggle = rng.choice(half_normal(law.wiggle_scale, law.grid), (PRIOR_DRAWS, 1))
    alloy = rng.choice(half_normal(law.alloy_scale, law.grid), (PRIOR_DRAWS, 1))
    kernel = np.exp(-0.5 * ((T[:, None] - T) / law.length_K) ** 2)
    smooth = z[:, 3:] @ np.linalg.cholesky(kernel + 1e-9 * np.eye(T.size)).T
    line = law.level_sd * z[:, :1] + law.trend_sd * z[:, 1:2] * (T - law.trend_centre_K) / law.trend_span_K
    return np.asarray(line + wiggle * smooth + alloy * z[:, 2:3])


def _observed(rows: list[YieldRow]) -> dict[str, Any]:
    law = FormPrior()
    spread = float(np.hypot(law.ingot_sd, law.row_sd))
    found = {}
    for place, row in enumerate(rows):
        size = f", grains of {row.grain_size_um:g} um" if np.isfinite(row.grain_size_um) else ""
        words: dict[str, Any] = {"units": "MPa", "long_name": f"yield stress of {row.alloy} at {row.temperature_K:g} K"}
        words |= {"log_sd": spread, "note": f"exp, cast{size}: {row.ingot}", "verified": "yes", "place": place}
        found[f"{row.alloy} {row.temperature_K:g} K #{place}"] = ((), row.yield_MPa, words)
    return found


def _save(tree: xr.DataTree, path: Path) -> None:
    """Write the file, under another name first, so that a reader never sees half of it."""
    fresh = path.with_name(path.name + ".part")
    tree.to_netcdf(fresh, engine="h5netcdf")
    fresh.replace(path)


def _fingerprint_of(path: Path) -> str:
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return str(tree.attrs.get("fingerprint", ""))
    except (OSError, ValueError):
        return ""  # half a file, or none of ours: written anew
