# FFmpeg: video and sound made, filtered, encoded and decoded by several threads; every frame's hash.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need ffmpeg

convert() { under ffmpeg -v error -nostdin -filter_complex_threads 4 "$@"; }

exact=(-threads 4 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact)
convert -f lavfi -i "testsrc2=size=640x360:rate=25:duration=$(quick 1 5)" \
    -f lavfi -i "sine=frequency=440:beep_factor=4:duration=$(quick 1 5)" \
    -filter_complex '[0]split[a][b];[a]hue=s=0,boxblur=4[c];[b]scale=320:180[d];[c][d]overlay=20:20' \
    "${exact[@]}" -c:v libx264 -preset medium -c:a aac work.mkv
for codec in ffv1 mpeg2video libvpx; do
    convert -i work.mkv "${exact[@]}" -c:v "$codec" -cpu-used 4 -c:a flac "$codec.mkv"
    convert -threads 4 -i "$codec.mkv" -map 0 "${exact[@]}" -f framehash - | sha256sum
done
convert -i work.mkv -vf 'fps=2,palettegen' palette.png
convert -i work.mkv -i palette.png -lavfi 'fps=5[x];[x][1:v]paletteuse' "${exact[@]}" work.gif
sum_of work.mkv work.gif
