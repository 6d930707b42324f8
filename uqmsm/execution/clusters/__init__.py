"""Dask's only door: workers on this machine, on a scheduler that is already there, or in the jobs of a batch system."""

from __future__ import annotations

from collections.abc import Callable

from uqmsm.errors import StudyError
from uqmsm.execution.backends import Backend, InProcess
from uqmsm.execution.clusters.tasks import DaskBackend
from uqmsm.execution.places import ClusterSettings, place_of

__all__ = ["DaskBackend", "open_backend"]


def open_backend(
    workers: int, cluster: str | ClusterSettings = "", say: Callable[[str], None] | None = None
) -> Backend:
    """Return a backend; close it when done.

    Parameters
    ----------
    workers
        Number of worker processes of an own local cluster; 0 runs in this very process.
    cluster
        A place as in `uqmsm.execution.places`: the address of a scheduler, or a batch system; `workers` is then not
        used. This machine if empty or ``local``.
    say
        Takes one line for people.

    Raises
    ------
    StudyError
        When the place or the number of workers makes no sense, or an optional package is missing.
    EnvironmentFault
        When no scheduler answers within seconds, it has no workers, or the batch system gives none.
    """
    tell = say or (lambda _: None)
    place = place_of(cluster or "local")
    if place.address:
        from uqmsm.execution.clusters.joined import joined

        return joined(place, tell)
    if place.system:
        from uqmsm.execution.clusters.jobqueue import jobqueue

        return jobqueue(place, tell)
    if workers < 0:
        raise StudyError(f"--workers {workers} makes no sense; give 0 (this process) or more")
    if workers == 0:
        return InProcess()
    from uqmsm.execution.clusters.local import local

    return local(workers, tell)
