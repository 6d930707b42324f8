"""What is not as it was when a run began: settings of its study, and the code, tables and engines behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from uqmsm.chain import Chain
from uqmsm.conduct.lock import Lock, text_as_run
from uqmsm.errors import StudyError
from uqmsm.execution.calls import parts_of
from uqmsm.fingerprint import code_of, dependencies, versions
from uqmsm.reading import read
from uqmsm.study import dump, loads
from uqmsm.study.overrides import item_name

__all__ = ["Change", "code_behind", "code_changes", "differences", "refuse_changed"]

_DIGITS = 16
_WIDTH = 60
_LISTED = 20
_NOTHING = object()


@dataclass(frozen=True)
class Change:
    """One setting that is not as it was."""

    path: str
    was: Any
    now: Any

    def __str__(self) -> str:
        """Return ``members.rows: 32 -> 64``."""
        return f"{self.path}: {_shown(self.was)} -> {_shown(self.now)}"

    @property
    def where_alone(self) -> bool:
        """Whether it says only where a study runs, which changes no result."""
        return self.path in {"run.workers", "run.cluster"} or self.path.startswith("run.cluster.")


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def differences(was: str, now: str, path: Path) -> list[Change]:
    """Return what two texts of a study file say differently, setting by setting.

    Units, defaults, comments and order of keys are no difference where both texts can still be loaded.

    Parameters
    ----------
    was, now
        The texts.
    path
        Where the study stands: its own modules and data files lie beside it.

    Raises
    ------
    Faulty
        When the text of now is no YAML.
    """
    if was == now:
        return []
    before, after = _resolved(was, path), _resolved(now, path)
    if before is None or after is None:
        before, after = read(was).value, read(now, path.name).value
    return list(_compared("", before, after))


def _resolved(text: str, path: Path) -> Any:
    try:
        return read(dump(loads(text, path=path))).value
    except StudyError:
        return None


def _compared(path: str, was: Any, now: Any) -> Iterator[Change]:
    before, after = _items(was), _items(now)
    if before is None or after is None:
        if was != now:
            yield Change(path, was, now)
        return
    for key in dict.fromkeys([*before, *after]):
        inner = f"{path}.{key}" if path else str(key)
        yield from _compared(inner, before.get(key, _NOTHING), after.get(key, _NOTHING))
    order = [[key for key in one if key in other] for one, other in ((before, after), (after, before))]
    if isinstance(was, list) and order[0] != order[1]:
        yield Change(f"order of {path}", ", ".join(order[0]), ", ".join(order[1]))


def _items(value: Any) -> dict[str, Any] | None:
    """Return what can be compared piece by piece: keys of a mapping, named items of a list."""
    if isinstance(value, dict):
        return value
    names = [item_name(item) for item in value] if isinstance(value, list) else [""]
    return dict(zip(names, value, strict=True)) if all(names) and len(set(names)) == len(names) and names else None


def refuse_changed(
    path: Path, lock: Lock, tell: Callable[[str], None], allowed: Callable[[Change], bool] = lambda _: False
) -> None:
    """Refuse a run whose own study file, or the file it was made from, says something else than it did.

    Parameters
    ----------
    path, lock
        The run.
    tell
        Takes what changed and matters to no result.
    allowed
        Whether a change in the file that the run was made from may stand.

    Raises
    ------
    StudyError
        With every setting that changed, and what can be done.
    """
    source = Path(lock["source"]) if lock.get("source") else path / "study.yaml"
    own = str(lock["study"] if lock["study"] is not None else lock["resolved"])
    changed = differences(own, text_as_run(path, lock), source)
    if changed:
        raise _refusal(path / "study.yaml", changed, f"undo that, and the run goes on: uqmsm resume {quote(str(path))}")
    if lock.get("source_text") is None or not source.is_file():
        return
    changed = differences(str(lock["source_text"]), source.read_text(encoding="utf-8"), source)
    for one in changed:
        if one.where_alone:
            tell(f"{source} says {one} since this run began; give --workers or --cluster to go on elsewhere")
    left = [one for one in changed if not one.where_alone and not allowed(one)]
    if not left:
        return
    again = f"undo that to go on, or run the changed study beside this run: uqmsm run {quote(str(source))}"
    if all(one.path.partition(".")[0] == "members" for one in left):
        again = f"to add these members to the run: uqmsm extend {quote(str(path))}; or {again}"
    raise _refusal(source, left, again)


def _refusal(file: Path, changed: Sequence[Change], advice: str) -> StudyError:
    lines = [f"  {one}" for one in changed[:_LISTED]]
    lines += [f"  and {len(changed) - _LISTED} more"] if len(changed) > _LISTED else []
    listed = "\n".join(lines)
    return StudyError(
        f"{file} has changed since this run began, so its members would not belong together:\n{listed}\n{advice}"
    )


# --- what stands behind the numbers


def code_behind(chain: Chain) -> dict[str, dict[str, dict[str, str]]]:
    """Return, per stage, the modules, tables and engines that its results depend on, each with digest or version."""
    known: dict[str, dict[str, dict[str, str]]] = {}
    found: dict[str, dict[str, dict[str, str]]] = {}
    for stage in chain.stages:
        whole: dict[str, dict[str, str]] = {"modules": {}, "tables": {}, "engines": {}}
        for part in parts_of(stage.operator):
            module = type(part).__module__
            if module not in known:
                known[module] = dependencies(module)
            if not known[module]["modules"]:  # a class of a notebook
                whole["modules"][f"{module}.{type(part).__qualname__}"] = code_of(part)[:_DIGITS]
            for kind, digests in known[module].items():
                whole[kind] |= {name: one if kind == "engines" else one[:_DIGITS] for name, one in digests.items()}
        found[stage.name] = {kind: dict(sorted(one.items())) for kind, one in whole.items()}
    return found


def code_changes(lock: Lock, code: Mapping[str, Mapping[str, Mapping[str, str]]], chain: Chain) -> dict[str, list[str]]:
    """Return what of the code behind a run is not as it was -> the stages whose results it changes, later ones too.

    A run of format 1 knows the versions of its libraries alone.
    """
    if lock["code"] is None:
        then, now = lock["versions"], versions()
        moved = {name: (then.get(name), now.get(name)) for name in {*then, *now} if then.get(name) != now.get(name)}
        return {
            f"{name} {was or 'absent'} -> {new or 'absent'}": list(chain.names) for name, (was, new) in moved.items()
        }
    found: dict[str, set[str]] = {}
    for stage in chain.names:
        before = lock["code"].get(stage, {})
        for kind, digests in code.get(stage, {}).items():
            for words in _moved(kind, before.get(kind, {}), digests):
                found.setdefault(words, set()).update(_after(chain, stage))
    return {words: [name for name in chain.names if name in stages] for words, stages in found.items()}


def _moved(kind: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        old, new = was.get(name), now.get(name)
        if old == new:
            continue
        if kind == "engines":
            yield f"{name} {old or 'absent'} -> {new or 'absent'}"
            continue
        what = "the table" if kind == "tables" else "the code of"
        state = "changed" if old and new else "is used since" if new else "is no longer used"
        yield f"{what} {name.removeprefix('uqmsm.')} {state}"


def _after(chain: Chain, stage: str) -> set[str]:
    """Return a stage and every stage that receives from it, however far down."""
    found = {stage}
    for name in chain.names:
        if found & set(chain.parents[name]):
            found.add(name)
    return found
