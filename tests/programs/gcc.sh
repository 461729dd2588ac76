# GCC: a large generated C file; the object code, and the program run under the library.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need gcc
generate_c "$(quick 100 400)" >work.c
under gcc -O2 -g -c work.c -o work.o
under gcc work.o -o work
sum_of work.o work
under ./work
