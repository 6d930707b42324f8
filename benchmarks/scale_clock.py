"""A small kernel for discrete events: a clock, servers that queue, and cores that processes share.

A process is a generator that yields what it waits for: seconds, or what a `Server` or `Cores` gives it to wait for.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count


class Clock:
    """Runs processes in the order of their events."""

    def __init__(self):
        self.now, self._events, self._number = 0.0, [], count()

    def after(self, seconds, what, *arguments):
        """Call `what` after so many seconds."""
        heapq.heappush(self._events, (self.now + seconds, next(self._number), what, arguments))

    def start(self, process):
        """Step a process on: it yields seconds to wait, or a function that takes what to call when it may go on."""
        try:
            wanted = next(process)
        except StopIteration:
            return
        if callable(wanted):
            wanted(lambda: self.start(process))
        else:
            self.after(wanted, self.start, process)

    def run(self, until):
        """Run events until there are none, or `until()` says so."""
        while self._events and not until():
            self.now, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)


class Server:
    """Serves one request after another, `lanes` at a time."""

    def __init__(self, clock, lanes=1):
        self.clock, self.free, self.waiting, self.busy = clock, lanes, deque(), 0.0
        self.lanes = lanes

    def use(self, seconds):
        """Return what a process yields to be served for so long."""
        return lambda go_on: self._arrive(seconds, go_on)

    def _arrive(self, seconds, go_on):
        self.waiting.append((seconds, go_on))
        self._serve()

    def _serve(self):
        while self.free and self.waiting:
            seconds, go_on = self.waiting.popleft()
            self.free -= 1
            self.busy += seconds / self.lanes
            self.clock.after(seconds, self._end, go_on)

    def _end(self, go_on):
        self.free += 1
        self._serve()
        go_on()


class Cores:
    """Cores that processes share evenly; with as many cores as processes it is nothing but a delay."""

    def __init__(self, clock, cores):
        self.clock, self.cores, self.jobs = clock, cores, []
        self.virtual, self.seen, self.turn, self.number = 0.0, 0.0, 0, count()

    def use(self, seconds):
        """Return what a process yields to compute for so long, alone; longer in company."""
        return lambda go_on: self._arrive(seconds, go_on)

    def _advance(self):
        rate = min(1.0, self.cores / len(self.jobs)) if self.jobs else 1.0
        self.virtual += (self.clock.now - self.seen) * rate
        self.seen = self.clock.now

    def _arrive(self, seconds, go_on):
        self._advance()
        heapq.heappush(self.jobs, (self.virtual + seconds, next(self.number), go_on))
        self._next()

    def _next(self):
        self.turn += 1
        if self.jobs:
            rate = min(1.0, self.cores / len(self.jobs))
            self.clock.after(max(self.jobs[0][0] - self.virtual, 0.0) / rate, self._end, self.turn)

    def _end(self, turn):
        if turn == self.turn:
            self._advance()
            _, _, go_on = heapq.heappop(self.jobs)
            self._next()
            go_on()
