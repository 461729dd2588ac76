# Perl: hashes, sorting, regular expressions, closures, fork.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need perl
under perl "$inputs/work.pl" "$(quick 20000 150000)"
