# R: data frames, lists, strings, environments, garbage collections, forked workers.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need Rscript
under Rscript --vanilla "${BASH_SOURCE[0]%/*}/inputs/work.R" "$(quick 2000 40000)"
