# Go with cgo: the build by go and gcc, C's blocks that move between goroutines, callbacks, C's threads.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need go gcc
mkdir work
cp "${BASH_SOURCE[0]%/*}/inputs/work.go" work/
export GOPATH=$PWD/go GOCACHE=$PWD/cache GO111MODULE=off CGO_ENABLED=1 GOTOOLCHAIN=local GOFLAGS=-p=2
under go build -trimpath -o work.bin ./work
for threads in 1 4; do
    GOMAXPROCS=$threads under ./work.bin "$(quick 1000 20000)"
done
