"""The object benchmarks: `bench/run objects`.

A subject is one program of bench/objects, built once for each peer. In a round every subject runs
under each of its peers, one right after the other, in an order that rotates. What disturbs a run
makes it slower, never faster: so of each figure the least is shown first, the median behind it."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import disassembly
from .allocators import MOLT, Allocator
from .item import ROOT, Wrong
from .progress import Progress
from .results import BASIC, Run, Writer, machine
from .rounds import rotated
from .session import CLEAN_ENVIRONMENT, MEASURE, clean_environment

PROGRAMS = ROOT / "build/bench/objects"
CPYTHON_SCRIPT = ROOT / "bench/objects/peer_cpython.py"
GROUP = "objects"
LIMIT = 600  # seconds for one run
SIZES = (1, 10)  # live objects of `pauses`, in millions


@dataclass(frozen=True)
class Peer:
    name: str
    suffix: str  # its programs are SUBJECT-SUFFIX
    on_molt: bool = False  # with molt's malloc
    package: str = ""  # what it is built with


CPYTHON = Peer("cpython", "", package="python3")

PEERS = [Peer(MOLT, "molt", on_molt=True),
         Peer("molt-acyclic", "acyclic", on_molt=True),
         Peer("hand-molt", "hand", on_molt=True),
         Peer("hand24-molt", "hand24", on_molt=True),
         Peer("hand-glibc", "hand"),
         Peer("boehm", "boehm", package="libgc-dev"),
         Peer("grcbox", "grcbox", package="libglib2.0-dev"),
         Peer("gobject", "gobject", package="libglib2.0-dev"),
         CPYTHON]


@dataclass(frozen=True)
class Subject:
    name: str
    summary: str
    program: str
    peers: tuple[str, ...]
    arguments: tuple[int, ...] = ()
    slow: tuple[str, ...] = ()  # peers that get `less`
    less: tuple[int, ...] = ()

    def arguments_of(self, peer: str) -> tuple[int, ...]:
        return self.less if peer in self.slow else self.arguments


def subjects(quick: bool, sizes: tuple[int, ...]) -> list[Subject]:
    """All of them; `quick` is a little of everything, whose figures say nothing."""
    many = 100 if quick else 1  # divides the work
    million = 10**6 // many
    seconds = 1 if quick else 5
    depth, passes = (10, 1) if quick else (21, 3)
    collectors = ("boehm", "cpython")
    return [
        Subject("code", "header, and instructions of retain and release", "code", (MOLT,)),
        Subject("leaf", "objects without references, made and dropped", "leaf",
                (MOLT, "hand-molt", "hand-glibc", "boehm", "grcbox", "gobject", "cpython"),
                (20 * million,), ("gobject", "cpython"), (2 * million,)),
        Subject("tree", f"binary trees of depth {depth}", "tree",
                tuple(peer.name for peer in PEERS), (depth, passes)),
        Subject("collect", "a full collection of live objects", "collect",
                (MOLT, *collectors), (10 * million,), collectors, (2 * million,)),
        Subject("rings", "rings made, dropped and collected", "rings",
                (MOLT, *collectors), (10 * million,), collectors, (2 * million,)),
        *(Subject(pauses_name(size), f"pauses with {size} million live objects", "pauses",
                  (MOLT,), (size * million, seconds)) for size in sizes),
        Subject("memory", "objects with two references", "memory",
                tuple(peer.name for peer in PEERS if peer.name not in ("molt-acyclic",
                                                                       "hand24-molt")), (million,)),
        Subject("threads", "retain and release by thread", "threads",
                (MOLT, "gobject"), (20 * million,)),
    ]


Plan = list[tuple[Subject, list[Peer]]]


def pauses_name(size: int) -> str:
    return f"pauses@{size}M"


def missing(subject: Subject, peer: Peer) -> str:
    """Why the subject cannot run under the peer, or ""."""
    if peer is CPYTHON:
        return "" if _python() else f"{peer.package} is not installed"
    if _program(subject, peer).is_file():
        return ""
    return f"not built: {peer.package} is not installed" if peer.package else "not built: run make bench-build"


def plan(chosen: list[Subject], wanted: list[str]) -> tuple[Plan, dict[str, str]]:
    """Each subject with those of its peers that can run, and why the others cannot."""
    ready, skipped = [], {}
    for subject in chosen:
        peers = []
        for peer in PEERS:
            if peer.name not in subject.peers or wanted and peer.name not in wanted:
                continue
            reason = missing(subject, peer)
            if not reason:
                peers.append(peer)
            elif peer.package:
                skipped[peer.name] = reason
            else:
                raise Wrong(f"{subject.name}: {peer.name}: {reason}")
        if peers:
            ready.append((subject, peers))
    return ready, skipped


class Objects:
    """The runs so far are in `runs`, and in the writer's file, at any time."""

    def __init__(self, plan_: Plan, molt: Allocator, writer: Writer, progress: Progress):
        self.runs: list[Run] = []
        self._plan, self._molt = plan_, molt
        self._writer, self._progress = writer, progress
        self._given_up: set[tuple[str, str]] = set()

    def run(self, rounds: int) -> None:
        for subject, peers in self._plan:
            for peer in peers:
                self._progress.plan((subject.name, peer.name), rounds)
        with tempfile.TemporaryDirectory(prefix="molt-objects-") as scratch:
            for round_ in range(1, rounds + 1):
                self._run_round(Path(scratch), round_, f"round {round_} of {rounds}")

    def _run_round(self, scratch: Path, round_: int, stage: str) -> None:
        self._progress.stage(stage)
        for number, (subject, peers) in enumerate(self._plan):
            for peer in rotated(peers, round_ + number):
                key = (subject.name, peer.name)
                if key in self._given_up:
                    continue
                self._progress.begin(key, stage)
                run = self._measure(subject, peer, round_, scratch)
                self._progress.end(key)
                if run.failure:
                    self._given_up.add(key)
                    self._progress.plan(key, 0)
                self.runs.append(run)
                self._writer.add(run)

    def _measure(self, subject: Subject, peer: Peer, round_: int, scratch: Path) -> Run:
        command = _command(subject, peer)
        run = Run(subject.name, GROUP, peer.name, round_,
                  command=" ".join(command).replace(f"{ROOT}/", ""),
                  version=self._molt.version if peer.on_molt else "",
                  digest=self._molt.digest if peer.on_molt else "",
                  time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  load=os.getloadavg()[0], machine=machine())
        preload = ["-e", f"LD_PRELOAD={self._molt.path}"] if peer.on_molt else []
        try:
            output = _execute([*preload, "--", *command], scratch, run)
            run.figures |= read_figures(output)
            if subject.program == "code":
                run.figures |= instruction_counts()
        except Wrong as error:
            run.failure = str(error)
        return run


def instruction_counts() -> dict[str, float]:
    return {f"{title}, {linked}, instructions": float(len(disassembly.owners_path(code[name])))
            for linked in ("shared", "static")
            for code in (disassembly.functions(PROGRAMS / f"code-{linked}"),)
            for name, title in disassembly.VARIANTS.items()}


def read_figures(output: str) -> dict[str, float]:
    """Of lines of JSON: {"figure": name, "value": value}."""
    figures = {}
    try:
        for line in output.splitlines():
            told = json.loads(line)
            figures[str(told["figure"])] = float(told["value"])
    except (ValueError, TypeError, LookupError) as error:
        raise Wrong(f"unreadable output: {error}") from error
    if not figures or any(name in BASIC for name in figures):
        raise Wrong("unreadable output: no figures of its own")
    return figures


def _program(subject: Subject, peer: Peer) -> Path:
    suffix = "shared" if subject.program == "code" else peer.suffix
    return PROGRAMS / f"{subject.program}-{suffix}"


def _command(subject: Subject, peer: Peer) -> list[str]:
    arguments = [str(number) for number in subject.arguments_of(peer.name)]
    if peer is CPYTHON:
        return [_python(), str(CPYTHON_SCRIPT), subject.program, *arguments]
    return [str(_program(subject, peer)), *arguments]


def _python() -> str:
    return shutil.which("python3", path=CLEAN_ENVIRONMENT["PATH"]) or ""


def _execute(words: list[str], scratch: Path, run: Run) -> str:
    """What the command prints; its times and peak resident set become figures of the run."""
    told = scratch / "figures"
    told.unlink(missing_ok=True)
    done = subprocess.run([str(MEASURE), "-o", str(told), "-t", str(LIMIT), *words], cwd=scratch,
                          env=clean_environment(scratch), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
    if not told.exists():
        raise Wrong(f"did not run: {last}")
    run.figures = json.loads(told.read_text(encoding="utf-8"))
    status = int(run.figures.pop("status"))
    if status:
        raise Wrong(f"status {status}: {last}")
    return done.stdout
