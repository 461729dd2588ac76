# Mono: the compiler, threads, collections, memory of both mallocs, finalizers, code made at run time.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need mono mcs
under mcs -out:work.exe "${BASH_SOURCE[0]%/*}/inputs/Work.cs"
under mono work.exe "$(quick 2000 40000)"
