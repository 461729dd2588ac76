#!/usr/bin/env bash
# objcopy (GNU binutils 2.40): --weaken weakens what the object refers to, too.
#
# An object is to yield to definitions of the program, so its global symbols shall become weak. A good guess
# is that --weaken, and --weaken-symbol with a wildcard, change what the object defines. Seen: what
# it only refers to becomes weak as well. The linker then neither takes it from an archive nor
# complains that it is missing: the program links without a word, and the call leads to address 0. What
# works is --weaken-symbols with a list of the defined names.
#
# Exit status: 0 as described, 1 if not (any more), 2 if the packages cannot be had.
set -euo pipefail
export LC_ALL=C

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 2>/dev/null || exit 2
for package in *.deb; do
    dpkg-deb -x "$package" .
done
export LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu
tool() { "usr/bin/x86_64-linux-gnu-$1" "${@:2}"; }
tool objcopy --version | head -n 1

printf '%s\n' '.globl defined' 'defined: call elsewhere' 'ret' >object.s
tool as object.s -o object.o
kind_of() { tool nm "$1" | awk -v name="$2" '$NF == name { print $(NF - 1) }'; }

failed=0
expect() { # WHAT FILE SYMBOL KIND
    local kind
    kind=$(kind_of "$2" "$3")
    printf '%-44s %s is %s (U: undefined, w: undefined and weak, W: defined and weak)\n' "$1" "$3" "$kind"
    [[ $kind == "$4" ]] || failed=1
}

expect 'before' object.o elsewhere U
tool objcopy --wildcard --weaken-symbol='*' object.o wildcard.o
expect "--wildcard --weaken-symbol='*'" wildcard.o elsewhere w
tool objcopy --weaken object.o weaken.o
expect '--weaken' weaken.o elsewhere w
echo defined >names
tool objcopy --weaken-symbols=names object.o list.o
expect '--weaken-symbols with the defined name' list.o elsewhere U
expect '' list.o defined W
exit "$failed"
