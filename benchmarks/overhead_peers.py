"""The same chain under bare Dask and under EasyVVUQ: what `overhead.py` lays beside our own cost.

Run by `overhead.py`, in a process of its own; needs NumPy, and dask.distributed or EasyVVUQ, but not uqmsm, so that
EasyVVUQ (which pins NumPy 1) may live in an environment of its own:
``python -m venv peers && peers/bin/pip install easyvvuq six``.

The four stages are one plain function per stage that draws the very numbers that the operators of `overhead.py` draw:
the sums at the end are compared bit for bit. A *task* of bare Dask is one stage of one member, as a user would write
the chain with four calls of ``client.map``, or all four stages of one member. EasyVVUQ knows no stages: its run is a
member, which is in its favour, and its table of results is made in the time that is measured, as ours is.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from hashlib import sha256
from importlib import import_module

import numpy as np

STAGES = 4
SEED = 1


def _words(label):
    found = sha256(label.encode()).digest()
    return tuple(int.from_bytes(found[i : i + 4], "little") for i in range(0, 32, 4))


WORDS = [_words(f"stage{depth}.chance") for depth in range(STAGES)]


def stage(before, depth, index):
    """Add one uniform, drawn from the stream of this stage at this index."""
    sequence = np.random.SeedSequence(SEED, spawn_key=(*WORDS[depth], index))
    return before + np.random.Generator(np.random.PCG64DXSM(sequence)).random()


def first(index):
    """Return what the first stage gives."""
    return stage(0.0, 0, index)


def whole(index):
    """Return what all stages give, as one function."""
    found = 0.0
    for depth in range(STAGES):
        found = stage(found, depth, index)
    return found


def run_of_easyvvuq(parameters):
    """Return what all stages give, in the form that EasyVVUQ asks for."""
    return {"x3": whole(int(parameters["index"]))}


def _client(workers):
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    return cluster, Client(cluster)


def bare(members, workers, tasks_per_member):
    """Return seconds and sums of one `client.map` per stage, or of one for all stages."""
    cluster, client = _client(workers)
    with cluster, client:
        began = time.perf_counter()
        if tasks_per_member == 1:
            futures = client.map(whole, range(members), pure=False)
        else:
            futures = client.map(first, range(members), pure=False)
            for depth in range(1, STAGES):
                futures = client.map(stage, futures, [depth] * members, range(members), pure=False)
        found = client.gather(futures)
        return time.perf_counter() - began, found


def easyvvuq(members, workers):
    """Return seconds and sums of a campaign over all members; without workers on its own threads' pool."""
    import easyvvuq as uq

    with tempfile.TemporaryDirectory() as place:
        actions = uq.actions.Actions(uq.actions.ExecutePython(run_of_easyvvuq))
        parameters = {"index": {"type": "integer", "default": 0}}
        campaign = uq.Campaign(name="overhead", work_dir=place, params=parameters, actions=actions)
        campaign.set_sampler(uq.sampling.BasicSweep(sweep={"index": list(range(members))}))
        cluster, client = _client(workers) if workers else (None, None)
        began = time.perf_counter()
        (campaign.execute(pool=client) if workers else campaign.execute()).collate()
        table = campaign.get_collation_result()
        seconds = time.perf_counter() - began
        if workers:
            client.close()
            cluster.close()
    by_index = table.sort_values(("index", 0))
    return seconds, by_index[("x3", 0)].tolist()


def main():
    """Measure one peer and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["tasks", "members", "easyvvuq"])
    parser.add_argument("members", type=int)
    parser.add_argument("workers", type=int)
    arguments = parser.parse_args()
    import_module("easyvvuq" if arguments.peer == "easyvvuq" else "distributed")  # not a part of the growth
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if arguments.peer == "easyvvuq":
        seconds, found = easyvvuq(arguments.members, arguments.workers)
    else:
        seconds, found = bare(arguments.members, arguments.workers, STAGES if arguments.peer == "tasks" else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sums = sha256(np.asarray(found, dtype="<f8").tobytes()).hexdigest()
    print(json.dumps({"run": seconds, "peak": peak / 1024, "growth": (peak - before) / 1024, "sums": sums}))


if __name__ == "__main__":
    main()
