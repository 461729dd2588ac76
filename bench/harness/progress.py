"""How far a session is, on standard error."""

import sys
import time


class Progress:
    """On a terminal one line that is written anew; elsewhere a line a round."""

    def __init__(self):
        self._on_terminal = sys.stderr.isatty()
        self._durations: dict[tuple[str, str], float] = {}
        self._pending: dict[tuple[str, str], int] = {}
        self._begin = 0.0

    def plan(self, key: tuple[str, str], runs: int) -> None:
        """So many runs of the item and allocator are to come; 0 if it is given up."""
        self._pending[key] = runs

    def begin(self, key: tuple[str, str], stage: str) -> None:
        self._begin = time.monotonic()
        self.show(f"{stage}: {key[0]}, {key[1]}{self._left()}")

    def end(self, key: tuple[str, str]) -> None:
        self._durations[key] = time.monotonic() - self._begin
        self._pending[key] = max(0, self._pending.get(key, 1) - 1)

    def stage(self, name: str) -> None:
        if not self._on_terminal:
            print(f"{name}{self._left()}", file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        if self._on_terminal:
            print(f"\r\033[K{text[:110]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._on_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _left(self) -> str:
        """An estimate as soon as every item has run once under every allocator."""
        if not self._pending or any(key not in self._durations for key in self._pending):
            return ""
        left = sum(self._durations[key] * runs for key, runs in self._pending.items())
        minutes, seconds = divmod(round(left), 60)
        return f" ({minutes}:{seconds:02} left)"
