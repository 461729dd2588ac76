# HAProxy: a master with a worker of several threads, gzip, Lua, a second proxy behind; a reload.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need haproxy curl

get() { curl -sS --unix-socket front.sock "$@"; }

worker() { pgrep -P "$server" -n haproxy; }

is_new() { [[ $(worker) != "$before" ]]; }

awk 'BEGIN { for (i = 0; i < 50000; i++) print "line", i, i * 7919 % 10007 }' >page.txt
cat >words.lua <<'LUA'
core.register_service("words", "http", function(applet)
    local count, words = 0, {}
    for word in applet:receive():gmatch("%w+") do
        count, words[word] = count + 1, (words[word] or 0) + 1
    end
    local sorted = {}
    for word, times in pairs(words) do
        sorted[#sorted + 1] = word .. " " .. times
    end
    table.sort(sorted)
    local body = count .. "\n" .. table.concat(sorted, "\n") .. "\n"
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#body))
    applet:start_response()
    applet:send(body)
end)
LUA
cat >haproxy.cfg <<CONF
global
    nbthread 4
    tune.bufsize 1048576
    lua-load $PWD/words.lua
    stats socket $PWD/stats.sock
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 20s
frontend front
    bind unix@$PWD/front.sock
    compression algo gzip
    compression type text/plain
    http-request return status 302 hdr location /page.txt if { path /moved }
    http-request use-service lua.words if { path /words }
    default_backend behind
backend behind
    server one unix@$PWD/back.sock
frontend back
    bind unix@$PWD/back.sock
    http-request return status 404 if !{ path /page.txt }
    http-request return status 200 content-type text/plain file $PWD/page.txt
CONF
serve haproxy -W -db -f haproxy.cfg
await get -f http://x/page.txt
for round in before after; do
    before=$(worker)
    took_over "$server" "$before"
    # shellcheck disable=SC2016 # the inner shell has the parameter
    seq "$(quick 20 100)" | xargs -P 8 -I{} bash -c '
        get() { curl -sS --unix-socket front.sock "$@"; }
        { get http://x/page.txt http://x/none http://x/moved
          get --compressed http://x/page.txt
          get --data-binary "$(head -n 1000 page.txt)" http://x/words
        } | sha256sum' | sort -u
    if [[ $round == before ]]; then
        kill -USR2 "$server"
        await is_new
        await get -f http://x/page.txt
    fi
done
# It is ended without a look at its status: haproxy 2.6 may fault while it closes its listeners,
# under any malloc.
