# Clang++: one file again and again, since each process has its own addresses and keys; no compile may
# fail, and all object files are one.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need clang++
cp "$inputs/tables.cpp" .
compiles=1
if [[ -n $PRELOAD ]]; then
    compiles=$(quick 10 50)
fi
for ((i = 0; i < compiles; i++)); do
    under clang++ -std=c++17 -O1 -fno-crash-diagnostics -c tables.cpp -o tables.o
    sum_of tables.o
done | sort -u
