"""A posterior as it is kept: draws beside prior, data and diagnostics, in one file with a fingerprint.

The file is netCDF with the groups and dimensions of ArviZ's schema (posterior, prior, posterior_predictive,
observed_data, sample_stats; chain = independent ensemble, draw) and one more, `diagnostics`. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.netcdf import write_netcdf
from uqmsm.posterior.information import overlap
from uqmsm.posterior.judging import Diagnostics
from uqmsm.posterior.sampling import Chains
from uqmsm.trust import refuse_foreign_data

__all__ = ["Observed", "Posterior", "Row", "keep"]

Floats = NDArray[np.float64]
PRIOR_DRAWS = 500


@dataclass(frozen=True)
class Observed:
    """One datum as the likelihood saw it: its value, the sd of its logarithm, and what to know about it."""

    label: str
    value: float
    unit: str
    log_sd: float
    verified: bool
    note: str


@dataclass(frozen=True)
class Row:
    """Prior beside posterior of one parameter; `contraction` is 1 - (posterior variance / prior variance)."""

    name: str
    prior_mean: float
    prior_sd: float
    mean: float
    sd: float
    contraction: float


@dataclass(frozen=True)
class Posterior:
    """Draws of a posterior and everything needed to judge them.

    Parameters
    ----------
    names, points
        Parameters and draws, shape (chains, draws, d).
    property_names, properties
        What is handed on, shape (chains, draws, properties).
    values
        Logarithm of the density, shape (chains, draws).
    prior
        Draws of the prior before it is cut off, shape (n, d).
    prior_mean, prior_sd
        Its means and standard deviations, shape (d,).
    observed, predictive
        The data, and replicates of them, shape (chains, draws, data).
    diagnostics, acceptance, outside, shortfalls
        See `uqmsm.posterior.sampling.Chains`.
    fingerprint
        Digest of prior, likelihood, data, settings and code.
    facts
        What else is worth knowing (settings, seed, evaluations), as plain JSON.
    """

    names: tuple[str, ...]
    points: Floats
    property_names: tuple[str, ...]
    properties: Floats
    values: Floats
    prior: Floats
    prior_mean: Floats
    prior_sd: Floats
    observed: tuple[Observed, ...]
    predictive: Floats
    diagnostics: Diagnostics
    acceptance: Floats
    outside: Mapping[str, int]
    shortfalls: tuple[str, ...]
    fingerprint: str
    facts: Mapping[str, Any]

    @property
    def converged(self) -> bool:
        """Tell whether sampling met every condition."""
        return not self.shortfalls

    @property
    def table(self) -> list[Row]:
        """Return prior and posterior side by side."""
        flat = self.points.reshape(-1, len(self.names))
        mean, sd = flat.mean(axis=0), flat.std(axis=0, ddof=1)
        numbers = zip(self.names, self.prior_mean, self.prior_sd, mean, sd, 1 - (sd / self.prior_sd) ** 2, strict=True)
        return [Row(name, *(float(x) for x in rest)) for name, *rest in numbers]

    @property
    def effective_draws(self) -> float:
        """Return how many independent draws those that are kept are worth, for what is handed on.

        ``1 / (1 / chain + 1 / draws)`` with the bulk ESS of the property that mixes worst: more members do not make a
        mean over the posterior better known than ``sd / sqrt`` of this.
        """
        handed_on = np.isin(self.diagnostics.names, self.property_names)
        ess = self.diagnostics.ess_bulk[handed_on] if handed_on.any() else self.diagnostics.ess_bulk
        known = ess[np.isfinite(ess)]
        return float(1.0 / (1.0 / known.min() + 1.0 / self.values.size)) if known.size else 0.0

    def directions(self, largest: int = 3) -> list[tuple[float, str, dict[str, float]]]:
        """Return the eigen-directions of the posterior covariance in units of the prior, the best known first.

        Returns
        -------
        list of (ratio, verdict, weights)
            Variance left of the prior's; ``data`` where less than half is left, else ``prior``; the `largest` weights.
        """
        flat = (self.points.reshape(-1, len(self.names)) - self.prior_mean) / self.prior_sd
        ratios, vectors = np.linalg.eigh(np.cov(flat.T))
        found = []
        for ratio, vector in zip(ratios, vectors.T, strict=True):
            order = np.argsort(-np.abs(vector), kind="stable")[:largest]
            weights = {self.names[k]: float(vector[k]) for k in order}
            found.append((float(ratio), "data" if ratio < 0.5 else "prior", weights))
        return found

    def tree(self) -> xr.DataTree:
        """Return the posterior as a labelled tree; every variable says its unit and what it is."""
        chain = ("chain", "draw")
        unit = dict.fromkeys((*self.names, *self.property_names), "1") | dict(self.facts.get("units", {}))
        drawn = [(self.names, self.points), (self.property_names, self.properties)]
        normal = {"mean": list(self.prior_mean), "sd": list(self.prior_sd)}
        d = self.diagnostics
        judged = {"tau": d.tau, "r_hat": d.rhat, "ess_bulk": d.ess_bulk, "ess_tail": d.ess_tail}
        judged["length_over_tau"] = d.length / d.tau
        quantity = {"quantity": (("quantity",), list(d.names), _words("1", "parameter or property that was judged"))}
        groups = {
            "posterior": xr.Dataset(
                {
                    n: (chain, x[..., k], _words(unit[n], f"{n}, posterior draws"))
                    for names, x in drawn
                    for k, n in enumerate(names)
                }
            ),
            "prior": xr.Dataset(
                {
                    n: (chain, self.prior[None, :, k], _words(unit[n], f"{n}, prior draws before they are cut off"))
                    for k, n in enumerate(self.names)
                },
                attrs=normal,
            ),
            "observed_data": xr.Dataset(
                {o.label: ((), o.value, _attributes(o) | {"place": k}) for k, o in enumerate(self.observed)}
            ),
            "posterior_predictive": xr.Dataset(
                {
                    o.label: (chain, self.predictive[..., k], _words(o.unit, f"{o.label}, replicates of the datum"))
                    for k, o in enumerate(self.observed)
                }
            ),
            "sample_stats": xr.Dataset(
                {
                    "lp": (chain, self.values, _words("1", "logarithm of prior times likelihood")),
                    "acceptance_rate": (("chain",), self.acceptance, _words("1", "fraction of accepted moves")),
                }
            ),
            "diagnostics": xr.Dataset(
                {n: (("quantity",), x, _words("1", _JUDGED[n])) for n, x in judged.items()} | self._learnt(),
                quantity | {"parameter": (("parameter",), list(self.names), _words("1", "sampled parameter"))},
            ),
        }
        tree = xr.DataTree.from_dict(groups)
        words = {"outside": dict(self.outside), "shortfalls": list(self.shortfalls), "facts": dict(self.facts)}
        tree.attrs |= {"fingerprint": self.fingerprint, "length": d.length, "effective_draws": self.effective_draws}
        tree.attrs["evaluations"] = int(self.facts.get("evaluations", 0))
        tree.attrs |= {key: json.dumps(value) for key, value in words.items()}
        tree.attrs["names"] = json.dumps({"parameters": self.names, "properties": self.property_names})
        return tree

    def _learnt(self) -> dict[str, Any]:
        """Return what the data taught, parameter by parameter and direction by direction."""
        flat = self.points.reshape(-1, len(self.names))
        some = flat[:: max(1, len(flat) // 1000)]  # a kernel estimate needs no more
        rows = zip(some.T, self.prior_mean, self.prior_sd, strict=True)
        same = [overlap(draws, float(mean), float(sd)) for draws, mean, sd in rows]
        found = self.directions(len(self.names))
        weights = [[weights[name] for name in self.names] for _, _, weights in found]
        one, both = ("parameter",), ("direction", "parameter")
        ratio = np.array([max(variance, 0.0) ** 0.5 for variance, _, _ in found])
        return {
            "overlap": (one, np.array(same), _words("1", "overlap of prior and posterior, 1 where nothing was learnt")),
            "contraction": (one, flat.std(axis=0, ddof=1) / self.prior_sd, _words("1", "posterior sd over prior sd")),
            "direction_ratio": (("direction",), ratio, _words("1", "the same along directions, best identified first")),
            "direction_weight": (both, np.array(weights), _words("1", "weights of the parameters, in prior sd")),
        }

    def save(self, path: Path, beside: Mapping[str, xr.Dataset] | None = None) -> None:
        """Write the file, with groups `beside` its own, under another name first: a reader never sees half of it."""
        tree = self.tree()
        for name, group in (beside or {}).items():
            tree[name] = xr.DataTree(group)
        packed = {
            group.path: {str(n): {"zlib": True} for n, v in group.data_vars.items() if v.ndim} for group in tree.subtree
        }
        write_netcdf(tree, path, encoding=packed)

    @classmethod
    def load(cls, path: Path) -> Posterior:
        """Read a file that `save` wrote.

        Raises
        ------
        StudyError
            When the file is none.
        """
        with _one_of_ours(path), xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
            names = json.loads(tree.attrs["names"])
        post, prior, again = (tree[group].to_dataset() for group in ("posterior", "prior", "posterior_predictive"))
        judged, data, stats = (tree[group].to_dataset() for group in ("diagnostics", "observed_data", "sample_stats"))
        found = {str(label): variable for label, variable in data.data_vars.items()}
        labels = sorted(found, key=lambda label: int(found[label].attrs["place"]))
        length = int(tree.attrs["length"])
        tau, rhat, bulk, tail = (judged[name].values for name in ("tau", "r_hat", "ess_bulk", "ess_tail"))
        quantities = tuple(str(quantity) for quantity in judged["quantity"].values)
        return cls(
            names=tuple(names["parameters"]),
            points=_stacked(post, names["parameters"]),
            property_names=tuple(names["properties"]),
            properties=_stacked(post, names["properties"]),
            values=stats["lp"].values,
            prior=_stacked(prior, names["parameters"])[0],
            prior_mean=np.asarray(prior.attrs["mean"], dtype=np.float64),
            prior_sd=np.asarray(prior.attrs["sd"], dtype=np.float64),
            observed=tuple(_observed(label, found[label]) for label in labels),
            predictive=_stacked(again, labels),
            diagnostics=Diagnostics(quantities, tau, rhat, bulk, tail, length),
            acceptance=stats["acceptance_rate"].values,
            outside=json.loads(tree.attrs["outside"]),
            shortfalls=tuple(json.loads(tree.attrs["shortfalls"])),
            fingerprint=str(tree.attrs["fingerprint"]),
            facts=json.loads(tree.attrs["facts"]),
        )

    @staticmethod
    def fingerprint_in(path: Path) -> str:
        """Return the fingerprint of a file that `save` wrote, without reading its draws.

        Raises
        ------
        StudyError
            When the file is none.
        """
        with _one_of_ours(path), xr.open_dataset(path, engine="h5netcdf") as root:
            return str(root.attrs["fingerprint"])


@contextmanager
def _one_of_ours(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read, or lacks what `Posterior.save` writes, that it is no posterior."""
    try:
        refuse_foreign_data(path)
        yield
    except (OSError, KeyError, ValueError) as fault:
        raise StudyError(f"{path} is no posterior ({type(fault).__name__}: {fault}); remove it") from fault


def keep(
    chains: Chains,
    draws: int,
    rng: Generator,
    *,
    names: Sequence[str],
    property_names: Sequence[str],
    prior: tuple[Floats, Floats],
    observed: Sequence[Observed],
    replicate: Any,
    fingerprint: str,
    facts: Mapping[str, Any],
) -> Posterior:
    """Keep equally many draws of every ensemble, chosen without repetition, beside everything that explains them.

    Parameters
    ----------
    chains
        What was sampled.
    draws
        How many to keep in all.
    rng
        Chooses the draws, draws from the prior and replicates the data.
    names, property_names, prior, observed, fingerprint, facts
        As in `Posterior`; `prior` is its means and standard deviations.
    replicate
        ``replicate(points (n, d), rng) -> (n, data)``.
    """
    step, walker = chains.choose(draws, rng)
    ensemble = np.arange(len(step))[:, None]
    points = chains.points[ensemble, step, walker]
    mean, sd = prior
    again = replicate(points.reshape(-1, points.shape[-1]), rng)
    return Posterior(
        names=tuple(names),
        points=points,
        property_names=tuple(property_names),
        properties=chains.properties[ensemble, step, walker],
        values=chains.values[ensemble, step, walker],
        prior=mean + sd * rng.standard_normal((PRIOR_DRAWS, len(mean))),
        prior_mean=mean,
        prior_sd=sd,
        observed=tuple(observed),
        predictive=again.reshape(*points.shape[:2], -1),
        diagnostics=chains.diagnostics,
        acceptance=chains.acceptance,
        outside=chains.outside,
        shortfalls=chains.shortfalls,
        fingerprint=fingerprint,
        facts={"evaluations": chains.evaluations, **facts},
    )


_JUDGED = {
    "tau": "integrated autocorrelation time in steps, of the slowest ensemble",
    "r_hat": "rank-normalised split R-hat over the independent ensembles",
    "ess_bulk": "effective sample size of the centre",
    "ess_tail": "effective sample size of the 5 % and 95 % quantiles",
    "length_over_tau": "steps kept over the autocorrelation time",
}


def _words(units: str, long_name: str) -> dict[str, Any]:
    """Return what every variable says; whoever knows the chain replaces `sources` by the source's label."""
    return {"units": units, "long_name": long_name, "sources": ""}


def _attributes(observed: Observed) -> dict[str, Any]:
    words = {"log_sd": observed.log_sd, "note": observed.note}
    return (
        _words(observed.unit, f"{observed.label}, the datum as the likelihood saw it")
        | words
        | {"verified": "yes" if observed.verified else "no"}
    )


def _observed(label: str, datum: xr.DataArray) -> Observed:
    words = datum.attrs
    return Observed(
        label, float(datum), str(words["units"]), float(words["log_sd"]), words["verified"] == "yes", str(words["note"])
    )


def _stacked(dataset: xr.Dataset, names: Sequence[str]) -> Floats:
    return np.stack([dataset[name].values for name in names], axis=-1)
