# Rust: the compiler, optimized, and a program of threads, channels, maps and strings.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need rustc
under rustc --edition=2021 -C opt-level="$(quick 0 2)" -C codegen-units=4 -C debuginfo=1 \
    --remap-path-prefix="${BASH_SOURCE[0]%/*}=." -o work "${BASH_SOURCE[0]%/*}/inputs/work.rs"
sum_of work
under ./work "$(quick 2000 100000)"
