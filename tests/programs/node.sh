# Node.js: buffers, zlib and crypto on the thread pool, worker threads, a child process.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need node
under node "$inputs/work.js" "$(quick 2000 30000)"
