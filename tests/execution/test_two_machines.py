"""Two machines, each a network namespace of its own: workers that see the run folder, and workers that do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager

import pytest
from certificates import authority, signed
from distributed import Client
from operators import rectangles, three_stages
from test_dispatch import FAILING, fresh, image
from test_tls import address_of, dask_process, flags, spec

from uqmsm.errors import EnvironmentFault
from uqmsm.execution.clusters import joined, open_backend

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]


def ip(*words, check=True):
    subprocess.run(["ip", *map(str, words)], check=check, capture_output=True, timeout=30)


@contextmanager
def machine(number):
    """Start a machine; give its name, its address and ours, as it sees us."""
    name, ours, theirs = f"uqmsm-{os.getpid()}-{number}", f"10.231.{number}.1", f"10.231.{number}.2"
    here, there = f"uq{os.getpid() % 100000}a{number}", f"uq{os.getpid() % 100000}b{number}"
    try:
        ip("netns", "add", name)
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", here)
        ip("link", "set", here, "up")
        for words in (["addr", "add", f"{theirs}/30", "dev", there], ["link", "set", there, "up"]):
            ip("-n", name, *words)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "route", "add", "default", "via", ours)
        yield name, theirs, ours
    finally:
        ip("netns", "del", name, check=False)
        ip("link", "del", here, check=False)


@contextmanager
def cluster(folder, machines, blind=None):
    """Run a scheduler here and a worker on each machine; on the `blind` one the shared folder is another, empty one."""
    ca = authority(folder, "ours")
    server, user = signed(folder, "server", ca), signed(folder, "user", ca)
    note = folder / "scheduler.json"
    with ExitStack() as processes:
        own = ["--host", machines[0][2], "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", note]
        processes.enter_context(dask_process("scheduler", *own, "--protocol", "tls://", *flags(server)))
        address = address_of(note)
        for name, theirs, _ in machines:
            under = ["ip", "netns", "exec", name]
            if blind is not None:
                hidden = f'mount -t tmpfs none "{blind}" && exec "$@"'
                under += ["unshare", "--mount", "sh", "-c", hidden, "worker"]
            words = ["--no-nanny", "--nthreads", "1", "--host", theirs, "--no-dashboard", "--local-directory", folder]
            processes.enter_context(dask_process("worker", address, *words, *flags(server), under=under))
        with Client(address, security=joined.security(user), set_as_default=False, timeout=30) as watch:
            watch.wait_for_workers(len(machines), timeout=60)
        yield spec(address, user)


def test_machines_that_share_the_run_folder_give_the_same_bytes(tmp_path):
    chain, members = three_stages(**FAILING), rectangles(20)
    with machine(1) as one, machine(2) as two, cluster(tmp_path, [one, two]) as place:
        backend = open_backend(0, place)
        try:
            assert {address.split(":")[1] for address in backend._client.nthreads()} == {"//10.231.1.2", "//10.231.2.2"}
            found = image(fresh(tmp_path / "run", chain, members, backend=backend))
        finally:
            backend.close()
    assert found == image(fresh(tmp_path / "reference", chain, members))


def test_a_machine_that_does_not_see_the_run_folder_is_told_of(tmp_path):
    shared, files = tmp_path / "shared", tmp_path / "files"
    shared.mkdir()
    files.mkdir()
    with machine(3) as one, cluster(files, [one], blind=shared) as place:
        backend = open_backend(0, place)
        start = time.monotonic()
        try:
            with pytest.raises(EnvironmentFault, match=r"No such file.*workers need the same run folder.*then resume"):
                fresh(shared / "run", three_stages(), rectangles(5), backend=backend)
        finally:
            backend.close()
        assert time.monotonic() - start < 60
