# Nginx: a master and workers, a file with and without gzip, a reload, a graceful end.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need nginx curl

get() { curl -sS --unix-socket nginx.sock "$@"; }

workers() { pgrep -P "$server"; }

# Whether none of the workers is one of before the reload.
all_new()
{
    local now

    mapfile -t now < <(workers)
    ((${#now[@]} == 2)) && ! printf '%s\n' "${now[@]}" | grep -qxF "$(printf '%s\n' "${pids[@]}")"
}

awk 'BEGIN { for (i = 0; i < 50000; i++) print "line", i, i * 7919 % 10007 }' >page.txt
cat >nginx.conf <<CONF
daemon off;
$( ((EUID)) || echo 'user root root;')
worker_processes 2;
pid nginx.pid;
error_log stderr error;
events { worker_connections 64; }
http {
    access_log off;
    types { text/plain txt; }
    gzip on;
    gzip_types text/plain;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen unix:$PWD/nginx.sock;
        root $PWD;
        location /twice { proxy_pass http://unix:$PWD/nginx.sock:/page.txt; }
        location /moved { return 302 /page.txt; }
    }
}
CONF
serve nginx -p "$PWD" -c nginx.conf -e stderr
await get -f http://x/page.txt
for round in before after; do
    mapfile -t pids < <(workers)
    took_over "$server" "${pids[@]}"
    for ((i = 0; i < $(quick 10 40); i++)); do
        get http://x/page.txt http://x/twice http://x/none http://x/moved
        get --compressed http://x/page.txt
    done | sha256sum
    if [[ $round == before ]]; then
        kill -HUP "$server"
        await all_new
    fi
done
stop QUIT
