"""What serves the live page: two addresses on the scheduler's own web server, which give and take nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from tornado.web import HTTPError, RequestHandler

__all__ = ["KEPT", "publish", "take"]

KEPT = 8
"""Runs that a scheduler shows at the same time; the one fed longest ago goes first."""


@dataclass
class _Board:
    """What is shown of one run."""

    page: bytes
    policy: str
    state: bytes
    changed: float
    fed: float
    asked: float = -1e9


_BOARDS: WeakKeyDictionary[Any, dict[str, _Board]] = WeakKeyDictionary()


class _Looking(RequestHandler):
    """Gives, and only to those who ask by GET."""

    def initialize(self, boards: dict[str, _Board]) -> None:
        """Take the runs."""
        self.boards = boards

    def set_default_headers(self) -> None:
        """Be believed as what it is, and never be kept."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")

    def found(self) -> _Board:
        """Return the run that is asked for; the one that began last if none is named."""
        run = self.get_query_argument("run", "") or next(reversed(self.boards))
        if run not in self.boards:
            raise HTTPError(404)
        return self.boards[run]


class _Page(_Looking):
    def get(self) -> None:
        """Give the page."""
        board = self.found()
        self.set_header("Content-Security-Policy", board.policy)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(board.page)


class _State(_Looking):
    def get(self) -> None:
        """Give the state, how old it is, and since when nothing was heard of the run [s], by this machine's clock."""
        board = self.found()
        board.asked = now = time.monotonic()
        self.set_header("Content-Type", "application/json")
        ages = b'"age": %.2f, "silent": %.2f' % (now - board.changed, now - board.fed)
        self.finish(b"{" + ages + b', "state": ' + board.state + b"}")


def publish(run: str, text: str, policy: str, dask_scheduler: Any = None) -> int:
    """Serve the page of a run from now on; return how many runs this scheduler shows."""
    boards = _BOARDS.get(dask_scheduler)
    if boards is None:
        boards = _BOARDS[dask_scheduler] = {}
        rules = [(r"/uqmsm", _Page, {"boards": boards}), (r"/uqmsm/state\.json", _State, {"boards": boards})]
        dask_scheduler.http_application.add_handlers(r".*", rules)
    boards.pop(run, None)
    boards[run] = _Board(text.encode(), policy, b"null", time.monotonic(), time.monotonic())
    while len(boards) > KEPT:
        del boards[min(boards, key=lambda one: boards[one].fed)]
    return len(boards)


def take(run: str, state: bytes | None, dask_scheduler: Any = None) -> float:
    """Take a state (None: as before); return the seconds since somebody looked."""
    board, now = _BOARDS[dask_scheduler][run], time.monotonic()
    board.fed = now
    if state is not None:
        board.changed, board.state = now, state
    return now - board.asked
