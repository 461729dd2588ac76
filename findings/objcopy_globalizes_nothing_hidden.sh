#!/usr/bin/env bash
# objcopy (GNU binutils 2.40): --globalize-symbol does nothing beside --localize-hidden.
#
# All hidden symbols of an object are to become local but one, which has to stay global since the linker joins
# it with that of other objects. A good guess is --localize-hidden --globalize-symbol=NAME: the
# manual says of the second that it makes the symbol global, and --keep-global-symbol and its like
# make exceptions, too. Seen: with both the symbol becomes local, in either order of the options and without a
# word. Alone each does what it says. What works is to call objcopy twice.
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

printf '%s\n' '.globl kept' '.hidden kept' 'kept: ret' >object.s
tool as object.s -o object.o

failed=0
expect() # KIND OPTION…
{
    local kind
    tool objcopy "${@:2}" object.o copy.o
    kind=$(tool nm copy.o | awk '$NF == "kept" { print $(NF - 1) }')
    printf '%-52s the symbol is %s (T: global, t: local)\n' "${*:2}" "$kind"
    [[ $kind == "$1" ]] || failed=1
}

expect t --localize-hidden
expect t --localize-hidden --globalize-symbol=kept
expect t --globalize-symbol=kept --localize-hidden
tool objcopy --localize-hidden object.o
expect T --globalize-symbol=kept
exit "$failed"
