# PHP: three workers of php-fpm whose memory comes from malloc, several requests at a time.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

PATH=$PATH:/usr/sbin
fpm=$(compgen -c php-fpm | head -n 1) || true
need "${fpm:-php-fpm}" cgi-fcgi

cat >fpm.conf <<CONF
[global]
error_log = $PWD/fpm.log
[jobs]
listen = $PWD/fpm.sock
pm = static
pm.max_children = 3
pm.max_requests = 20
$( ((EUID)) || printf '%s\n' 'user = root' 'group = root')
CONF
root=()
if ((EUID == 0)); then
    root=(-R)
fi
serve env USE_ZEND_ALLOC=0 "$fpm" -n -F "${root[@]}" -y fpm.conf
await test -S fpm.sock
mapfile -t workers < <(pgrep -P "$server")
took_over "$server" "${workers[@]}"
export REQUEST_METHOD=GET SCRIPT_FILENAME="${BASH_SOURCE[0]%/*}/inputs/work.php"
QUERY_STRING="n=$(quick 1000 12000)"
export QUERY_STRING
seq "$(quick 10 80)" | xargs -P 4 -I{} cgi-fcgi -bind -connect fpm.sock | tr -d '\r' | sort | uniq -c
mapfile -t workers < <(pgrep -P "$server")
took_over "$server" "${workers[@]}"
stop QUIT
