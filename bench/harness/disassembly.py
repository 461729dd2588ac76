"""The count operations as the compiler has made them, and their instructions on the owner's path."""

import re
import subprocess
from pathlib import Path

from .item import Wrong

VARIANTS = {"retain_known": "retain, not NULL", "release_known": "release, not NULL",
            "retain": "retain, NULL checked", "release": "release, NULL checked"}

STORE = re.compile(r"^str\b|,\s*\(%\w+\)$")  # arm64, x86-64
LEAVES = re.compile(r"^(jmp|call|b|bl|br|blr)\s")


def functions(program: Path) -> dict[str, list[str]]:
    """The instructions of each of the VARIANTS in a build of code.c."""
    try:
        done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(program)],
                              capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Wrong(f"objdump: {error}") from error
    found: dict[str, list[str]] = {}
    for block in done.stdout.split("\n\n"):
        heading, *lines = block.strip().splitlines() or [""]
        name = re.search(r"<code_(\w+)>:$", heading)
        if name and name[1] in VARIANTS:
            found[name[1]] = [_instruction(line) for line in lines]
    lacking = [name for name in VARIANTS if name not in found]
    if lacking:
        raise Wrong(f"{program.name}: no function code_{lacking[0]}")
    return found


def owners_path(instructions: list[str]) -> list[str]:
    """What the owner executes: every conditional jump is to the rest (NULL, another thread's), so
    none is taken. Without the return, which an inlined operation has not."""
    path = []
    for instruction in instructions:
        if instruction.startswith("ret"):
            break
        if LEAVES.match(instruction):
            raise Wrong(f"the owner's path is not the one without jumps: {instruction}")
        if not instruction.startswith(("endbr", "bti", "nop")):
            path.append(instruction)
    if not any(STORE.search(instruction) for instruction in path):
        raise Wrong("the owner's path does not write the count")
    return path


def text(program: Path) -> str:
    """The functions up to the return, each under its name and count."""
    parts = []
    for name, instructions in functions(program).items():
        path = owners_path(instructions)
        end = next(i for i, line in enumerate(instructions) if line.startswith("ret"))
        parts.append(f"{VARIANTS[name]}: {len(path)} instructions ({program.name})")
        parts += [f"    {line}" for line in instructions[:end + 1]]
    return "\n".join(parts)


def _instruction(line: str) -> str:
    """Of "  1190:\\tmov  (%rdi),%rax   # comment"."""
    _, _, rest = line.partition("\t")
    return " ".join(rest.partition("#")[0].split())
