"""The command line: init, validate, plan, run, status, resume, extend, report, replay, schema.

Data goes to stdout, talk to stderr; the last line names the next command. Exit codes: 0 answered, 1 the machine failed,
2 the study or the call is wrong, 3 too many failed members, 4 not converged, 130 interrupted. Everything heavy is
imported by the command that needs it.
"""

from __future__ import annotations

import json as json_text
import math
import os
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from uqmsm.cli.following import following
from uqmsm.cli.refusals import Told, explained
from uqmsm.trust import never_world_writable

if TYPE_CHECKING:
    from uqmsm.study import Study

__all__ = ["main"]

# one thread a process, also where this process computes by itself; read by BLAS when NumPy is first imported
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_ORDER = ("init", "validate", "plan", "run", "status", "resume", "extend", "report", "replay", "schema")


class _Commands(click.Group):
    """The commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_ORDER)


def _remember(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    del option
    ctx.meta["traceback"] = value


class _Command(click.Command):
    """A command that ends with words and an exit code; a traceback only when ``--traceback`` asks for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = "Show where in the program a failure arose."
        option = click.Option(["--traceback"], is_flag=True, expose_value=False, callback=_remember, help=words)
        self.params.append(option)

    def invoke(self, ctx: click.Context) -> Any:
        began = time.time()
        try:
            with never_world_writable():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except BaseException as fault:
            told = explained(fault, ctx.params, began)
            if told is None:
                raise
            if ctx.meta.get("traceback"):
                traceback.print_exception(fault)
            _tell(told, as_json=bool(ctx.params.get("json")))
            ctx.exit(told.exit_code)


def _tell(told: Told, *, as_json: bool) -> None:
    if as_json:
        _json(told.as_json())
    from uqmsm.cli.display import coloured

    if sys.stderr.isatty():
        told = told.on_terminal(get_terminal_size().columns)
    click.echo(told.painted() if coloured(sys.stderr) else told.text, err=True)
    if told.next:
        _next(told.next)


def _next(*words: str) -> None:
    """Write the next command as the last line."""
    sys.stdout.flush()
    click.echo(f"next: {' '.join(words)}", err=True)


def _json(document: Any) -> None:
    click.echo(json_text.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    """Return data with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@click.group(cls=_Commands, context_settings=_SETTINGS, no_args_is_help=True)
@click.version_option(package_name="uqmsm", message="uqmsm %(version)s")
def main() -> None:
    """Uncertainty quantification first: from electrons to a component.

    \b
    A first run:
      uqmsm init first
      uqmsm validate first
      uqmsm plan first
      uqmsm run first
    """  # noqa: D301  # click reads the character \b: it keeps the lines as they are


Decorator = Callable[[Any], Any]
_study: Decorator = click.argument("study", metavar="STUDY")
_folder: Decorator = click.argument("folder", metavar="[RUN]", required=False)
_as_json = click.option("--json", is_flag=True, help="One JSON document on stdout.")
_set = click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Change one value of the study.")
_cluster = click.option(
    "--cluster",
    metavar="SPEC",
    help="local; slurm:QUEUE,jobs=4,walltime=02:00:00 or pbs:QUEUE (jobs of a batch system); tcp://HOST:PORT, or "
    "tls://HOST:PORT,ca=FILE,cert=FILE,key=FILE (a Dask scheduler that is there).",
)
_workers = click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Worker processes; 0 for none.")


def _command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    return main.command(name, cls=_Command)


def _load(study: str, settings: tuple[str, ...]) -> Study:
    from uqmsm.study import load

    return load(study, settings)


def _warn_of_few_rows(study: Study) -> None:
    from uqmsm.study.parts import INTERVAL_ROWS

    if study.members.rows < INTERVAL_ROWS:
        click.echo(
            f"warning: members.rows = {study.members.rows} gives no ledger lines with intervals; "
            f"write {INTERVAL_ROWS} or more (--set members.rows={INTERVAL_ROWS})",
            err=True,
        )


def _run_folder(folder: str | None) -> Path:
    from uqmsm import conduct

    return Path(folder) if folder is not None else conduct.newest()


def _templates() -> str:
    from uqmsm.cli.templates import names

    return f"A study to begin with: {', '.join(names())}."


@_command("init")
@click.argument("name")
@click.option("--template", default="first_steps", show_default=True, help=_templates())
def init(name: str, template: str) -> None:
    """Write a study folder to begin with."""
    from uqmsm.cli.templates import copy

    for path in copy(template, Path(name)):
        click.echo(path)
    place = shlex.quote(name)
    click.echo(f"read it, then: uqmsm validate {place}, uqmsm plan {place}", err=True)
    _next("uqmsm run", place)


@_command("validate")
@_study
@_set
@_as_json
def validate(study: str, settings: tuple[str, ...], json: bool) -> None:
    """Check all that needs no computing."""
    from uqmsm.study.foreign import foreign_code

    checked = _load(study, settings)
    chain, code = checked.chain, foreign_code(checked)
    answers = [ask.answer for ask in checked.ask] + [size.answer for size in checked.sizes]
    kinds = [str(source.kind) for source in chain.sources]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if json:
        sources = [{"label": source.label, "kind": str(source.kind)} for source in chain.sources]
        about: dict[str, Any] = {"valid": True, "study": checked.title, "stages": chain.names, "sources": sources}
        _json(about | {"answers": answers, "code": code})
    else:
        click.echo(f"{checked.path} is sound: {checked.title}")
        click.echo(f"  stages   {' -> '.join(chain.names)}")
        click.echo(f"  sources  {len(kinds)}{f' ({counts})' if counts else ''}")
        click.echo(f"  answers  {', '.join(answers)}")
        click.echo(
            "\n".join(f"  {'' if row else 'code':<8} {line}" for row, line in enumerate(code or ["none of its own"]))
        )
    _warn_of_few_rows(checked)
    _next("uqmsm plan", shlex.quote(study))


@_command("plan")
@_study
@_set
@_as_json
def plan(study: str, settings: tuple[str, ...], json: bool) -> None:
    """Show chain, sources, calls and cost; run nothing."""
    from uqmsm import conduct
    from uqmsm.cli.display import outline, planned_in_words

    planned = conduct.plan(_load(study, settings))
    _json(planned) if json else click.echo(outline(planned_in_words(planned)))
    _next("uqmsm run", shlex.quote(study))


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM (a batch system's end of time) stop a run as Ctrl-C does: resumable."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _conclude(finished: Any, json: bool) -> None:
    """Write the answer, the next command, and end with the run's exit code."""
    if json:
        _json(finished.summary)
    else:
        from uqmsm.cli.display import fitted

        for line in [finished.lines] if isinstance(finished.lines, str) else finished.lines:
            click.echo(fitted(line) if sys.stdout.isatty() else line)
    _next(following(finished))
    click.get_current_context().exit(finished.exit_code)


@_command("run")
@_study
@click.option("--out", type=click.Path(), metavar="DIR", help="The run folder; runs/... if not given.")
@_workers
@_cluster
@_set
@_as_json
def run(
    study: str, out: str | None, workers: int | None, cluster: str | None, settings: tuple[str, ...], json: bool
) -> None:
    """Run and report; safe to interrupt."""
    checked = _load(study, settings)  # before anything heavy is imported: a wrong study is told at once
    _warn_of_few_rows(checked)
    from uqmsm import conduct
    from uqmsm.cli.display import observer

    watch = observer()
    with _stoppable():
        try:
            folder = Path(out) if out is not None else None
            finished = conduct.run(checked, out=folder, workers=workers, cluster=cluster, observer=watch)
        finally:
            watch.finished()
    _conclude(finished, json)


@_command("status")
@_folder
@_as_json
def status(folder: str | None, json: bool) -> None:
    """Tell how far a run is, from any terminal."""
    from uqmsm import conduct
    from uqmsm.cli.display import outline, standing_in_words

    found = _run_folder(folder)
    state = conduct.status(found)
    _json(state) if json else click.echo(outline(standing_in_words(state)))
    name = shlex.quote(str(found))
    following = {"running": f"uqmsm status {name}", "finished": f"uqmsm report {name} --open"}
    _next(following.get(state["state"], f"uqmsm resume {name}"))


@_command("resume")
@_folder
@_workers
@_cluster
@_as_json
def resume(folder: str | None, workers: int | None, cluster: str | None, json: bool) -> None:
    """Go on where a run stopped."""
    from uqmsm import conduct
    from uqmsm.cli.display import observer

    found, watch = _run_folder(folder), observer()
    with _stoppable():
        try:
            finished = conduct.resume(found, workers=workers, cluster=cluster, observer=watch)
        finally:
            watch.finished()
    _conclude(finished, json)


_count = click.IntRange(min=1)


@_command("extend")
@click.argument("folder", type=click.Path(), metavar="RUN")
@click.option("--members", "rows", type=_count, metavar="ROWS", help="Rows of members there shall be.")
@click.option("--band-draws", type=_count, metavar="N", help="Epistemic draws there shall be for a probability's band.")
@click.option("--band-inner", type=_count, metavar="N", help="Members there shall be for each of these draws.")
@click.option("--at-most", type=_count, metavar="ROWS", help="Rows at which the study's stop rules shall end.")
@_workers
@_cluster
@_as_json
def extend(folder: str, rows: int | None, json: bool, **numbers: Any) -> None:
    """Add members to a run; the first ones stay as they are.

    Without a number, the  members:  that the study file says now are taken.
    """
    from uqmsm import conduct
    from uqmsm.cli.display import observer

    watch = observer()
    with _stoppable():
        try:
            finished = conduct.extend(folder, rows, **numbers, observer=watch)
        finally:
            watch.finished()
    _conclude(finished, json)


@_command("report")
@_folder
@click.option("--open", "browse", is_flag=True, help="Show it in the browser.")
def report(folder: str | None, browse: bool) -> None:
    """Write report.html into the run folder."""
    from uqmsm import conduct

    page = conduct.report(_run_folder(folder))
    click.echo(page)
    if browse:
        click.launch(str(page))
    else:
        _next("uqmsm report", shlex.quote(str(page.parent)), "--open")


@_command("replay")
@click.argument("folder", type=click.Path(), metavar="RUN")
@click.argument("address")
def replay(folder: str, address: str) -> None:
    """Run one member again, alone and aloud.

    An ADDRESS is one index per source, such as  first.f=3,second.p=0 . The report lists those of failed members; all
    stand in the members table:  uqmsm.open(RUN)["members"]  in Python.
    """
    from uqmsm.conduct.replaying import replay as again
    from uqmsm.errors import MemberFailed

    try:
        again(folder, address, click.echo)
    except MemberFailed:
        click.get_current_context().exit(3)  # its words were told where it failed
    _next("uqmsm report", shlex.quote(folder), "--open")


@_command("schema")
def schema() -> None:
    """Print the JSON Schema of a study file."""
    from uqmsm.study import schema as described

    _json(described())
