# PostgreSQL: initdb, pgbench with several clients, large sorts, joins and aggregates.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

shopt -s nullglob
for dir in /usr/lib/postgresql/*/bin; do
    PATH=$dir:$PATH
done
need initdb postgres pgbench psql setpriv

# The server refuses to run as root.
user=()
if ((EUID == 0)); then
    user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    chown nobody:nogroup .
fi
export HOME=$PWD PGHOST=$PWD PGUSER=test PGDATABASE=postgres

under "${user[@]}" initdb -D data -A trust -U test --locale=C --encoding=UTF8 --no-sync >/dev/null
serve "${user[@]}" postgres -D data -k "$PWD" -c listen_addresses= -c fsync=off \
    -c shared_buffers=32MB -c work_mem=16MB -c log_min_messages=warning
await psql -c 'select 1'
took_over "$server"

clients=4
transactions=$(quick 100 1500)
under pgbench -q -i -s "$(quick 1 4)" >&2
under pgbench -c $clients -j 2 -t "$transactions" -M prepared >&2
under psql -AtX <<SQL
select count(*) = $clients * $transactions from pgbench_history;
select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts;
select sum(tbalance) = (select sum(bbalance) from pgbench_branches) from pgbench_tellers;
create table t as select i, md5(i::text) as h, (i * 7919) % 1000 as k
    from generate_series(1, $(quick 20000 200000)) i;
create index on t (h);
analyze t;
select md5(string_agg(h, ',' order by h)) from t;
select k, count(*), max(h) from t group by k order by k limit 3;
select count(*) from t a join t b on a.h = b.h where a.k < 500;
select md5(jsonb_object_agg(h, k)::text) from t where k < 50;
select sum(length(regexp_replace(h, '[a-c]+', '-', 'g'))) from t;
do 'declare a text[]; begin for i in 1..2000 loop a := a || i::text; end loop; end';
SQL
stop INT
