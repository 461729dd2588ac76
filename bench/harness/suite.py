"""All items, and which of them a session takes."""

import fnmatch

from .allocators import unknown
from .item import Item
from .programs import PROGRAMS
from .traces import TRACES
from .workloads import WORKLOADS

ITEMS: list[Item] = [*WORKLOADS, *TRACES, *PROGRAMS]

# Their resident sets are recorded over time, too.
SERIES = ("server@16", "aging@1", "trace-python", "redis-server")

SUITES = {
    "full": lambda item: True,
    "quick": lambda item: item.quick,
    "demo": lambda item: item.demo,
}


class UnknownItem(Exception):
    """No item has the name; the text names the nearest."""


def select(suite: str, only: list[str]) -> list[Item]:
    """The items of a suite, or those of the given names or patterns (`server*`)."""
    return select_from(ITEMS, only) if only else [item for item in ITEMS if SUITES[suite](item)]


def select_from(items: list[Item], only: list[str]) -> list[Item]:
    """All of them, or those of the given names or patterns."""
    names = [item.name for item in items]
    for pattern in only:
        if not fnmatch.filter(names, pattern):
            raise UnknownItem(unknown("item", pattern, names))
    return [item for item in items
            if not only or any(fnmatch.fnmatchcase(item.name, p) for p in only)]
