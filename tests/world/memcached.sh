# Memcached: four threads, clients at the same time, items of all sizes, counters, evictions.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need memcached $python

user=()
if ((EUID == 0)); then
    user=(-u nobody)
    chown nobody .
fi
serve memcached "${user[@]}" -s "$PWD/memcached.sock" -t 4 -m 32 -I 2m
await test -S memcached.sock
took_over "$server"
$python "${BASH_SOURCE[0]%/*}/inputs/memcached.py" memcached.sock "$(quick 2000 10000)"
took_over "$server"
stop TERM
