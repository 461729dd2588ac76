"""memcached.py SOCKET ROUNDS: four clients of a memcached server at a time; prints what they got."""

import hashlib
import random
import socket
import sys
import threading

PATH, ROUNDS = sys.argv[1], int(sys.argv[2])


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(PATH)
        self.stream = self.socket.makefile("rwb")

    def ask(self, line, value=None):
        self.stream.write(line.encode() + b"\r\n" + (value + b"\r\n" if value is not None else b""))
        self.stream.flush()
        return self.stream.readline().strip()

    def get(self, key):
        head = self.ask(f"get {key}").split()
        if head[0] == b"END":
            return None
        value = self.stream.read(int(head[3]) + 2)[:-2]
        assert self.stream.readline() == b"END\r\n"
        return value

    def set(self, key, value):
        return self.ask(f"set {key} 0 0 {len(value)}", value)


def small_items(number, results):
    """Items of the client's own that fit: every answer is known."""
    client, choose, digest = Client(), random.Random(number), hashlib.sha256()
    mine = {}
    for i in range(ROUNDS):
        key = f"{number}:{choose.randrange(500)}"
        action = choose.randrange(5)
        if action < 2:
            mine[key] = bytes([choose.randrange(256)]) * choose.randrange(1, 4000)
            answer = client.set(key, mine[key])
        elif action == 2:
            answer = client.ask(f"delete {key}")
            assert (answer == b"DELETED") == (mine.pop(key, None) is not None)
        elif action == 3 and len(mine.get(key, b"")) in range(1, 3000):
            answer = client.ask(f"append {key} 0 0 {i % 50}", b"a" * (i % 50))
            mine[key] += b"a" * (i % 50)
        else:
            answer = client.get(key)
            assert answer == mine.get(key), key
        digest.update(answer or b"none")
    results[number] = digest.hexdigest()


def run(targets):
    results = [None] * len(targets)
    threads = [
        threading.Thread(target=target, args=(i, results)) for i, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def large_items(number, results):
    """More than the server keeps: an item is as it was set, or gone."""
    client, wrong = Client(), 0
    for i in range(ROUNDS // 20):
        value = bytes([i % 256]) * (1000 + i * 7919 % 1000000)
        client.set(f"large{number}:{i}", value)
        wrong += client.get(f"large{number}:{i}") not in (value, None)
    results[number] = wrong


print(*run([small_items] * 4), sep="\n")
client = Client()
client.set("counter", b"0")
run([lambda number, results: [Client().ask("incr counter 1") for _ in range(200)]] * 4)
print(client.get("counter"))
print(run([large_items] * 4))
print(client.ask("flush_all"), client.get("counter"))
