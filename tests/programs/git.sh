# Git: commits, a repack with threads, garbage collection, a clone, fsck.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need git
generate_repository "$(quick 500 2000)" "$(quick 3 8)"
under git -c pack.threads=4 repack -adfq --depth=50 --window=50
under git gc --quiet --aggressive --prune=now
under git fsck --full --strict
under git clone -q --no-local . clone
under git -C clone log --stat --format=%H | sha256sum
under git rev-list --objects --all | sort | sha256sum
under git grep -h revision | sort | uniq -c
under git blame d0/file4.txt | sha256sum
