"""Says whether the allocation functions are those of the library $PRELOAD (else of libc)."""

import ctypes
import os
import subprocess
import sys

NAMES = """malloc calloc realloc free aligned_alloc posix_memalign memalign
           malloc_usable_size""".split()


def file_of(address):
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            start, end = (int(number, 16) for number in fields[0].split("-"))
            if start <= address < end:
                return fields[5].strip() if len(fields) > 5 else ""
    return ""


def check(where):
    everything = ctypes.CDLL(None)
    preload = os.environ.get("PRELOAD", "")
    program = os.path.realpath("/proc/self/exe")
    wrong = []
    for name in NAMES:
        file = file_of(ctypes.cast(getattr(everything, name), ctypes.c_void_p).value)
        # In a program that takes a function's address, its own stub for it may be the address.
        right = file == preload if preload else os.path.basename(file).startswith("libc")
        if not right and file != program:
            wrong.append(f"{name} is in {file}")
    # So look at what malloc gives, too: the system's starts with the heap that brk makes.
    everything.malloc.restype = ctypes.c_void_p
    if (file_of(everything.malloc(1000)) == "[heap]") == bool(preload):
        wrong.append("malloc is not the right one")
    print(where, wrong or "as it should be", flush=True)
    return 1 if wrong else 0


if len(sys.argv) > 1:
    sys.exit(check(sys.argv[1]))
status = check("main")
child = os.fork()
if child == 0:
    os._exit(check("fork"))
status |= os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
status |= subprocess.run([sys.executable, sys.argv[0], "exec"], check=False).returncode
sys.exit(status)
