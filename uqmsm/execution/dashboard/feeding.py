"""What feeds the live page: a thread that sends how a run stands, at most once a second, from the client."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.resources import files
from json import dumps
from typing import Any

from uqmsm.execution.dashboard.serving import publish, take

__all__ = ["Feed", "link_beside", "page"]

PERIOD_SECONDS = 1.0  # between two states, and between two questions of the page
BEAT_SECONDS = 5.0  # a state is confirmed though nothing changed, so that the page can tell silence from work
PATIENCE_SECONDS = 3.0  # of a run that ends, for a scheduler that does not take the last state

OnScheduler = Callable[..., Any]


def link_beside(dashboard: str) -> str:
    """Return the address of our page beside a page of Dask's."""
    return f"{dashboard.rpartition('/')[0]}/uqmsm"


def page(title: str, theme: str) -> tuple[str, str]:
    """Return the page with its colours, and the policy that lets it load nothing but itself.

    Parameters
    ----------
    title
        The study, until the first state comes.
    theme
        Style sheet with the custom properties of all colours.
    """
    parts = {
        name: files(__package__).joinpath(name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")
    }
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    text = parts["page.html"].replace("/*STYLE*/", theme + parts["page.css"]).replace("TITLE", escaped)
    script = b64encode(sha256(parts["page.js"].encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return text.replace("/*SCRIPT*/", parts["page.js"]), policy


class Feed:
    """Sends what a run says of itself to its page, from a thread of its own: the run never waits for the page.

    Parameters
    ----------
    on_scheduler
        Calls ``function(*args, dask_scheduler=scheduler)`` in the scheduler's process.
    dashboard
        Address of Dask's dashboard.
    run
        A word that names the run among those of this scheduler.
    text, policy
        The page, as `page` gives it.

    Attributes
    ----------
    link
        Where the page is.
    trouble
        Why the last state was not sent, None while all is well.

    Raises
    ------
    Exception
        Whatever the scheduler raises when it cannot serve the page, e.g. because uqmsm is not installed there.
    """

    def __init__(self, on_scheduler: OnScheduler, dashboard: str, run: str, text: str, policy: str) -> None:
        self._ask, self._run = on_scheduler, run
        others = on_scheduler(publish, run, text, policy) - 1
        self.link = link_beside(dashboard) + (f"?run={run}" if others else "")
        self._over = threading.Event()
        self.trouble: Exception | None = None
        self._thread: threading.Thread | None = None
        self._sent: bytes = b""
        self._sent_at = -1e9

    def follow(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        """Send what `snapshot` returns, at most once a second, until closed; it is called from another thread."""
        self._thread = threading.Thread(target=self._follow, args=(snapshot,), name="uqmsm-page", daemon=True)
        self._thread.start()

    def _follow(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        over, looked = False, 1e9
        while not over:
            over = self._over.wait(PERIOD_SECONDS)
            try:
                looked, self.trouble = self._send(snapshot(), last=over), None
            except Exception as fault:  # noqa: BLE001  # whatever is wrong with the page, the run goes on
                self.trouble = fault
        # somebody looks: let the page ask for the last state before the scheduler ends
        if self.trouble is None and looked < 3 * PERIOD_SECONDS:
            time.sleep(1.3 * PERIOD_SECONDS)

    def _send(self, state: Mapping[str, Any], *, last: bool) -> float:
        packed = dumps(state, separators=(",", ":"), allow_nan=False).encode()
        now, same = time.monotonic(), packed == self._sent
        if same and not last and now - self._sent_at < BEAT_SECONDS:
            return 0.0
        looked = float(self._ask(take, self._run, None if same else packed))
        self._sent, self._sent_at = packed, now
        return looked

    def close(self) -> None:
        """Send the last state, and wait a moment for a page that is open to ask for it."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)
