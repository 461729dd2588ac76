# SQLite: bulk insert, indexes, joins, aggregates, VACUUM.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need sqlite3
generate_sql "$(quick 20000 200000)" >work.sql
under sqlite3 -batch work.db <work.sql
sum_of work.db
