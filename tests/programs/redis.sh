# Redis: commands from a benchmark, a snapshot by fork, a restart with the same data.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need redis-server redis-cli redis-benchmark

cli() { redis-cli -s redis.sock "$@"; }

saved() { [[ $(cli info persistence) == *rdb_bgsave_in_progress:0* ]]; }

start()
{
    serve redis-server --port 0 --unixsocket "$PWD/redis.sock" --dir "$PWD" --daemonize no \
        --io-threads 2 --lazyfree-lazy-user-flush yes --save '' --enable-debug-command yes \
        --logfile "$PWD/redis.log"
    await cli ping
    took_over "$server"
}

start
under redis-benchmark -s redis.sock -q -n "$(quick 5000 25000)" -P 16 -r 10000 -d 300 -c 20 \
    -t set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset >/dev/null
cli flushall
awk -v n="$(quick 5000 25000)" 'BEGIN {
    for (i = 0; i < n; i++) {
        printf "SET string:%d %0*d\n", i % 5003, 1 + i % 700, i
        printf "HSET hash:%d field%d %d\n", i % 101, i, i * 31
        printf "RPUSH list:%d %0*d\n", i % 53, 1 + i % 90, i
        printf "ZADD zset:%d %d member%d\n", i % 11, i * 7919 % 10007, i
        printf "APPEND long:%d %0*d\n", i % 7, 20, i
        if (i % 3 == 0)
            printf "DEL string:%d\n", i * 17 % 5003
    }
}' | cli --pipe | tail -n 1
cli eval 'local n = 0
    for i = 1, 20000 do n = n + #cjson.encode({ i, tostring(i) }) end return n' 0
cli dbsize
before=$(cli debug digest)
echo "$before"
cli bgsave
await saved
cli info persistence | grep -E '^(rdb_last_bgsave_status|rdb_saves)'
stop TERM
start
[[ $(cli debug digest) == "$before" ]] && echo "same after the restart"
stop TERM
