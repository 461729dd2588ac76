#!/usr/bin/env python3
"""CPython's objects beside those of the programs: peer_cpython.py SUBJECT ARGUMENT...

The subjects, their arguments and their figures are those of the C programs of the same names; the
interpreter's own time is part of each figure.
"""

import gc
import json
import random
import sys
from time import perf_counter_ns

BATCH = 1000
AGAIN = 3
PARTS = 5


class Leaf:
    __slots__ = ("value",)


class Node:
    __slots__ = ("left", "right")

    def __init__(self, left=None, right=None):
        self.left = left
        self.right = right


def figure(name: str, value: float) -> None:
    print(json.dumps({"figure": name, "value": round(value, 3)}, ensure_ascii=False))


# ---- leaf --------------------------------------------------------------------------------------


def one_at_a_time(count: int) -> None:
    for _ in range(count):
        Leaf()


def in_batches(count: int) -> None:
    for _ in range(count // BATCH):
        leaves = [Leaf() for _ in range(BATCH)]
        del leaves


def part_ns(work, count: int) -> float:
    start = perf_counter_ns()
    work(count)
    return (perf_counter_ns() - start) / count


def leaf(count: int) -> None:
    for name, work in (("one at a time", one_at_a_time), ("batches of 1000", in_batches)):
        figure(f"{name}, ns", min(part_ns(work, count // PARTS) for _ in range(PARTS)))


# ---- tree --------------------------------------------------------------------------------------


def build(depth: int) -> Node:
    return Node(build(depth - 1), build(depth - 1)) if depth else Node()


def tree(depth: int, passes: int) -> None:
    nodes = passes * ((2 << depth) - 1)
    build_ns = drop_ns = 0
    for pass_ in range(passes + 1):
        start = perf_counter_ns()
        root = build(depth)
        built = perf_counter_ns()
        del root
        if pass_:
            build_ns += built - start
            drop_ns += perf_counter_ns() - built
    figure("build and drop, ns per node", (build_ns + drop_ns) / nodes)
    figure("… build, ns per node", build_ns / nodes)
    figure("… drop, ns per node", drop_ns / nodes)


# ---- collect -----------------------------------------------------------------------------------


def make_list(count: int) -> Node:
    first = last = Node()
    for _ in range(count - 1):
        last.left = Node()
        last = last.left
    return first


def make_tree(count: int) -> Node | None:
    if not count:
        return None
    return Node(make_tree((count - 1) // 2), make_tree(count - 1 - (count - 1) // 2))


def make_graph(count: int) -> Node:
    nodes = make_array(count)
    random.Random(1).shuffle(nodes)
    draw = random.Random(2).randrange
    for i, node in enumerate(nodes):
        node.left = nodes[i + 1 if i + 1 < count else 0]
        node.right = nodes[draw(count)]
    return nodes[0]


def make_array(count: int) -> list[Node]:
    return [Node() for _ in range(count)]


def collection_ns(count: int) -> float:
    start = perf_counter_ns()
    gc.collect()
    return (perf_counter_ns() - start) / count


def collect(count: int) -> None:
    gc.disable()
    for shape, make in (("list", make_list), ("tree", make_tree), ("graph", make_graph),
                        ("array", make_array)):
        root = make(count)
        figure(f"{shape}, first, ns per object", collection_ns(count))
        figure(f"{shape}, ns per object", min(collection_ns(count) for _ in range(AGAIN)))
        del root
        gc.collect()


# ---- rings, memory -----------------------------------------------------------------------------


def make_ring(length: int) -> None:
    first = last = Node()
    for _ in range(length - 1):
        last.left = Node()
        last = last.left
    last.left = first


def ring_ns(count: int, length: int) -> float:
    rings = count // length
    start = perf_counter_ns()
    for _ in range(rings):
        make_ring(length)
    gc.collect()
    return (perf_counter_ns() - start) / (rings * length)


def rings(count: int) -> None:
    ring_ns(count, 2)
    for length in (2, 10, 100):
        figure(f"of {length}, ns per object", ring_ns(count, length))
    gc.disable()
    for length in (2, 10, 100):
        figure(f"of {length} at once, ns per object", ring_ns(count, length))


def kilobytes(path: str, name: str) -> int:
    with open(path, encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


def resident_bytes() -> int:
    return 1024 * kilobytes("/proc/self/smaps_rollup", "Rss:")


def peak_bytes() -> int:
    return 1024 * kilobytes("/proc/self/status", "VmHWM:")


def memory(count: int) -> None:
    first = None
    with open("/proc/self/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")
    before = resident_bytes()
    for _ in range(count):
        first = Node(first)
    figure("now, bytes per object", (resident_bytes() - before) / count)
    figure("peak, bytes per object", (peak_bytes() - before) / count)
    gc.collect()
    figure("peak with a full collection, bytes per object", (peak_bytes() - before) / count)
    while first:  # a chain that long should not go by recursion
        first = first.left


SUBJECTS = {"leaf": leaf, "tree": tree, "collect": collect, "rings": rings, "memory": memory}

SUBJECTS[sys.argv[1]](*map(int, sys.argv[2:]))
