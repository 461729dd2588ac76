# G++: deep templates; the object code, and the program run under the library.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need g++
cp "$inputs/templates.cpp" .
under g++ -std=c++17 "$(quick -O0 -O2)" -g \
    -DWIDTH="$(quick 1 4)" -c templates.cpp -o templates.o
under g++ templates.o -o templates
sum_of templates.o templates
under ./templates
