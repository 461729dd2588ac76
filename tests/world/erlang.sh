# Erlang: processes, messages, binaries, tables, compiled code, with erts' own allocators and malloc.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need erl erlc
under erlc "${BASH_SOURCE[0]%/*}/inputs/work.erl"
for allocators in max min; do
    under erl +S 4:4 +A 4 "+Mea" "$allocators" -noinput -s work main "$(quick 500 5000)"
done
