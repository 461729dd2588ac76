"""A session: every item under every allocator, interleaved, round by round.

In each round the allocators of an item run one right after the other, in an order that rotates from
round to round, so that what else the machine does and the order itself touch all alike. The first
round warms up and is not counted; in it the loader tells whether each allocator took over malloc.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import takeover
from .allocators import Allocator
from .item import ROOT, Item, Unavailable, Wrong
from .results import Run, machine

MEASURE = ROOT / "build/bench/measure"
INPUTS = ROOT / "build/bench/inputs"
MIN_DRIVE_SECONDS = 1  # a client gives up that long after the item's limit

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}


@dataclass(frozen=True)
class Prepared:
    item: Item
    directory: Path


def prepare(items: list[Item], say) -> tuple[list[Prepared], dict[str, str]]:
    """Makes the inputs. Returns the items that can run, and why the others cannot."""
    ready, skipped = [], {}
    for item in items:
        say(f"preparing {item.name}")
        missing = [name for name in item.needs if not shutil.which(name)]
        if missing:
            skipped[item.name] = f"{missing[0]} is not installed"
            continue
        directory = INPUTS / item.name
        directory.mkdir(parents=True, exist_ok=True)
        try:
            item.prepare(directory)
        except Unavailable as error:
            skipped[item.name] = str(error)
            continue
        ready.append(Prepared(item, directory))
    return ready, skipped


class Session:
    """Runs and remembers what must be the same in all of them: each item's answer."""

    def __init__(self, scratch: Path, *, no_thp: bool = False):
        self._scratch = scratch
        self._no_thp = no_thp
        self._answers: dict[str, str] = {}

    def warm_up(self, prepared: Prepared, allocator: Allocator) -> Run:
        """A run that does not count. It fails if the allocator did not take over malloc."""
        logs = self._scratch / "bindings"
        run = self._run(prepared, allocator, 0, takeover.debug_environment(logs))
        if not run.failure:
            run.failure = takeover.refusal(logs, allocator.path, allocator.behind) or ""
        for log in self._scratch.glob("bindings.*"):
            log.unlink()
        return run

    def measure(self, prepared: Prepared, allocator: Allocator, round_: int) -> Run:
        return self._run(prepared, allocator, round_)

    def record_series(self, prepared: Prepared, allocator: Allocator) -> Run:
        """A run with its resident set over time; its other figures suffer from the sampling."""
        path = self._scratch / "series"
        run = self._run(prepared, allocator, 0, options=["-r", str(path)])
        if not run.failure:
            lines = path.read_text(encoding="utf-8").splitlines()
            points = [line.split() for line in lines]
            run.series = _thin([(float(ms), int(size)) for ms, size in points], 200)
        return run

    def _run(self, prepared: Prepared, allocator: Allocator, round_: int,
             extra: dict[str, str] | None = None, options: Sequence[str] = ()) -> Run:
        item, directory = prepared.item, prepared.directory
        command = item.command(directory)
        allocator.prepare()
        run = Run(item.name, item.group, allocator.name, round_,
                  command=" ".join(command).replace(str(ROOT) + "/", ""),
                  version=allocator.version, digest=allocator.digest,
                  time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  load=os.getloadavg()[0], machine=machine())
        environment = allocator.environment() | (extra or {})
        try:
            expected = self._expected_answer(prepared, command)
            output, driven = self._execute(prepared, allocator.command(command), environment,
                                           options, run)
            own, answer = _read(item, directory, output)
            run.figures |= own | driven
            if answer != expected:
                raise Wrong(f"another answer than under the system's malloc: "
                            f"{answer[:60]} for {expected[:60]}")
        except Wrong as error:
            run.failure = str(error)
        return run

    def _expected_answer(self, prepared: Prepared, command: list[str]) -> str:
        """Under the system's malloc: no allocator that is compared says what is right."""
        name = prepared.item.name
        if name not in self._answers:
            try:
                output, _ = self._execute(prepared, command, {}, (), Run(name, "", "", 0))
                self._answers[name] = _read(prepared.item, prepared.directory, output)[1]
            except Wrong as error:
                raise Wrong(f"under the system's malloc: {error}") from error
        return self._answers[name]

    def _execute(self, prepared: Prepared, command: list[str], environment: dict[str, str],
                 options: Sequence[str], run: Run) -> tuple[bytes, dict[str, float]]:
        """Runs the command under `measure`; what it printed, and what its client measured."""
        item, directory = prepared.item, prepared.directory
        figures, output, errors = (self._scratch / n for n in ("figures", "output", "errors"))
        figures.unlink(missing_ok=True)
        line = [str(MEASURE), "-o", str(figures), "-t", str(item.limit), *options]
        if self._no_thp:
            line.append("-H")
        for name, value in environment.items():
            line += ["-e", f"{name}={value}"]
        with open(output, "wb") as out, open(errors, "wb") as err:
            process = subprocess.Popen(
                [*line, "--", *command], cwd=directory, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, env=clean_environment(directory) | item.environment())
            driven = _accompany(process, item, directory)
        if not figures.exists():
            raise Wrong(f"did not run: {_last_line(errors)}")
        run.figures = json.loads(figures.read_text(encoding="utf-8"))
        status = int(run.figures.pop("status"))
        if status:
            raise Wrong(f"{_describe(status)}: {_last_line(errors)}")
        return output.read_bytes(), driven


def clean_environment(directory: Path) -> dict[str, str]:
    """No variable of the user's configures an allocator or changes a program's work."""
    return CLEAN_ENVIRONMENT | {"HOME": str(directory)}


def _read(item: Item, directory: Path, output: bytes) -> tuple[dict[str, float], str]:
    """The item's own figures and its answer. A broken allocator may leave anything to read."""
    try:
        return item.figures(directory, output), item.answer(directory, output)
    except (OSError, ValueError, LookupError) as error:
        raise Wrong(f"unreadable output: {error}") from error


def _accompany(process: subprocess.Popen, item: Item, directory: Path) -> dict[str, float]:
    """Drives the item while the process runs, and waits for it, however the driving ends."""
    stop = threading.Timer(item.limit + MIN_DRIVE_SECONDS, _end, [process])
    stop.daemon = True
    try:
        stop.start()
        driven = item.drive(directory)
        process.wait()
        return driven
    except OSError as error:
        raise Wrong(f"the client: {error}") from error
    finally:
        stop.cancel()
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """`measure` ends its command's process group when it is told to end."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait()


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "no message"


def _describe(status: int) -> str:
    if status == 124:
        return "took too long"
    if status - 128 in signal.valid_signals():
        return f"killed by signal {status - 128} ({signal.strsignal(status - 128)})"
    return f"exit status {status}"


def _thin(points: list, count: int) -> list:
    """At most about `count` of the points, evenly."""
    step = max(1, len(points) // count)
    return points[::step]
