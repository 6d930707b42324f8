"""What has to be the same bit for bit, however a run came about, and what must hold after every fault."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import uqmsm
from uqmsm.execution.journal import read_journal
from uqmsm.execution.taskfile import LASTING, CorruptFile, read_task
from uqmsm.fields import DamagedField, read_row

TIMES = {"seconds", "host"}


def outcomes_of(record, members):
    """Return key -> everything that one call gave, as bytes; fields are read from their own files and verified.

    A call whose field cannot be believed is left out, as one whose file cannot.
    """
    found = {}
    for row, key in enumerate(record.keys):
        if record.status[row] not in LASTING:
            continue
        try:
            found[key.tobytes()] = _outcome(record, members, row)
        except DamagedField:
            continue
    return found


def _outcome(record, members, row):
    given = {}
    for port, values in record.values.items():
        sizes = record.sizes.get(port)
        cut = () if sizes is None else tuple(map(slice, sizes[row].tolist()))
        given[port] = np.ascontiguousarray(values[row][cut])
    for port, stored in getattr(record, "fields", {}).items():
        sizes = record.sizes.get(port)
        cut = () if sizes is None else tuple(map(slice, sizes[row].tolist()))
        if stored.digests[row].any():
            whole = read_row(members, stored.file, row, stored.digests[row].tobytes())
            given[port] = np.ascontiguousarray(whole[cut])
    image = {port: (str(one.dtype), one.shape, one.tobytes()) for port, one in given.items()}
    if int(record.status[row]) != LASTING[0]:
        image = {}  # whatever fills the rows of calls that failed
    return record.stage, int(record.status[row]), record.reasons.get(row, ""), image


def journalled(run):
    """Return key -> outcome of every call that the journal knows and whose file can be believed, and how often."""
    found, times = {}, {}
    for entry in read_journal(run)[0]:
        if entry.get("kind") != "task":
            continue
        try:
            record = read_task(run / "members" / entry["file"], entry["sha256"])
        except CorruptFile:
            continue
        one = outcomes_of(record, run / "members")
        found |= one
        for key in one:
            times[key] = times.get(key, 0) + 1
    return found, times


def results_of(run):
    """Return (group, variable) -> bytes of the results, and their attributes, without times."""
    tree, found = uqmsm.open(run), {}
    for node in tree.subtree:
        for name, variable in node.to_dataset().variables.items():
            if name in TIMES:
                continue
            values = np.asarray(variable.values)
            body = values.tolist() if values.dtype.kind in "OUT" else np.ascontiguousarray(values).tobytes()
            found[node.path, str(name)] = (variable.dims, str(values.dtype), values.shape, body)
    attributes = dict(tree.attrs)
    stages = json.loads(attributes.pop("stages"))
    attributes["stages"] = [{key: one[key] for key in one if key not in TIMES} for one in stages]
    attributes.pop("seconds")
    return found, attributes


def page_of(run):
    """Return the report, which must be whole."""
    text = (run / "report.html").read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>"), "half a report"
    return text


class Reference:
    """An uninterrupted run, against which others are held."""

    def __init__(self, run: Path) -> None:
        self.outcomes, times = journalled(run)
        assert set(times.values()) == {1}
        self.results, self.attributes = results_of(run)
        page_of(run)

    def holds(self, run, before, where):
        """Check a run that was struck: nothing is lost, nothing wrong is there; return what is journalled."""
        if not (run / "journal.jsonl").exists():
            assert not before, f"{where}: the journal is gone"
            return {}
        found, _ = journalled(run)
        lost = set(before) - set(found)
        assert not lost, f"{where}: {len(lost)} calls that were journalled are lost"
        self.believes(found, where)
        return found

    def believes(self, found, where):
        """Check that every outcome is that of the reference."""
        strange = [key.hex()[:12] for key, one in found.items() if self.outcomes.get(key) != one]
        assert not strange, f"{where}: outcomes of {strange[:5]} are not those of the uninterrupted run"

    def equals(self, run, where, *, once=True):
        """Check a run that was finished: every outcome and every result bit for bit, and (`once`) no call run twice."""
        found, times = journalled(run)
        self.believes(found, where)
        assert set(found) == set(self.outcomes), f"{where}: {len(found)} calls instead of {len(self.outcomes)}"
        twice = [key.hex()[:12] for key, count in times.items() if count > 1]
        assert not (once and twice), f"{where}: {len(twice)} calls were run twice"
        results, attributes = results_of(run)
        differing = [key for key in self.results.keys() | results.keys() if self.results.get(key) != results.get(key)]
        assert not differing, f"{where}: {differing} differ"
        wrong = [key for key in self.attributes if self.attributes[key] != attributes.get(key) and key != "command"]
        texts = {key: (self.attributes[key], attributes.get(key)) for key in wrong}
        assert not wrong, f"{where}: the attributes {texts} differ"
        page_of(run)
        left = [str(path.relative_to(run)) for path in run.rglob("*.part")]
        assert not left, f"{where}: {left} are left behind"
