# Stress-ng: random malloc, calloc, realloc and free in processes and threads, verified.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need stress-ng
under stress-ng --quiet --malloc 2 --malloc-pthreads 2 --malloc-bytes 64m --malloc-max 4096 \
    --verify --timeout "$(quick 2 6)" --temp-path . >&2
echo "verified"
