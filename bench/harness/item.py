"""What the harness runs: one Item is one command, the same under every allocator."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Item:
    """A command to measure.

    Each run happens in the item's own directory, which `prepare` has filled once, outside of what
    is measured and under the system's malloc. Only `command` is started with an allocator preloaded.
    """

    group = ""  # "workload", "trace" or "program"
    limit = 60  # seconds for one run; longer is a failure
    quick = False  # part of `make bench-quick`
    demo = False  # part of `make demo`
    needs: tuple[str, ...] = ()  # commands that must be installed; else the item is skipped

    def __init__(self, name: str, summary: str):
        self.name = name
        self.summary = summary

    def prepare(self, directory: Path) -> None:
        """Makes the inputs. Raises `Unavailable` if this machine cannot run the item."""

    def command(self, directory: Path) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Variables for the command, besides the harness's clean environment."""
        return {}

    def drive(self, directory: Path) -> dict[str, float]:
        """Runs while the command does: the client of a server. Returns figures of its own; the
        command must end by itself afterwards. Raises `Wrong` if something is amiss."""
        return {}

    def answer(self, directory: Path, output: bytes) -> str:
        """What must be equal under all allocators; `output` is the command's standard output."""
        return hashlib.sha256(output).hexdigest()[:16]

    def figures(self, directory: Path, output: bytes) -> dict[str, float]:
        """Figures that the command itself has printed."""
        return {}


class Unavailable(Exception):
    """The item cannot run here; the text says why."""


class Wrong(Exception):
    """A run went wrong; the text says how."""


def parse_figures(output: bytes) -> dict[str, float]:
    """Lines of `name value`, as workloads and the replayer print them."""
    figures = {}
    for line in output.decode().splitlines():
        name, _, value = line.partition(" ")
        figures[name] = float(value)
    return figures
