"""work.py SIZE [PART...]: work of the named parts (default: all) in proportion to SIZE."""

import gc
import hashlib
import json
import multiprocessing
import os
import queue
import random
import re
import sqlite3
import subprocess
import sys
import threading
import zlib


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record(i):
    return {"id": i, "name": f"name {i * 7919 % 10007}", "tags": [f"t{j}" for j in range(i % 9)],
            "nested": {"x": i / 7, "y": [i, None, True], "text": "é" * (i % 50)}}


def part_json(size):
    text = json.dumps([record(i) for i in range(size)], sort_keys=True)
    back = json.loads(text)
    return digest(json.dumps(back, sort_keys=True, indent=1))


def part_regex(size):
    text = " ".join(f"user{i}@host{i % 97}.example.org 10.{i % 256}.0.{i % 250}"
                    for i in range(size))
    users = re.findall(r"(\w+)@([\w.]+)", text)
    text = re.sub(r"(\d+)\.(\d+)\.(\d+)\.(\d+)", lambda m: ".".join(m.groups()[::-1]), text)
    return len(users), digest(text)


class Node:
    def __init__(self, value, parent):
        self.value = value
        self.parent = parent
        self.children = []


def part_objects(size):
    random.seed(1)
    nodes = [Node(0, None)]
    for i in range(size * 4):
        parent = nodes[random.randrange(len(nodes))]
        node = Node(i, parent)
        parent.children.append(node)
        nodes.append(node)
        if len(nodes) > size:
            nodes[random.randrange(1, len(nodes))] = nodes.pop()
    words = {}
    for i in range(size * 4):
        words.setdefault(f"{i * 2654435761 % size:x}", []).append(str(i) * (i % 20))
    total = sum(len(word) for group in words.values() for word in group)
    result = len(nodes), sum(len(node.children) for node in nodes), len(words), total
    del nodes, words
    gc.collect()
    return result


def part_sqlite(size):
    with sqlite3.connect(":memory:") as base:
        base.execute("create table t (k integer primary key, v text)")
        base.executemany("insert into t values (?, ?)",
                         ((i, f"value {i * 31 % 1009}" * (i % 5)) for i in range(size)))
        base.execute("create index i on t (v)")
        return base.execute("select count(*), count(distinct v), sum(length(v)) from t").fetchone()


def part_threads(size):
    tasks, results = queue.Queue(), queue.Queue()

    def worker():
        while (task := tasks.get()) is not None:
            packed = zlib.compress(json.dumps([record(task + i) for i in range(20)]).encode())
            results.put((task, packed))

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(size // 20):
        tasks.put(i)
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()
    packed = sorted(results.get() for _ in range(size // 20))
    for i in range(size // 20):  # threads that come and go
        thread = threading.Thread(target=lambda n: bytearray(n), args=(i * 1000,))
        thread.start()
        thread.join()
    return digest("".join(zlib.decompress(data).decode() for _, data in packed))


def part_subprocess(size):
    code = "import sys; data = sys.stdin.read(); print(len(data), data[::-1][:8])"
    results = []
    for i in range(1 + size // 5000):
        done = subprocess.run([sys.executable, "-c", code], input="abc" * (size + i), text=True,
                              capture_output=True, check=True)
        results.append(done.stdout.strip())
    return results


def in_child(n):
    return digest(json.dumps([record(i) for i in range(n)]))


def part_fork(size):
    """Forks while other threads allocate: the child must find the allocator in good order."""
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            [bytearray(n * 97 % 5000) for n in range(100)]

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = set()
    for _ in range(5 + size // 1000):
        child = os.fork()
        if child == 0:
            blocks = [bytearray(n) for n in range(0, 20000, 50)]
            os._exit(len(blocks) % 100)
        codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return codes, pool.map(in_child, [size // 10 + i for i in range(8)])


def loaded():
    preload = os.environ.get("PRELOAD", "")
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return not preload or any(line.rstrip().endswith(" " + preload) for line in maps)


def main():
    parts = {name[5:]: part for name, part in globals().items() if name.startswith("part_")}
    size = int(sys.argv[1])
    print("loaded", loaded())
    for name in sys.argv[2:] or parts:
        print(name, parts[name](size), flush=True)


main()
