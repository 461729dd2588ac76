"""The order of a session's runs: round by round, the allocators of an item side by side."""

import tempfile
from pathlib import Path

from .allocators import Allocator
from .progress import Progress
from .results import Run, Writer
from .session import Prepared, Session


class Rounds:
    """What has run so far is in `runs`, and in the writer's file, at any time."""

    def __init__(self, ready: list[Prepared], allocators: list[Allocator], writer: Writer,
                 progress: Progress):
        self.runs: list[Run] = []
        self._ready = ready
        self._allocators = allocators
        self._writer = writer
        self._progress = progress
        self._given_up: set[tuple[str, str]] = set()

    def run(self, rounds: int, series: tuple[str, ...]) -> None:
        """The warm-up, the rounds, then the resident sets over time of the items in `series`."""
        with tempfile.TemporaryDirectory(prefix="molt-bench-") as scratch:
            session = Session(Path(scratch))
            for prepared in self._ready:
                for allocator in self._allocators:
                    runs = sum(allocator.takes_part(prepared.item, round_)
                               for round_ in range(rounds + 1))
                    if runs:
                        self._progress.plan((prepared.item.name, allocator.name), runs)
            for round_ in range(rounds + 1):
                self._run_round(session, round_, rounds)
            for prepared in self._ready:
                if prepared.item.name in series:
                    self._record_series(session, prepared)

    def _run_round(self, session: Session, round_: int, rounds: int) -> None:
        stage = f"round {round_} of {rounds}" if round_ else "warm-up"
        self._progress.stage(stage)
        for number, prepared in enumerate(self._ready):
            for allocator in rotated(self._allocators, round_ + number):
                key = (prepared.item.name, allocator.name)
                if key in self._given_up or not allocator.takes_part(prepared.item, round_):
                    continue
                self._progress.begin(key, stage)
                run = (session.measure(prepared, allocator, round_) if round_ else
                       session.warm_up(prepared, allocator))
                self._progress.end(key)
                if run.failure:
                    self._give_up(key)
                if run.failure or round_:
                    self._add(run)

    def _record_series(self, session: Session, prepared: Prepared) -> None:
        for allocator in self._allocators:
            key = (prepared.item.name, allocator.name)
            if key not in self._given_up:
                self._progress.begin(key, "memory over time")
                run = session.record_series(prepared, allocator)
                if not run.failure:  # the counted runs stand without it
                    self._add(run)

    def _give_up(self, key: tuple[str, str]) -> None:
        """Who fails once runs no more."""
        self._given_up.add(key)
        self._progress.plan(key, 0)

    def _add(self, run: Run) -> None:
        self.runs.append(run)
        self._writer.add(run)


def rotated(allocators: list[Allocator], turn: int) -> list[Allocator]:
    """Turn by turn every allocator comes at every place, and behind more than one other."""
    cycle, by = divmod(turn, len(allocators))
    order = allocators[by:] + allocators[:by]
    return order[::-1] if cycle % 2 else order
