# GHC: the compiler, a threaded program with C's malloc behind its foreign memory.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need ghc
cp "${BASH_SOURCE[0]%/*}/inputs/Work.hs" .
under ghc -v0 -j2 "$(quick -O0 -O1)" -threaded -rtsopts Work.hs -o work
under ./work "$(quick 1000 20000)" +RTS -N4
under ./work "$(quick 1000 20000)" +RTS -N2 --nonmoving-gc
