"""Relaxes random cells at draws of a pilot run: what the likelihood knows of the way from the average atom to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, NotConverged
from uqmsm.posterior import Whitening, sample
from uqmsm.scales.potential.model import ALLOY_QUANTITIES, CalibrationModel
from uqmsm.scales.potential.relaxed_ratio import RelaxedRatio, features, learnt_ratio
from uqmsm.streams import Streams

if TYPE_CHECKING:
    from uqmsm.scales.potential.law import ZhouPosterior

__all__ = ["relaxed_ratio"]

Floats = NDArray[np.float64]


def relaxed_ratio(
    law: ZhouPosterior,
    coordinates: Callable[[CalibrationModel], Whitening],
    mapping: Callable[..., Iterable[Any]],
    streams: Streams,
    tell: Callable[[str], None],
) -> RelaxedRatio:
    """Learn log(relaxed / average atom) at draws of a pilot run.

    Parameters
    ----------
    law
        What is learnt, in how many cells and how large.
    coordinates
        Of the pilot's chains, from its model.
    mapping, tell
        As in `uqmsm.posterior.sampling.sample`.
    streams
        Of the study.

    Raises
    ------
    NotConverged
        When too few of the draws have a stable cell.
    """
    if len(law.elements) == 1:
        return RelaxedRatio((0.0,) * 4, (0.0,) * 4)  # the average atom of one element is the element
    tell(f"posterior: a pilot run, then {law.relaxed_draws} of its draws in cells of {law.relaxed_cells}")
    pilot = replace(law.sampling, block=1000, thin=50, most_blocks=1, draws=law.relaxed_draws)
    rngs = [streams.generator("zhou_posterior.pilot", i) for i in range(pilot.ensembles)]
    chains = sample(law.model, coordinates(law.model), pilot, rngs, mapping)
    each = -(-law.relaxed_draws // pilot.ensembles)
    last = chains.points[:, -1, :each].reshape(-1, chains.points.shape[-1])[: law.relaxed_draws]
    tasks = [(law, point, streams.generator("zhou_posterior.relaxed", i)) for i, point in enumerate(last)]
    cells = list(mapping(_relaxed, tasks))
    there = [k for k, ratios in enumerate(cells) if ratios is not None]
    found = [cells[k] for k in there]
    if len(found) < max(8, law.relaxed_draws // 2):
        raise NotConverged(
            f"only {len(found)} of {law.relaxed_draws} draws of the potential have a stable relaxed cell; the "
            "likelihood does not know their properties: check prior and data"
        )
    logs = np.array(found)
    if law.relaxation == "surrogate":
        free = last[there][:, : law.model.free_count]
        learnt = learnt_ratio(features(free, law.model.predict(last[there]).alloy), logs)
        text = ", ".join(
            f"{n} {m:.4f} beside {s:.4f}" for n, m, s in zip(ALLOY_QUANTITIES, learnt.missed, learnt.sd, strict=True)
        )
        tell(f"log(relaxed / average atom) from {len(logs)} cells, error of a line beside a constant's: {text}")
        return learnt
    spread = logs.std(axis=0, ddof=1) * np.sqrt(1.0 + 1.0 / len(logs))
    text = ", ".join(
        f"{n} {m:+.4f} ± {s:.4f}" for n, m, s in zip(ALLOY_QUANTITIES, logs.mean(axis=0), spread, strict=True)
    )
    tell(f"log(relaxed / average atom) from {len(logs)} of {law.relaxed_draws} cells: {text}")
    return RelaxedRatio(tuple(map(float, logs.mean(axis=0))), tuple(map(float, spread)))


def _relaxed(task: tuple[ZhouPosterior, Floats, Generator]) -> Floats | None:
    """Relax one random cell with one draw; return log(relaxed / average atom), or None when it is not stable."""
    from uqmsm.physics.alloy import configuration, sites
    from uqmsm.physics.atomistic.statics import statics
    from uqmsm.physics.potential import Zhou, tabulate, zhou_from_free

    law, point, rng = task
    model = law.model
    values = zhou_from_free(law.elements, point[: model.free_count], law.lattice)
    average = model.predict(point[None]).alloy[0]
    species = configuration(law.composition, law.relaxed_cells, law.lattice, rng)
    places = sites(law.lattice, law.relaxed_cells)
    try:
        crystal = statics(
            tabulate(Zhou(law.elements, values), cutoff_angstrom=model.cutoff_angstrom),
            species, law.composition, places,
            cells=law.relaxed_cells, a_guess_A=float(average[0]), rng=rng, n_families=0,
        )  # fmt: skip
    except MemberFailed:
        return None
    relaxed = np.array([getattr(crystal, quantity) for quantity in ALLOY_QUANTITIES])
    return np.asarray(np.log(relaxed / average))
