# shellcheck shell=bash
# For the runners: jobs at the same time. Source it, do not run it.

# in_parallel COUNT FUNCTION ARGUMENT...: calls the function with each argument, each time in a
# subshell, COUNT of them at a time. What one prints comes in one piece, in the order of the
# arguments; `statuses` gets their exit statuses in this order. A job is a process group, to which
# SIGTERM is sent if the shell ends before it: what leaves the group the job has to end itself.
#
# print_totals: what became of them, as the runners' last line says it; fails if one of them failed.
# Exit status 77 means skipped.
in_parallel()
{
    local count=$1 function=$2 argument number=0 printed=0
    local -A running=() # number of the argument, by process
    shift 2
    statuses=()
    outputs=$(mktemp -d)
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap end_jobs EXIT
    for argument; do
        ((${#running[@]} < count)) || finish_one
        start_one
    done
    while ((${#running[@]})); do
        finish_one
    done
}

# Job control makes it a process group, which SIGINT ends as well.
start_one()
{
    set -m
    ("$function" "$argument") </dev/null >"$outputs/$number" 2>&1 &
    set +m
    running[$!]=$number
    number=$((number + 1))
}

# Waits for the first that ends, and prints what is the next to be printed.
finish_one()
{
    local pid ended status=0

    wait -n -p pid "${!running[@]}" || status=$?
    ended=${running[$pid]}
    statuses[ended]=$status
    unset "running[$pid]"
    while [[ -n ${statuses[printed]:-} ]]; do
        cat "$outputs/$printed"
        rm "$outputs/$printed"
        printed=$((printed + 1))
    done
}

end_jobs()
{
    local pid

    for pid in $(jobs -p); do
        kill -TERM -- "-$pid" && wait "$pid"
    done 2>/dev/null
    rm -rf "$outputs"
}

print_totals()
{
    local status passed=0 failed=0 skipped=0

    for status in "${statuses[@]}"; do
        case $status in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *) failed=$((failed + 1)) ;;
        esac
    done
    echo "$passed passed, $failed failed, $skipped skipped"
    ((failed == 0))
}
