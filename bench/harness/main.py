"""The command line: `bench/run`."""

import argparse
import os
import signal
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path

from . import (compare, counts, disassembly, gate, objects, overhead, profiled, profilers, render,
               report, results, sites, targets)
from .allocators import MOLT, BadAllocator, find_allocators, unknown
from .estimates import MIN_RUNS
from .item import ROOT, Item, Wrong
from .metrics import CPU, LATENCIES, PEAK_OVER_LIVE, PEAK_RSS, WALL
from .progress import Progress
from .results import Writer
from .rounds import Rounds
from .session import prepare
from .suite import SERIES, SUITES, UnknownItem, select, select_from
from .summary import Summary

USAGE = """bench/run [--suite full|quick|demo] [--only ITEM]... [--peer NAME]... [-n ROUNDS]
                 [-o FILE]
       bench/run list                    the items and the allocators
       bench/run counts [--peer NAME]    instructions of the fast paths
       bench/run objects [--quick] [--only SUBJECT]... [--peer NAME]... [-n ROUNDS] [-o FILE]
                         [--sizes 1,10,50]         objects, and what they are to show
       bench/run objects --from FILE     the same from a file of results
       bench/run profile [--only ITEM]... [--profiler NAME]... [-n ROUNDS] [-o FILE]
                                         what heap profiles cost, beside other profilers
       bench/run profile --from FILE     the same from a file of results
       bench/run profile-sites           the same programs under heaptrack and molt: the same sites?
       bench/run compare A B             two files of results: two builds of molt
       bench/run report FILE             Markdown and plots beside the file [--readme README.md]
       bench/run gate [--record]         instructions and memory against what is recorded

PEERS="name=/path/library.so ..." adds allocators, or replaces those of the same name."""


def main(arguments: list[str]) -> int:
    commands = {"run": command_run, "list": command_list, "counts": command_counts,
                "objects": command_objects, "profile": command_profile,
                "profile-sites": command_profile_sites, "compare": command_compare,
                "report": command_report, "gate": command_gate}
    name = arguments[0] if arguments and arguments[0] in commands else "run"
    if arguments and arguments[0] == name:
        arguments = arguments[1:]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it has started, too
    try:
        return commands[name](arguments)
    except (BadAllocator, UnknownItem, Wrong, results.BadResults, OSError) as error:
        print(f"bench/run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def new_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser("bench/run", usage=USAGE, allow_abbrev=False)


# ---- run ---------------------------------------------------------------------------------------


def command_run(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("--suite", choices=SUITES, default="full")
    parser.add_argument("--only", action="append", default=[], metavar="ITEM")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME")
    parser.add_argument("-n", "--rounds", type=positive, default=10)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args(arguments)

    items = select(options.suite, options.only)
    allocators = find_allocators(options.peer, os.environ.get("PEERS", ""))
    output = options.output or ROOT / time.strftime("bench/results/%Y-%m-%d-%H%M%S.jsonl")
    progress = Progress()
    ready, skipped = prepare(items, progress.show)
    writer = Writer(output)
    rounds = Rounds(ready, allocators, writer, progress)
    try:
        rounds.run(options.rounds, SERIES)
    except KeyboardInterrupt:
        print("\ninterrupted: what follows is what there is", file=sys.stderr)
    finally:
        writer.close()
        progress.clear()
    summary = Summary(rounds.runs)
    print_summary(summary, skipped)
    print(f"\n{len(rounds.runs)} runs in {os.path.relpath(output)}; "
          f"bench/run report {os.path.relpath(output)} makes tables and plots")
    if conclusion := render.conclusion_of(summary):
        print(f"\n{conclusion}")
    return 1 if any(run.failure for run in rounds.runs if run.allocator == MOLT) or not ready else 0


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def print_summary(summary: Summary, skipped: dict[str, str]) -> None:
    for metric in (WALL, CPU, PEAK_RSS, PEAK_OVER_LIVE, *LATENCIES):
        table = summary.table(metric)
        if table.rows:
            print(f"\n{metric.title}: {summary.baseline}'s median, the others' ratio to it")
            print(render.text(render.rows_of(summary, table)))
            for note in render.notes_of(summary, table):
                print(note)
    if summary.rounds() < MIN_RUNS:
        print(f"\nFewer than {MIN_RUNS} rounds: no difference is called significant.")
    else:
        print(f"\n{render.SAME}: no significant difference (Mann-Whitney, p >= 0.05).")
    for line in render.failures_of(summary):
        print(f"FAILED: {line}")
    for item, reason in skipped.items():
        print(f"skipped: {item}: {reason}")


# ---- The other commands --------------------------------------------------------------------------


def command_list(arguments: list[str]) -> int:
    new_parser().parse_args(arguments)
    rows = [[item.name, item.summary] for item in select("full", [])]
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        print(f"{name.ljust(width)}  {summary}")
    print()
    for allocator in find_allocators([], os.environ.get("PEERS", "")):
        print(f"{allocator.name.ljust(width)}  {allocator.path} {allocator.version}")
    return 0


def command_counts(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("--peer", action="append", default=[], metavar="NAME")
    options = parser.parse_args(arguments)
    progress = Progress()
    rows = [["", *counts.LOOPS]]
    for allocator in find_allocators(options.peer, os.environ.get("PEERS", "")):
        progress.show(f"counting {allocator.name}")
        rows.append([allocator.name,
                     *(f"{counts.count(allocator, loop):.1f}" for loop in counts.LOOPS)])
    molt = find_allocators([MOLT], os.environ.get("PEERS", ""))[0]
    of_molt = [[["", *loops], [MOLT, *(f"{counts.count(molt, loop):.1f}" for loop in loops)]]
               for loops in (counts.OBJECT_LOOPS, counts.PROFILE_LOOPS)]
    progress.clear()
    print("Instructions per operation, loop and PLT included")
    print("\n\n".join(map(render.text, [rows, *of_molt])))
    return 0


def command_objects(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="SUBJECT")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME")
    parser.add_argument("-n", "--rounds", type=positive)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sizes", type=positives, default=objects.SIZES, metavar="MILLIONS")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.source:
        print_objects(results.read(options.source), {})
        return 0

    for name in options.peer:
        if name not in (known := [peer.name for peer in objects.PEERS]):
            raise UnknownItem(unknown("peer", name, known))
    plan, skipped = objects.plan(
        choose(objects.subjects(options.quick, options.sizes), options.only), options.peer)
    output = options.output or ROOT / time.strftime("bench/results/%Y-%m-%d-%H%M%S-objects.jsonl")
    molt = find_allocators([MOLT], os.environ.get("PEERS", ""))[0]
    progress = Progress()
    writer = Writer(output)
    session = objects.Objects(plan, molt, writer, progress)
    try:
        session.run(options.rounds or (1 if options.quick else 5))
    except KeyboardInterrupt:
        print("\ninterrupted: what follows is what there is", file=sys.stderr)
    finally:
        writer.close()
        progress.clear()
    if any(subject.program == "code" for subject, _ in plan):
        for linked in ("shared", "static"):
            print(disassembly.text(objects.PROGRAMS / f"code-{linked}"), end="\n\n")
    print_objects(session.runs, skipped)
    if options.quick:
        print("\nQuick: too little work for the figures to say anything.")
    print(f"\n{len(session.runs)} runs in {os.path.relpath(output)}")
    return 1 if any(run.failure and run.allocator.startswith(MOLT) for run in session.runs) else 0


def positives(text: str) -> tuple[int, ...]:
    return tuple(sorted({positive(word) for word in text.split(",")}))


def choose(all_of_them: list[objects.Subject], patterns: list[str]) -> list[objects.Subject]:
    for pattern in patterns:
        if not any(fnmatch(subject.name, pattern) for subject in all_of_them):
            raise UnknownItem(unknown("subject", pattern, [s.name for s in all_of_them]))
    return [subject for subject in all_of_them
            if not patterns or any(fnmatch(subject.name, pattern) for pattern in patterns)]


def print_objects(runs: list[results.Run], skipped: dict[str, str]) -> None:
    figures = targets.Figures(runs)
    sizes = [int(name[len("pauses@"):-1]) for name in figures.subjects()
             if name.startswith("pauses@")]
    loads = [run.load for run in runs]
    print("The least of all rounds (the median); load average when a run began: "
          f"{min(loads, default=0):.1f} to {max(loads, default=0):.1f}")
    print(render.text(figures.rows()))
    print()
    print(render.text(targets.rows_of(targets.judge(figures, targets.targets(sizes)))))
    print("\nThe work of each:")
    for line in dict.fromkeys(run.command for run in runs if run.command):
        print(f"    {line}")
    for line in figures.failures:
        print(f"FAILED: {line}")
    for peer, reason in skipped.items():
        print(f"skipped: {peer}: {reason}")


def command_profile(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("--only", action="append", default=[], metavar="ITEM")
    parser.add_argument("--profiler", action="append", default=[], metavar="NAME")
    parser.add_argument("-n", "--rounds", type=positive, default=9)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.source:
        print_overhead(results.read(options.source), {})
        return 0

    output = options.output or ROOT / time.strftime("bench/results/%Y-%m-%d-%H%M%S-profile.jsonl")
    progress = Progress()
    with tempfile.TemporaryDirectory(prefix="molt-profile-") as scratch:
        found, missing = profilers.find_profilers(options.profiler, os.environ.get("PEERS", ""),
                                                  Path(scratch))
        ready, skipped = prepare(select_from(profiled.ITEMS, options.only), progress.show)
        writer = Writer(output)
        rounds = Rounds(ready, found, writer, progress)
        try:
            rounds.run(options.rounds, ())
        except KeyboardInterrupt:
            print("\ninterrupted: what follows is what there is", file=sys.stderr)
        finally:
            writer.close()
            progress.clear()
    print_overhead(rounds.runs, missing | skipped)
    print(f"\n{len(rounds.runs)} runs in {os.path.relpath(output)}")
    return 1 if any(run.failure and run.allocator.startswith(MOLT) for run in rounds.runs) else 0


def print_overhead(runs: list[results.Run], skipped: dict[str, str]) -> None:
    figures = overhead.Overhead(runs)
    print(overhead.text(figures))
    for line in figures.failures:
        print(f"FAILED: {line}")
    for name, reason in skipped.items():
        print(f"skipped: {name}: {reason}")


def command_profile_sites(arguments: list[str]) -> int:
    new_parser().parse_args(arguments)
    progress = Progress()
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="molt-sites-") as scratch:
        found, missing = profilers.find_profilers([profilers.TRACE, profilers.HEAPTRACK],
                                                  os.environ.get("PEERS", ""), Path(scratch))
        if missing:
            raise BadAllocator("; ".join(f"{name}: {why}" for name, why in missing.items()))
        recorder = sites.Recorder(found, Path(scratch))
        ready, skipped = prepare(sites.REAL, progress.show)
        checks = [lambda: sites.check_known(recorder),
                  *(lambda prepared=prepared: sites.check_real(recorder, prepared.item,
                                                               prepared.directory)
                    for prepared in ready)]
        for check in checks:
            progress.show("recording")
            rows, judged = check()
            progress.clear()
            print(render.text(rows), end="\n\n")
            verdicts += judged
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.passes else 'FAIL'} {verdict.text}")
    for name, reason in skipped.items():
        print(f"skipped: {name}: {reason}")
    return 0 if all(verdict.passes for verdict in verdicts) else 1


def command_compare(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--peer", default=MOLT, metavar="NAME")
    options = parser.parse_args(arguments)
    print(compare.compare(results.read(options.before), results.read(options.after),
                          options.peer))
    return 0


def command_report(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--readme", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    written = report.write(options.file, options.readme)
    print("\n".join(os.path.relpath(path) for path in written))
    return 0


def command_gate(arguments: list[str]) -> int:
    parser = new_parser()
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args(arguments)
    items: list[Item] = select("full", list(gate.RSS_ITEMS))
    progress = Progress()
    now = gate.measure(items, progress.show)
    progress.clear()
    if options.record:
        gate.write_baseline(now)
        print(f"recorded in {os.path.relpath(gate.BASELINE)}")
        return 0
    verdicts = gate.judge(now, gate.read_baseline())
    for passes, line in verdicts:
        print(f"{'ok  ' if passes else 'FAIL'} {line}")
    failed = sum(not passes for passes, _ in verdicts)
    print(f"{len(verdicts) - failed} passed, {failed} failed")
    return 1 if failed else 0
