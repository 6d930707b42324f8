"""A page in headless Chromium, driven over its debugging pipe: read values, look at it in any size, light or dark."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip


def screens():
    """Return the folder in which pictures are kept."""
    folder = Path(os.environ.get("UQMSM_SCREENS", Path(__file__).parents[2] / "build" / "screens"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Page:
    """One page; commands of the DevTools protocol, each waited for."""

    def __init__(self, address, profile, width=1100, height=900):
        down, self._write = os.pipe()
        self._read, up = os.pipe()

        def wire():
            # Chromium reads its orders from 3 and answers on 4; both pipes are first moved out of each other's way
            low, high = os.dup(down), os.dup(up)
            os.dup2(low, 3)
            os.dup2(high, 4)

        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command,
            preexec_fn=wire,  # noqa: PLW1509  # dup2 alone
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(down)
        os.close(up)
        self._rest, self._number, self._session, self.complaints = b"", 0, None, []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        self.size(width, height)
        self._ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.protocol !== 'about:'")

    def _ask(self, method, **params):
        self._number += 1
        order = {"id": self._number, "method": method, "params": params}
        order |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(order).encode() + b"\0")
        while True:
            reply = self._reply()
            if reply.get("id") == self._number:
                assert "error" not in reply, reply
                return reply["result"]
            if reply.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                self.complaints.append(reply["params"])

    def _reply(self):
        while b"\0" not in self._rest:
            more = os.read(self._read, 1 << 16)
            assert more, "the browser is gone"
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)

    def value(self, expression):
        """Return what a JavaScript expression gives."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression, seconds=60.0):
        """Wait until an expression holds, and return it."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < end, f"waited in vain for {expression}"
            time.sleep(0.1)
        return found

    def size(self, width, height=900):
        """Make the window so large."""
        phone = {"mobile": width < 600, "deviceScaleFactor": 2 if width < 600 else 1}
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, **phone)

    def scheme(self, name):
        """Prefer ``light`` or ``dark``."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, name, *, settle=0.9):
        """Keep the whole page as a picture, after bars have stopped gliding, and return its path."""
        time.sleep(settle)
        found = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path = screens() / f"{name}.png"
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def close(self):
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._read)
        os.close(self._write)
