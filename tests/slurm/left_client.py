"""A client in a process of its own, to be killed: ``left_client.py FOLDER CLUSTER``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.with_name("execution")))

from operators import rectangles, three_stages

from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder

backend = open_backend(0, sys.argv[2])
with RunFolder.create(Path(sys.argv[1])) as folder:
    chain = three_stages(pause=0.02, fail_above=1.2)
    execute(chain, 7, rectangles(25), folder, backend=backend, blocks={"lattice": 7, "statics": 3, "fe": 2})
backend.close()
