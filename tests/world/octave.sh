# Octave: matrices, cells, structures, strings, regular expressions, containers.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need octave-cli
under octave-cli --no-init-file --no-history "${BASH_SOURCE[0]%/*}/inputs/work.m" "$(quick 300 3000)"
