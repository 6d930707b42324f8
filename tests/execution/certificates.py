"""Certificates for a test: an authority, one certificate that it signed, and one of a stranger."""

from __future__ import annotations

import subprocess
from pathlib import Path

from uqmsm.execution.places import Tls


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def authority(folder: Path, name: str) -> Path:
    subject = ["-subj", f"/CN={name}", "-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    openssl("req", "-x509", *subject, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
    return folder / f"{name}.pem"


def signed(folder: Path, name: str, ca: Path) -> Tls:
    """Return the files of somebody whom the authority `ca` vouches for."""
    subject = ["-subj", f"/CN={name}", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    openssl("req", "-new", *subject, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr")
    own = ["-in", folder / f"{name}.csr", "-out", folder / f"{name}.pem"]
    openssl("x509", "-req", "-days", "2", "-CA", ca, "-CAkey", ca.with_suffix(".key"), "-CAcreateserial", *own)
    return Tls(ca, folder / f"{name}.pem", folder / f"{name}.key")
