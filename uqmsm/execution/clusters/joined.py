"""A scheduler that is already there, reached by its address, and with TLS where it asks for it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address

from distributed import Client, Security

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.clusters.local import quiet
from uqmsm.execution.clusters.tasks import DaskBackend
from uqmsm.execution.places import ClusterSettings, Tls

__all__ = ["CONNECT_SECONDS", "joined", "security"]

CONNECT_SECONDS = 3.0


def security(tls: Tls) -> Security:
    """Return Dask's own form of the files, the same for client, scheduler and workers.

    Raises
    ------
    StudyError
        When a file is no certificate or key, or key and certificate do not belong together.
    """
    roles = {
        f"tls_{role}_{kind}": str(path)
        for role in ("client", "scheduler", "worker")
        for kind, path in (("cert", tls.cert), ("key", tls.key))
    }
    found = Security(require_encryption=True, tls_ca_file=str(tls.ca), **roles)
    try:
        found.get_connection_args("client")
    except OSError as fault:  # ssl.SSLError is one
        raise StudyError(
            f"the TLS files {tls.ca}, {tls.cert}, {tls.key} cannot be used ({fault}); give PEM files in which the key "
            "belongs to the certificate"
        ) from fault
    return found


def joined(place: ClusterSettings, tell: Callable[[str], None]) -> DaskBackend:
    """Return a backend on a scheduler that stays when we go.

    Parameters
    ----------
    place
        The address of a scheduler, with its TLS files unless they stand in Dask's own configuration.
    tell
        Takes one line for people.

    Raises
    ------
    StudyError
        When TLS is asked for and its files are missing or wrong.
    EnvironmentFault
        When no scheduler answers within seconds, it does not accept our certificate, or it has no workers.
    """
    address = place.address
    safe = security(place.tls) if place.tls is not None else Security()
    if address.startswith("tls://") and not (safe.tls_ca_file and safe.tls_client_cert):
        raise StudyError(
            f"--cluster {address!r} needs certificates; write {address},ca=FILE,cert=FILE,key=FILE, or a block with "
            "tls: in the study file"
        )
    if address.startswith("tcp://") and not _on_this_machine(address):
        tell(f"{address} is not encrypted: whoever reaches it sees all and runs what he likes; prefer tls://")
    quiet()
    client = None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, security=safe)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as fault:
        raise EnvironmentFault(_why(address, client, fault)) from fault
    return DaskBackend(client, None, str(client.dashboard_link or ""))


def _why(address: str, client: Client | None, fault: BaseException) -> str:
    if client is not None:
        client.close()
        return (
            f"{address}: the scheduler has no workers within {CONNECT_SECONDS:g} s; start some (`dask worker "
            f"{address}`), or leave --cluster away to use this machine"
        )
    chain = [fault]
    while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None and deeper not in chain:
        chain.append(deeper)
    said = " ".join(str(one) for one in chain)
    if any(word in said for word in ("SSL", "certificate", "TLS")):
        return (
            f"{address}: scheduler and client do not accept each other's certificates ({chain[-1]}); use those that "
            "the scheduler was started with"
        )
    return (
        f"{address}: no scheduler answers within {CONNECT_SECONDS:g} s; start it (`dask scheduler`, `dask worker "
        f"{address}`), or leave --cluster away to use this machine"
    )


def _on_this_machine(address: str) -> bool:
    host = address.partition("://")[2].rstrip("/").rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", socket.gethostname()}
