#!/usr/bin/env bash
# glibc 2.36: MALLOC_PERTURB_ leaves blocks alone that a thread frees and takes again.
#
# MALLOC_PERTURB_=90 is set to find reads of memory that was never written, or has been freed. A good guess, and what
# mallopt(3) says of it, is that every block malloc gives is filled with the complement of 90, and every freed one with
# 90. Seen: a block that comes from the heap is filled, but one of up to about a kilobyte that is freed
# goes to the thread's cache and comes back from there with every byte as the program left it, behind the first 16. So
# the blocks that are most often used after they were freed are the ones that are never filled. What works is
# to have no such cache: GLIBC_TUNABLES=glibc.malloc.tcache_count=0.
#
# Exit status: 0 as described, 1 if not (any more), 2 if the packages cannot be had.
set -euo pipefail
export LC_ALL=C

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq libc6=2.36-9+deb12u14 2>/dev/null || exit 2
dpkg-deb -x libc6_*.deb .
libraries=$folder/lib/x86_64-linux-gnu

cat >blocks.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The byte that fills the block from its 17th on, or -1 if there are several. */
static int filled_with(const unsigned char *block, size_t size)
{
    for (size_t i = 17; i < size; i++)
        if (block[i] != block[16])
            return -1;
    return block[16];
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[argc - 1], NULL, 10);
    unsigned char *volatile block = malloc(size);
    int fresh = filled_with(block, size);
    memset(block, 1, size);
    free(block);
    block = malloc(size); /* the same one again */
    printf("%d %d\n", fresh, filled_with(block, size));
    return 0;
}
C
gcc -O0 -w blocks.c -o blocks || exit 2
program=("$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" ./blocks)
"$libraries/libc.so.6" | head -n 1

failed=0
expect() # WHAT FRESH REUSED SIZE VARIABLE…
{
    local seen
    seen=$(env "${@:5}" "${program[@]}" "$4")
    printf '%-38s %5s bytes: fresh and used again are filled with: %s\n' "$1" "$4" "$seen"
    [[ $seen == "$2 $3" ]] || failed=1
}

expect 'MALLOC_PERTURB_=90' 165 1 100 MALLOC_PERTURB_=90
expect 'MALLOC_PERTURB_=90' 165 1 1000 MALLOC_PERTURB_=90
expect 'MALLOC_PERTURB_=90' 165 165 2000 MALLOC_PERTURB_=90
expect 'MALLOC_PERTURB_=90, tcache_count=0' 165 165 100 MALLOC_PERTURB_=90 \
    GLIBC_TUNABLES=glibc.malloc.tcache_count=0
exit "$failed"
