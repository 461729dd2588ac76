# libfaketime: a preloaded library whose clock allocates, before and behind the library under test.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need faketime sqlite3 perl
faketimes=(/usr/lib/*/faketime/libfaketime*.so.1)
[[ -f ${faketimes[0]} ]] || { echo "no libfaketime.so.1"; exit 77; }

cat >threads.py <<'PY'
import datetime, threading
found = []
def work(i):
    found.append((sum(len(str(n)) for n in range(i * 2000)), datetime.datetime.now().isoformat()))
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(found))
PY

export FAKETIME='2001-02-03 04:05:06'
for faketime in "${faketimes[@]}"; do
    for preload in "$PRELOAD:$faketime" "$faketime:$PRELOAD"; do
        with() { env LD_PRELOAD="$preload" "$@"; }
        with date
        with sqlite3 :memory: "select datetime('now'), hex(zeroblob(100000)) = hex(zeroblob(100000))"
        with "$python" threads.py
        # shellcheck disable=SC2016 # Perl's variables
        with perl -e 'my @a = map { { key => $_ x 50 } } 1 .. 20000; print scalar(gmtime), " $#a\n"'
        with git --version
    done
done
