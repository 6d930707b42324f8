"""A client in a process of its own, to be killed: ``killed_client.py FOLDER WORKERS``."""

from __future__ import annotations

import sys
from pathlib import Path

from operators import rectangles, three_stages

from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder

# no `if __name__ == "__main__"`, as in many a script: workers must not run this file again
path, workers = Path(sys.argv[1]), int(sys.argv[2])
folder = RunFolder.open(path) if path.exists() else RunFolder.create(path)
chain = three_stages(pause=0.02, fail_above=1.2)
blocks = {"lattice": 7, "statics": 3, "fe": 2}
backend = None
try:
    backend = open_backend(workers)
    print("open", flush=True)
    execute(chain, 7, rectangles(25), folder, backend=backend, blocks=blocks)
except KeyboardInterrupt:
    if backend is not None:
        backend.close()
    sys.exit(130)
backend.close()
