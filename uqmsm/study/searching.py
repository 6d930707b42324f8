"""Searches for rare failure, held against the chain: whether it has anything to move, and whether the method fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uqmsm.chain import Chain
from uqmsm.study.parts import Members, Method

if TYPE_CHECKING:
    from uqmsm.study.loading import Door

__all__ = ["search_fits", "search_wanted"]


def search_fits(door: Door, position: int, answer: str, method: Method, threshold: bool, chain: Chain) -> None:
    """Note what keeps a method from finding the probability of an answer."""
    if method == "frequency":
        return
    route = ("ask", position, "method")
    if not threshold:
        what = f"method: {method} finds a probability, and {answer} has no threshold"
        door.fault(route, what, advice="Add below or above, or remove method.")
        return
    from uqmsm.members import Sought
    from uqmsm.questions.reliability import MOST_PLACED

    sought = Sought(chain, answer)
    placed, rolled = sought.placed, sought.rolled
    if not placed and not rolled:
        what = f"nothing that {answer} depends on varies by chance, so it fails for sure or never"
        door.fault(route, what, advice="Give a field an aleatoric law, or remove method.")
    elif method != "subset" and not placed:
        what = f"method: {method} moves along laws that take one number, and {answer} depends on none"
        door.fault(route, what, _listed(rolled), "Write  method: subset.")
    elif method in {"form", "kriging"} and rolled:
        what = f"method: {method} needs a place for everything that varies, and {', '.join(rolled)} have none"
        why = "They draw more than one number, such as grains or a composition, and are different in every member."
        door.fault(route, what, why, "Write  method: subset  or  method: importance.")
    elif method == "kriging" and len(placed) > MOST_PLACED:
        what = f"{answer} depends on {len(placed)} laws of chance, and kriging learns a border in {MOST_PLACED} at most"
        door.fault(route, what, advice="Write  method: subset  or  method: importance.")


def search_wanted(door: Door, methods: Sequence[Method], members: Members | None) -> None:
    """Note a size of searches where none is asked for."""
    if members is not None and members.search is not None and all(one == "frequency" for one in methods):
        advice = "Add  method: subset  to an answer with below or above, or remove search."
        door.fault(("members", "search"), "a size of searches, and no answer has a method", advice=advice)


def _listed(labels: Sequence[str]) -> str:
    return f"What varies by chance is {', '.join(labels)}." if labels else ""
