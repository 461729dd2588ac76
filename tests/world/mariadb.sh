# MariaDB: a new data directory, concurrent clients, large sorts, joins, temporary tables, a restart.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need mariadbd mariadb mariadb-install-db mariadb-slap

user=()
if ((EUID == 0)); then
    user=(--user=nobody)
    chown nobody .
fi
sql() { under mariadb --no-defaults -S "$PWD/maria.sock" -u root -N "$@"; }

start()
{
    serve mariadbd --no-defaults "${user[@]}" --datadir="$PWD/data" --socket="$PWD/maria.sock" \
        --pid-file="$PWD/pid" --skip-networking --innodb-buffer-pool-size=32M \
        --innodb-flush-log-at-trx-commit=0 --innodb-use-native-aio=0 --innodb-fast-shutdown=0
    await sql -e 'select 1'
    took_over "$server"
}

under mariadb-install-db --no-defaults "${user[@]}" --datadir="$PWD/data" --skip-test-db \
    --auth-root-authentication-method=normal >&2
start
sql -e 'create database jobs'
under mariadb-slap --no-defaults -S "$PWD/maria.sock" -u root --concurrency=4 --iterations=1 \
    --auto-generate-sql --auto-generate-sql-add-autoincrement --auto-generate-sql-load-type=mixed \
    --number-of-queries="$(quick 400 4000)" >&2
sql jobs <<SQL
set @rows = $(quick 10000 60000), group_concat_max_len = 100000000;
create table t (i int primary key, h char(32), k int, b text) engine=innodb
    select seq as i, md5(seq) as h, seq * 7919 % 1000 as k, repeat(md5(seq), seq % 20) as b
    from seq_1_to_1000000 where seq <= @rows;
create index h on t (h);
select md5(group_concat(h order by h)), sum(length(b)) from t;
select k, count(*), max(h) from t group by k order by k limit 3;
select count(*) from t a join t b on a.h = b.h where a.k < 500;
select md5(json_objectagg(i, h)) from (select * from t where k < 50 order by i) s;
select sum(length(regexp_replace(h, '[a-c]+', '-'))) from t;
create temporary table u engine=memory select distinct left(h, 4) as p from t;
select count(*), min(p), max(p) from u;
delete from t where k % 3 = 0;
update t set b = concat(b, h) where k % 5 = 0;
with recursive r(n, s) as (select 1, cast('x' as char(4000)) union all
    select n + 1, concat(s, n) from r where n < 500) select md5(group_concat(s order by n)) from r;
select bit_xor(crc32(concat(i, h, k, b))), count(*) from t;
SQL
stop TERM
start
sql jobs -e 'select bit_xor(crc32(concat(i, h, k, b))), count(*) from t; check table t'
stop TERM
