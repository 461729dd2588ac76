# Ruby: objects, strings, threads, fibers, garbage collection and compaction, fork.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need ruby
under ruby "$inputs/work.rb" "$(quick 5000 60000)"
