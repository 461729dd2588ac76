# Java: the compiler, collections, threads, native memory, garbage collection.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need java javac
under javac -J-XX:-UsePerfData -d . "$inputs/Work.java"
for collector in Serial $(quick '' 'Parallel G1'); do
    under java -Xmx256m -XX:-UsePerfData "-XX:+Use${collector}GC" Work "$(quick 2000 20000)"
done
