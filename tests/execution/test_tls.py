"""A scheduler with TLS and two workers: who shows the right certificate computes there, and nobody else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest
from certificates import authority, signed
from distributed import Client
from operators import rectangles, three_stages
from test_dispatch import FAILING, fresh, image

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.clusters import joined, open_backend
from uqmsm.execution.places import ClusterSettings, Tls

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl; on Debian: apt install openssl")


@contextmanager
def dask_process(kind, *words, under=(), **also):
    """Run a scheduler or a worker as a site would: by Dask's own command line."""
    command = [*under, sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, words)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(command, stdout=-3, stderr=-3, env=environment, **also) as process:
        try:
            yield process
        finally:
            process.terminate()


def address_of(file, seconds=60):
    """Return the address that a scheduler wrote down when it was ready."""
    end = time.monotonic() + seconds
    while True:
        try:
            return json.loads(file.read_text(encoding="utf-8"))["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            assert time.monotonic() < end, "the scheduler did not start"
            time.sleep(0.05)


def flags(tls):
    return ["--tls-ca-file", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start a scheduler and two workers with certificates; give its address and the files of three people."""
    folder = tmp_path_factory.mktemp("site")
    ca = authority(folder, "ours")
    server, user = signed(folder, "server", ca), signed(folder, "user", ca)
    theirs = authority(folder, "theirs")
    stranger = signed(folder, "stranger", theirs)
    note = folder / "scheduler.json"
    with ExitStack() as processes:
        place = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", note]
        processes.enter_context(dask_process("scheduler", *place, "--protocol", "tls://", *flags(server)))
        address = address_of(note)
        for _ in range(2):
            own = ["--no-nanny", "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard"]
            own += ["--local-directory", folder]
            processes.enter_context(dask_process("worker", address, *own, *flags(server)))
        wait = open_when_two(address, user)
        yield address, user, Tls(ca, stranger.cert, stranger.key), stranger
        wait.close()


def open_when_two(address, user):
    safe = joined.security(user)
    client = Client(address, security=safe, set_as_default=False, timeout=30)
    client.wait_for_workers(2, timeout=60)
    return client


def spec(address, tls):
    return f"{address},ca={tls.ca},cert={tls.cert},key={tls.key}"


def test_two_workers_behind_tls_give_the_same_bytes(tmp_path, site):
    address, user, *_ = site
    assert address.startswith("tls://127.0.0.1:")
    chain, members = three_stages(**FAILING), rectangles(20)
    images = [image(fresh(tmp_path / "here", chain, members))]
    for name, place in (("words", spec(address, user)), ("block", ClusterSettings(at=address, tls=user))):
        backend = open_backend(0, place)
        assert backend.slots == 2
        images.append(image(fresh(tmp_path / name, chain, members, backend=backend)))
        backend.close()
    assert images[0] == images[1] == images[2]


def test_a_client_without_or_with_a_strange_certificate_is_refused(site, monkeypatch):
    address, _, strange, stranger = site
    with pytest.raises(StudyError, match=r"needs certificates.*ca=FILE,cert=FILE,key=FILE"):
        open_backend(0, address)
    for files in (strange, stranger):  # one whom the scheduler does not know, and one who does not know the scheduler
        with pytest.raises(EnvironmentFault, match="certificates"):
            open_backend(0, spec(address, files))
    monkeypatch.setattr(joined, "CONNECT_SECONDS", 2.0)
    with pytest.raises(EnvironmentFault, match=r"no scheduler answers|certificates"):
        open_backend(0, address.replace("tls://", "tcp://"))


def test_files_that_are_no_certificates_are_told_before_anything_is_sent(tmp_path, site):
    address, user, _, stranger = site
    (tmp_path / "empty.pem").touch()
    with pytest.raises(StudyError, match=r"cannot be used.*belongs to the certificate"):
        open_backend(0, spec(address, Tls(user.ca, tmp_path / "empty.pem", user.key)))
    with pytest.raises(StudyError, match="cannot be used"):
        open_backend(0, spec(address, Tls(user.ca, user.cert, stranger.key)))
    with pytest.raises(StudyError, match=r"key.*is no file"):
        open_backend(0, spec(address, Tls(user.ca, user.cert, tmp_path / "gone.key")))
    with pytest.raises(StudyError, match="is not encrypted, and tls is given; write tls://"):
        open_backend(0, spec("tcp://127.0.0.1:8786", user))


def test_a_remote_scheduler_in_the_clear_is_warned_of(monkeypatch):
    monkeypatch.setattr(joined, "CONNECT_SECONDS", 0.3)
    said = []
    for address in ("tcp://127.0.0.1:9", "tcp://192.0.2.1:9"):  # an address for documents: nobody has it
        with pytest.raises(EnvironmentFault, match="no scheduler answers"):
            open_backend(0, address, say=said.append)
    assert [line for line in said if "not encrypted" in line] == [line for line in said if "192.0.2.1" in line]
    assert len(said) == 1
