# The library is the one that allocates: in a program, its fork and what it executes.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need $python
under $python "$inputs/takeover.py"
