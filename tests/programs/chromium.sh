# Chromium: a page with scripts, its DOM and a screenshot.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need chromium $python

browse()
{
    under chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --log-level=3 --user-data-dir="$PWD/profile" --window-size=640,480 "$@" \
        "file://$inputs/page.html"
}

browse --dump-dom | grep -o '<title>.*</title>'
browse --screenshot="$PWD/page.png" >&2
$python -c 'import struct
data = open("page.png", "rb").read()
print(data[:8], struct.unpack(">II", data[16:24]), data[-8:-4])'
