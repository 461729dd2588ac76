"""How items make their inputs: with the generators of tests/programs/lib.sh."""

import os
import subprocess
from pathlib import Path

from .item import ROOT, Unavailable

PROGRAMS = ROOT / "tests" / "programs"
INPUTS = PROGRAMS / "inputs"

PROLOGUE = f"""
source "{PROGRAMS / 'lib.sh'}"
export "${{clean_env[@]}}" HOME="$PWD"
"""


def shell(directory: Path, script: str) -> None:
    """Runs a snippet of bash in the directory, with lib.sh sourced, in its clean environment and
    under the system's malloc. Stops at the first command that fails."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("LD_PRELOAD", "MOLT", "PRELOAD", "QUICK")
    }
    done = subprocess.run(
        ["bash", "-c", PROLOGUE + script],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
        raise Unavailable("\n".join(last) or f"exit status {done.returncode}")
