"""A module whose import takes longer than the limit of the call that imports it."""

import time

READY = False
_end = time.monotonic() + 1.5
while time.monotonic() < _end:
    time.sleep(0.01)
READY = True
