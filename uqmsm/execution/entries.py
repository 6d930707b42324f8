"""What a line of the journal must be before it is believed: the right keys, of the right kind, naming no way out."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["believable", "line_of"]

_CHECK = "crc"

# a shelf, and as `quote` writes the name of a stage: no other slash, no leading point
_FILE = re.compile(r"(?:[0-9]{4,}/)?[\w%~-][\w.%~-]*\.npz")
_DIGITS = re.compile(r"[0-9a-f]{8,64}")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(three, list) and len(three) == 3 and all(map(_count, three)) for three in value.values()
    )


_WANTED: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "task": {
        "stage": _text,
        "file": lambda value: isinstance(value, str) and _FILE.fullmatch(value) is not None,
        "sha256": lambda value: isinstance(value, str) and _DIGITS.fullmatch(value) is not None,
        "calls": _count,
        "done": _count,
    },
    "execute": {"purpose": _text, "counts": _counts},
    "executed": {"purpose": _text, "counts": _counts},
}


def _crc(entry: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(entry).encode()):08x}"


def line_of(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as a line of the journal, its checksum (CRC-32) last: a bit that flips is noticed."""
    read = json.loads(json.dumps(entry))  # as it will be read: the checksum is that of what comes back
    return json.dumps({**read, _CHECK: _crc(read)}).encode() + b"\n"


def believable(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry of the journal has what its kind needs and is as it was written.

    Kinds that are read by nobody are let pass; lines of older versions have no checksum.
    """
    if _CHECK in entry and entry[_CHECK] != _crc({key: one for key, one in entry.items() if key != _CHECK}):
        return False
    kind = entry.get("kind")
    wanted = _WANTED.get(kind, {}) if isinstance(kind, str) else {}
    return all(key in entry and fits(entry[key]) for key, fits in wanted.items())
