# Bash: arrays, string operations, expansions, deep recursion, subshells.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

under bash "$inputs/work.bash" "$(quick 3000 20000)"
