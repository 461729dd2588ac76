# work.bash SIZE: arrays, string operations, expansions, subshells, pipes, here documents.
# shellcheck shell=bash
set -eu
size=$1

loaded=yes
if [[ -n ${PRELOAD:-} && $(</proc/self/maps) != *" $PRELOAD"* ]]; then
    loaded=no
fi
echo "loaded $loaded"

declare -A groups=()
list=()
for ((i = 0; i < size; i++)); do
    key=k$((i * 7919 % 997))
    groups[$key]+="$i,"
    list+=("item $i ${key//k/q}")
done
echo "${#groups[@]} ${#list[@]} ${groups[k1]:0:60}"
other=("${list[@]//item/thing}")
joined="${other[*]}"
echo "${#joined} $joined" | cksum
sorted=$(printf '%s\n' "${list[@]}" | LC_ALL=C sort -r | head -n 3)
echo "$sorted"

count=0
while read -r _ number rest; do
    [[ $number =~ ^[0-9]*7$ && $rest == q* ]] && count=$((count + 1))
done <<<"$(printf '%s\n' "${list[@]}")"
echo "$count"

recurse()
{
    local copy=("${list[@]:0:50}")

    if (($1 > 0)); then
        recurse $(($1 - 1))
    else
        echo "${#copy[@]}"
    fi
}
recurse 100

for ((i = 0; i < size / 100; i++)); do
    words=$(echo "$i" {a..e}{1..5})
done
echo "$words"
long=
for ((i = 0; i < size; i++)); do
    long+="<$i>"
done
echo "${#long} ${long:size:10}"
unset groups list other joined long
