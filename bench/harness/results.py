"""Runs as lines of JSON: written as they end, so that an interrupted session loses nothing."""

import json
import math
import os
import platform
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import get_origin, get_type_hints

# Figures of every run, by `measure`; lower is better in all.
BASIC = ("wall", "user", "system", "peak_rss", "minor_faults", "major_faults",
         "involuntary_switches")


@dataclass
class Run:
    """One run of one item under one allocator. Times in seconds, sizes in bytes."""

    item: str
    group: str
    allocator: str
    round: int
    figures: dict[str, float] = field(default_factory=dict)  # BASIC, and the item's own
    failure: str = ""  # why its figures do not count, or ""
    command: str = ""
    version: str = ""  # of the allocator, and its file's digest
    digest: str = ""
    time: str = ""  # when it began, UTC
    load: float = 0.0  # load average of the last minute at that time
    series: list[tuple[float, int]] = field(default_factory=list)  # (ms, resident bytes)
    machine: dict[str, str] = field(default_factory=dict)


class BadResults(Exception):
    """A file is not one of results; the text says where and why."""


class Writer:
    """Appends runs to a file, each at once."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = open(path, "x", encoding="utf-8")

    def add(self, run: Run) -> None:
        line = {key: value for key, value in asdict(run).items() if value not in ("", [], {})}
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[Run]:
    runs = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadResults(f"{path}: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            runs.append(_checked(Run(**json.loads(line))))
        except (ValueError, TypeError) as error:
            raise BadResults(f"{path}:{number}: not a line of results: {error}") from error
    if not runs:
        raise BadResults(f"{path}: no results")
    return runs


def _checked(run: Run) -> Run:
    for name, kind in get_type_hints(Run).items():
        expected = (int, float) if kind is float else get_origin(kind) or kind
        if not isinstance(getattr(run, name), expected):
            raise ValueError(f"{name} has the wrong type")
    bad = [key for key, value in run.figures.items()
           if not isinstance(value, (int, float)) or not math.isfinite(value)]
    if bad:
        raise ValueError(f"{bad[0]} is not a number")
    lacking = [key for key in BASIC if key not in run.figures]
    if lacking and not run.failure:
        raise ValueError(f"{lacking[0]} is missing")
    if not all(isinstance(point, list) and len(point) == 2 for point in run.series):
        raise ValueError("series is not a list of points")
    return run


@lru_cache(maxsize=1)
def machine() -> dict[str, str]:
    """What the figures depend on besides the code."""
    return {
        "cpu": _first_line_value("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _first_line_value("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "hypervisor": _hypervisor(),
        "thp": _chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "glibc": platform.libc_ver()[1],
        "distribution": _distribution(),
    }


def _first_line_value(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() == name:
                    return value.strip()
    except OSError:
        pass
    return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


# Clocks that a guest has from its hypervisor.
GUEST_CLOCKS = {"kvm-clock": "KVM", "xen": "Xen", "hyperv_clocksource_tsc_page": "Hyper-V"}


def _hypervisor() -> str:
    """What the kernel tells of it; "none" only where a processor that would say so does not."""
    flags = _first_line_value("/proc/cpuinfo", "flags").split()
    clocks = _text("/sys/devices/system/clocksource/clocksource0/available_clocksource").split()
    is_guest = "hypervisor" in flags
    names = [GUEST_CLOCKS[clock] for clock in clocks if clock in GUEST_CLOCKS]
    names += [_text("/sys/class/dmi/id/sys_vendor")] if is_guest else []
    return ", ".join(filter(None, names)) or ("unknown" if is_guest or not flags else "none")


def _chosen(path: str) -> str:
    """The word in brackets, as in `always [madvise] never`."""
    text = _text(path)
    return text.partition("[")[2].partition("]")[0]


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""
