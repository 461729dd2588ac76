# shellcheck shell=bash
# What tests/programs/run, its scripts and the benchmarks share; source it, do not run it.
#
# PRELOAD is the library under test, or empty for the system's malloc; QUICK is 1 for small inputs;
# PATIENCE multiplies limits (tests/patience).
# shellcheck disable=SC2034 # some of the variables are for those who source this
set -euo pipefail
shopt -s inherit_errexit

: "${PRELOAD:=}" "${QUICK:=0}" "${PATIENCE:=5}"
inputs=$(cd "${BASH_SOURCE[0]%/*}/inputs" && pwd)
python=/usr/bin/python3 # the distribution's: a python3 earlier in PATH need not have its tests
clean_env=(PATH="/usr/sbin:/usr/bin:$PATH" LC_ALL=C.UTF-8 TZ=UTC PYTHONDONTWRITEBYTECODE=1
    GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
    GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
    GIT_AUTHOR_DATE=2001-01-01T00:00:00Z GIT_COMMITTER_DATE=2001-01-01T00:00:00Z
    ${MOLT+MOLT="$MOLT"})

# ---- For run: a scratch directory, and jobs that cannot outlive it -------------------------------

job=

# Sets `scratch`, a directory that is gone when the shell is, however it ends. Other users may pass
# through it, because not every program runs as root.
make_scratch()
{
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/molt.XXXXXXXX")
    scratch=$(cd "$scratch" && pwd -P)
    chmod 711 "$scratch"
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'stop_job; rm -rf "$scratch"' EXIT
}

# start_job LIMIT COMMAND...: runs it in a process group of its own, for LIMIT seconds at most.
# (Job control rather than a plain `&`, which would leave it with SIGINT ignored.)
start_job()
{
    set -m
    timeout --kill-after=10 "$@" </dev/null &
    job=$!
    set +m
}

# Ends the job if it still runs, then whatever of it is left: in its group or, having left that,
# with its working directory in the scratch directory.
stop_job()
{
    local cwd

    cd /
    if [[ -n $job ]]; then
        if kill -TERM -- "-$job"; then
            wait "$job" || true
        fi
        kill -KILL -- "-$job" || true
        job=
    fi 2>/dev/null
    while read -r cwd; do
        cwd=${cwd%/cwd}
        kill -KILL "${cwd#/proc/}" || true
    done 2>/dev/null < <(find /proc -mindepth 2 -maxdepth 2 -name cwd -lname "$scratch/*")
}

# Waits for the job; its exit status, 124 or 137 if it took too long.
finish_job()
{
    local status=0

    wait "$job" 2>/dev/null || status=$?
    stop_job
    return "$status"
}

# copy_library FILE: sets `library` to a copy in the scratch directory that every user can read and
# that a build running at the same time does not change.
copy_library()
{
    [[ -f $1 ]] || fail "$1: no such library (run make first)"
    mkdir -p "$scratch/lib"
    library=$scratch/lib/${1##*/}
    install -m 755 "$1" "$library"
}

fail()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# ---- For the scripts ---------------------------------------------------------------------------

servers=()

# need COMMAND...: ends the script as skipped if one of them is not installed.
need()
{
    local command

    for command; do
        if ! type -P "$command" >/dev/null; then
            echo "no ${command##*/}"
            exit 77
        fi
    done
}

# quick SMALL LARGE: the size of an input.
quick()
{
    if ((QUICK)); then echo "$1"; else echo "$2"; fi
}

# under COMMAND...: runs the program under test, with the library preloaded.
under()
{
    env LD_PRELOAD="$PRELOAD" "$@"
}

# serve COMMAND...: starts a server under test; sets `server`. It is stopped when the script ends.
serve()
{
    trap 'exit 143' INT TERM
    trap stop_servers EXIT
    env LD_PRELOAD="$PRELOAD" "$@" &
    server=$!
    servers+=("$server")
}

# await COMMAND...: waits until it succeeds, for as long as the server runs and half a minute, with
# patience.
await()
{
    local i

    for ((i = 0; i < 300 * PATIENCE; i++)); do
        if "$@" >/dev/null 2>&1; then
            return
        fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server does not answer: $*"
    return 1
}

# stop SIGNAL: has the present server end and says how it did.
stop()
{
    local status=0

    kill "-$1" "$server"
    wait "$server" || status=$?
    servers=()
    echo "server: exit $status"
}

stop_servers()
{
    if ((${#servers[@]})); then
        kill -TERM "${servers[@]}" 2>/dev/null || true
        wait "${servers[@]}" || true
    fi
}

# took_over PID...: fails unless the library is mapped in each of these processes.
took_over()
{
    local pid

    for pid; do
        if [[ -n $PRELOAD ]] && ! grep -qF " $PRELOAD" "/proc/$pid/maps"; then
            echo "the library is not in process $pid ($(<"/proc/$pid/comm"))"
            return 1
        fi
    done
}

# ---- Inputs ------------------------------------------------------------------------------------

# generate_c N: a C program of N functions, with loops, switches and structures.
generate_c()
{
    awk -v n="$1" '
        function next_random(below) { seed = seed * 16807 % 2147483647; return seed % below }
        BEGIN {
            seed = 42
            print "#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n"
            for (i = 0; i < n; i++) {
                printf "struct s%d { uint32_t a[%d]; uint64_t b; };\n", i, 4 + next_random(12)
                printf "static uint64_t f%d(uint64_t x)\n{\n    struct s%d s;\n", i, i
                print "    memset(&s, (int)(x & 127), sizeof s);"
                print "    for (unsigned i = 0; i < sizeof s.a / sizeof *s.a; i++) {"
                print "        switch ((x >> i) % 8) {"
                for (j = 0; j < 8; j++)
                    printf "        case %d: s.a[i] += (uint32_t)(x * %dU ^ s.b); break;\n", j,
                        1 + next_random(1000000)
                print "        }\n        s.b = s.b * 31 + s.a[i];\n    }"
                printf "    return s.b%s;\n}\n\n", i ? " + f" next_random(i) "(x >> 1)" : ""
            }
            print "int main(void)\n{\n    uint64_t x = 1;"
            for (i = 0; i < n; i++)
                printf "    x ^= f%d(x + %d);\n", i, i
            print "    printf(\"%016llx\\n\", (unsigned long long)x);\n}"
        }'
}

# generate_sql ROWS: bulk insert, indexes, joins, text, aggregates.
generate_sql()
{
    printf '.parameter set :rows %d\n' "$1"
    cat "$inputs/work.sql"
}

# generate_repository FILES REVISIONS: a git repository in the working directory.
generate_repository()
{
    local revision

    under git -c init.defaultBranch=main init -q
    under git config core.fsync none
    for ((revision = 0; revision < $2; revision++)); do
        # Every revision changes one file in five in the middle, so that there are deltas to find.
        awk -v files="$1" -v revision="$revision" 'BEGIN {
            for (f = 0; f < files; f++) {
                if (revision && (f + revision) % 5)
                    continue
                if (!revision && !(f % 50))
                    system("mkdir -p d" int(f / 50))
                name = "d" int(f / 50) "/file" f ".txt"
                seed = f + 1
                for (i = 0; i < 60; i++) {
                    seed = seed * 16807 % 2147483647
                    print i == 30 ? "revision " revision : "line " i ": " seed > name
                }
                close(name)
            }
        }'
        under git add -A
        under git commit -qm "revision $revision"
    done
}

# sum_of FILE...: the checksum of their contents.
sum_of()
{
    cat -- "$@" | sha256sum | cut -c1-64
}
