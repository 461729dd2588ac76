# Python with every object in malloc: JSON, SQLite, threads, fork with threads, pools.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need $python
PYTHONMALLOC=malloc under $python "$inputs/work.py" "$(quick 2000 20000)"
