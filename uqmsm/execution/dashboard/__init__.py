"""The live page of a run, at the address of Dask's dashboard: what serves it on the scheduler, and what feeds it.

``/uqmsm`` is the page, ``/uqmsm/state.json`` what it asks for once a second. The state comes from the client over
Dask's own connection.
"""

from uqmsm.execution.dashboard.feeding import Feed, link_beside, page

__all__ = ["Feed", "link_beside", "page"]
