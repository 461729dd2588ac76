# Lua: tables, strings, coroutines, garbage collection.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need lua5.4
under lua5.4 "$inputs/work.lua" "$(quick 5000 60000)"
