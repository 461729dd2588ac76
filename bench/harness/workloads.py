"""The synthetic workloads: programs of bench/workloads, each a pattern that tells allocators apart.

The program's head comment says what it stresses. An entry `NAME@N` runs it with N threads. At equal
scale a program does the same work with any number of threads, divided among them, so that their
times compare; a few entries do more or less, so that each takes a third to two thirds of a second
under glibc.
"""

from pathlib import Path

from .item import ROOT, Item, parse_figures

PROGRAMS = ROOT / "build/bench/workloads"


class Workload(Item):
    group = "workload"

    def __init__(
        self,
        program: str,
        threads: int,
        summary: str,
        *,
        scale: int = 100,
        latency: bool = False,
        quick: bool = False,
    ):
        name = f"{program}-latency@{threads}" if latency else f"{program}@{threads}"
        super().__init__(name, summary)
        self.program = program
        self.threads = threads
        self.scale = scale  # percent of the program's usual work
        self.latency = latency  # each call is timed
        self.quick = quick

    def command(self, directory: Path) -> list[str]:
        arguments = [str(PROGRAMS / self.program), str(self.threads), str(self.scale)]
        return arguments + ["latency"] if self.latency else arguments

    def answer(self, directory: Path, output: bytes) -> str:
        """The work done and the bytes left: both follow from the arguments alone."""
        figures = self.figures(directory, output)
        return f"operations {figures['operations']:.0f} live {figures['live']:.0f}"

    def figures(self, directory: Path, output: bytes) -> dict[str, float]:
        return parse_figures(output)


WORKLOADS = [
    Workload("server", 1, "threads that come and go inherit blocks (Larson)"),
    Workload("server", 2, "the same on two threads", quick=True),
    Workload("server", 16, "the same on sixteen threads"),
    Workload("server", 2, "the same, each call timed", scale=50, latency=True, quick=True),
    Workload("exchange", 2, "requests and responses, freed by the other thread", quick=True),
    Workload("exchange", 16, "the same on eight pairs", scale=400),
    Workload("exchange", 2, "the same, each call timed", scale=70, latency=True),
    Workload("remote_free", 1, "one thread allocates, one only frees"),
    Workload("remote_free", 8, "one thread allocates, eight only free"),
    Workload("active_sharing", 2, "tiny blocks of two threads in one cache line?"),
    Workload("passive_sharing", 2, "a cache line once shared: does it stay so?"),
    Workload("threads", 2, "short-lived threads, two at a time"),
    Workload("threads", 16, "short-lived threads, sixteen at a time"),
    Workload("shortlived", 1, "small blocks, mostly last in, first out", quick=True),
    Workload("shortlived", 2, "the same on two threads"),
    Workload("lognormal", 1, "log-normal sizes, young and old blocks"),
    Workload("lognormal", 2, "the same on two threads", quick=True),
    Workload("lognormal", 16, "the same on sixteen threads"),
    Workload("batches", 1, "batches freed at random, last first, first first"),
    Workload("batches", 2, "the same on two threads"),
    Workload("tree", 1, "binary trees built, walked and dropped"),
    Workload("tree", 16, "the same on sixteen threads"),
    Workload("growing", 1, "live data that grows, with holes"),
    Workload("aging", 1, "fragmentation: grow, drop nine tenths, change sizes", quick=True),
    Workload("vectors", 1, "vectors and strings that grow by realloc", quick=True),
    Workload("large", 1, "64 KiB to 64 MiB, one write in each page"),
    Workload("buffers", 1, "5 to 25 MiB, written whole"),
    Workload("steps", 1, "growth by realloc, a page at a time"),
    Workload("calloc", 1, "zeroed blocks of all sizes"),
    Workload("aligned", 1, "alignments 16 to 4096 among plain blocks"),
]
