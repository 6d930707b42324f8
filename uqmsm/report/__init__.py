"""The report: one page that says what was found, how well it is known, and where the doubt comes from."""

from __future__ import annotations

from uqmsm.report.ledger_picture import ledger_figure
from uqmsm.report.page import write
from uqmsm.report.terminal import ledger_text

__all__ = ["ledger_figure", "ledger_text", "write"]
