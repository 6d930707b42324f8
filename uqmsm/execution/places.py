"""Where workers run, as plain data: this machine, a scheduler that is already there, or the jobs of a batch system.

One notation serves the command line and the study file: a place, and settings after commas
(``slurm:debug,jobs=4,walltime=00:30:00``) or as the keys of a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from uqmsm.errors import StudyError

__all__ = ["BATCH_SYSTEMS", "ClusterSettings", "Tls", "place_of"]

BATCH_SYSTEMS = ("slurm", "pbs")
GIGABYTES_PER_CORE = 2
MAX_JOBS = 10_000
LIFETIME_SHARE, STAGGER_SHARE = 0.90, 0.05  # of the walltime: the last worker ends at 95 % of it

_ADDRESS = re.compile(r"(tcp|tls)://(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+):(?P<port>\d{1,5})/?")
_BATCH = re.compile(rf"({'|'.join(BATCH_SYSTEMS)})(?::(?P<queue>[\w.,@-]*))?")
_TIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B?)", re.IGNORECASE)
_JOBS = re.compile(r"(\d+)(?:\.\.(\d+))?")
# what ends up in a job script outside of a comment: words and paths with $VARIABLES, nothing that a shell would run
_WORD = re.compile(r"[\w.,@:+=/-]+")
_PATH = re.compile(r"[\w.,@:+=/~${}-]+")
_EXAMPLE = "slurm:debug,jobs=4,walltime=00:30:00"


def _demand(holds: object, message: str) -> None:
    if not holds:
        raise StudyError(message)


def _seconds(name: str, text: str) -> int:
    found = _TIME.fullmatch(text)
    _demand(found, f"{name} = {text!r} is no time; write hours:minutes:seconds such as 00:30:00, or 2-00:00:00")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())  # type: ignore[union-attr]  # demanded
    total = ((24 * days + hours) * 60 + minutes) * 60 + seconds
    _demand(total > 0, f"{name} = {text!r} is no time at all; write for example 00:30:00")
    return total


@dataclass(frozen=True)
class Tls:
    """The files by which client, scheduler and workers know each other; each side shows one and demands one.

    Parameters
    ----------
    ca
        Certificate of the authority that signed all others, PEM.
    cert
        Certificate to show, PEM.
    key
        Private key of the certificate, PEM; readable for nobody else.
    """

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class ClusterSettings:
    """Where workers run, and what to ask of a batch system for them.

    Parameters
    ----------
    at
        ``local``; the address of a Dask scheduler that is there (``tls://host:8786``, ``tcp://host:8786``); or a batch
        system and its queue (``slurm:debug``, ``pbs:workq``), alone for the queue it takes by itself (``slurm``).
    jobs
        Jobs to keep: a number, or a range such as ``0..8`` for as many as there is work for. 1 if not given.
    cores
        Cores of each job; 1 if not given.
    memory
        Memory of each job such as ``8 GB``; 2 GB per core if not given.
    processes
        Worker processes of each job, one thread each; as many as cores if not given.
    walltime
        Longest time of a job, hours:minutes:seconds; 00:30:00 if not given.
    account
        Account that pays.
    prologue
        Lines of shell run by every job before its workers start (``module load ...``).
    directives
        Further options for the batch system, one text each (``--constraint=ib``), as after ``#SBATCH`` or ``#PBS``.
    interface
        Network interface of scheduler and workers, such as ``ib0``; ``lo`` keeps all on one machine.
    scratch
        Folder on the machine of a job for what workers put down for a moment; ``$TMPDIR`` may be part of it.
    lifetime
        Time after which a worker hands over and ends by itself, hours:minutes:seconds; 90 % of `walltime` if not given.
    stagger
        How far lifetimes are spread to either side, hours:minutes:seconds; 5 % of `walltime` if not given.
    python
        Python of the workers; the one that runs the client if not given.
    shared
        Folder that all machines see, for logs of jobs and keys; ``~/.cache/uqmsm`` if not given.
    tls
        Files for encryption. Batch systems get temporary ones where none are given.
    encrypted
        ``false`` lets a batch system's workers and scheduler talk in the clear: for networks where nobody else is.
    """

    at: str
    jobs: int | str | None = None
    cores: int | None = None
    memory: str | None = None
    processes: int | None = None
    walltime: str | None = None
    account: str | None = None
    prologue: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    interface: str | None = None
    scratch: str | None = None
    lifetime: str | None = None
    stagger: str | None = None
    python: str | None = None
    shared: str | None = None
    tls: Tls | None = None
    encrypted: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no place, and settings that do not belong to it."""
        _check_place(self)
        if self.system:
            _check_numbers(self)
            _check_words(self)

    @property
    def address(self) -> str:
        """Return the address of the scheduler to join, or an empty text."""
        return self.at if _ADDRESS.fullmatch(self.at) else ""

    @property
    def system(self) -> str:
        """Return the batch system, or an empty text."""
        found = _BATCH.fullmatch(self.at)
        return found[1] if found else ""

    @property
    def queue(self) -> str | None:
        """Return the queue (partition) of the batch system, or None for its own choice."""
        found = _BATCH.fullmatch(self.at)
        return (found["queue"] or None) if found else None

    @cached_property
    def job_range(self) -> tuple[int, int]:
        """Return fewest and most jobs."""
        found = _JOBS.fullmatch(str(1 if self.jobs is None else self.jobs))
        _demand(found, f"jobs = {self.jobs!r} is no number of jobs; write 4, or 0..8 for as many as there is work for")
        least, most = int(found[1]), int(found[2] or found[1])  # type: ignore[index]  # demanded above
        _demand(0 < most <= MAX_JOBS, f"jobs = {self.jobs!r} starts none or too many; write between 1 and {MAX_JOBS}")
        _demand(least <= most, f"jobs = {self.jobs!r} ends before it begins; write {most}..{least}")
        return least, most

    @property
    def cores_per_job(self) -> int:
        """Return the cores that a job asks for."""
        return self.cores or 1

    @property
    def workers_per_job(self) -> int:
        """Return the worker processes of a job."""
        return self.processes or self.cores_per_job

    @property
    def bytes_per_job(self) -> int:
        """Return the memory of a job."""
        if self.memory is None:
            return GIGABYTES_PER_CORE * 10**9 * self.cores_per_job
        found = _MEMORY.fullmatch(self.memory.strip())
        _demand(found, f"memory = {self.memory!r} is no amount of memory; write for example 8 GB")
        number, unit = found.groups()  # type: ignore[union-attr]  # demanded above
        factor = 1024 if "i" in unit else 1000
        return int(float(number) * factor ** (1 + "KMGT".index(unit[0].upper())))

    @property
    def walltime_seconds(self) -> int:
        """Return the longest time of a job [s]."""
        return _seconds("walltime", self.walltime or "00:30:00")

    @property
    def lifetime_seconds(self) -> tuple[int, int]:
        """Return the lifetime of a worker and its spread to either side [s]."""
        walltime = self.walltime_seconds
        life = _seconds("lifetime", self.lifetime) if self.lifetime else int(LIFETIME_SHARE * walltime)
        spread = _seconds("stagger", self.stagger) if self.stagger else int(STAGGER_SHARE * walltime)
        return life, min(spread, life // 2)


def _check_place(one: ClusterSettings) -> None:
    if one.at == "local" or one.system:
        foreign = [] if one.system else [name for name in _given(one) if name != "at"]
    elif one.address:
        port = int(_ADDRESS.fullmatch(one.at)["port"])  # type: ignore[index]  # it is an address
        _demand(0 < port < 65536, f"at = {one.at!r}: there is no port {port}; a scheduler's is often 8786")
        foreign = [name for name in _given(one) if name not in {"at", "tls"}]
        if one.tls is not None and one.at.startswith("tcp://"):
            raise StudyError(f"at = {one.at!r} is not encrypted, and tls is given; write tls:// for tcp://")
    else:
        raise StudyError(
            f"at = {one.at!r} is no place to run; write local, the address of a scheduler such as tls://host:8786, "
            f"or a batch system such as {_EXAMPLE}"
        )
    if foreign:
        raise StudyError(
            f"{foreign[0]} does not belong to at = {one.at!r}; leave it away, or write a batch "
            "system such as slurm:debug"
        )


def _given(one: ClusterSettings) -> list[str]:
    return [field.name for field in fields(one) if field.name == "at" or getattr(one, field.name) != field.default]


def _check_numbers(one: ClusterSettings) -> None:
    one.job_range  # noqa: B018  # refuses what is no range
    for name in ("cores", "processes"):
        value = getattr(one, name)
        _demand(value is None or value >= 1, f"{name} = {value} cannot work; write 1 or more")
    if one.workers_per_job > one.cores_per_job:
        raise StudyError(
            f"processes = {one.processes} is more than the {one.cores_per_job} cores of a job; write as many cores, or "
            "fewer processes"
        )
    _demand(one.bytes_per_job >= 10**8, f"memory = {one.memory!r} is too little for a worker; write for example 2 GB")
    life, spread = one.lifetime_seconds
    if life + spread > one.walltime_seconds:
        raise StudyError(
            f"lifetime {life} s and stagger {spread} s together pass the walltime of {one.walltime_seconds} s, so that "
            "the batch system would end workers at work; write a shorter lifetime"
        )


def _check_words(one: ClusterSettings) -> None:
    for name, allowed in (("account", _WORD), ("interface", _WORD)):
        value = getattr(one, name)
        _demand(value is None or allowed.fullmatch(value), f"{name} = {value!r} is no plain word; write only its name")
    for name in ("scratch", "python", "shared"):
        value = getattr(one, name)
        _demand(
            value is None or _PATH.fullmatch(value),
            f"{name} = {value!r} is no plain path (letters, digits, / . _ - $VARIABLE); write one",
        )
    for name in ("prologue", "directives"):
        for line in getattr(one, name):
            _demand(
                line.strip() and line.isprintable(),
                f"{name} holds {line!r}, which is not one line of text; write one item per line",
            )


def place_of(text: str | ClusterSettings, folder: Path | None = None) -> ClusterSettings:
    """Return the settings that a text such as ``slurm:debug,jobs=4`` says; settings are returned as they are.

    Parameters
    ----------
    text
        A place, and after commas ``key=value`` for single values of `ClusterSettings` and of its `tls`.
    folder
        Files of `tls` are looked for there; in the working folder if not given.

    Raises
    ------
    StudyError
        When the place, a key or a value makes no sense, or a file is missing.
    """
    if isinstance(text, ClusterSettings):
        return text
    at, _, rest = text.strip().partition(",")
    values: dict[str, Any] = {}
    for setting in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key or not value:
            raise StudyError(f"cluster {text!r}: {setting!r} is no key=value; write for example {_EXAMPLE}")
        if key in values:
            raise StudyError(f"cluster {text!r} says {key} twice; leave one away")
        values[key] = value
    tls: dict[str, str] = {key: values.pop(key) for key in ("ca", "cert", "key") if key in values}
    return ClusterSettings(at=at.strip(), **_typed(text, values), tls=_tls(text, tls, folder or Path()))


def _typed(text: str, values: Mapping[str, str]) -> dict[str, Any]:
    known = [field.name for field in fields(ClusterSettings) if field.name not in {"at", "tls"}]
    typed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = get_close_matches(key, [*known, "ca", "cert", "key"], n=1)
            raise StudyError(
                f"cluster {text!r}: there is no {key!r}; "
                + (f"did you mean {near[0]}?" if near else f"write one of {', '.join([*known, 'ca', 'cert', 'key'])}")
            )
        if key in {"prologue", "directives"}:
            raise StudyError(
                f"cluster {text!r}: {key} holds whole lines; write it in the study file, under run: cluster:"
            )
        if key in {"cores", "processes"}:
            _demand(
                value.isdigit(), f"cluster {text!r}: {key} = {value!r} is no whole number; write for example {key}=4"
            )
            typed[key] = int(value)
        elif key == "encrypted":
            _demand(value in {"true", "false"}, f"cluster {text!r}: encrypted = {value!r}; write true or false")
            typed[key] = value == "true"
        else:
            typed[key] = value
    return typed


def _tls(text: str, given: Mapping[str, str], folder: Path) -> Tls | None:
    if not given:
        return None
    missing = [name for name in ("ca", "cert", "key") if name not in given]
    _demand(not missing, f"cluster {text!r}: {', '.join(missing)} missing; write ca=FILE,cert=FILE,key=FILE")
    paths = {name: folder / Path(value).expanduser() for name, value in given.items()}
    for name, path in paths.items():
        _demand(path.is_file(), f"cluster {text!r}: {name} = {str(path)!r} is no file; put it there, or mend the path")
    return Tls(**paths)
