#!/bin/sh
# Gets YuNet's weights (Apache-2.0, https://github.com/ShiqiYu/libfacedetection.train) for `rmfer predict --detector`, and
# checks that they are the file this program was tested with.
#   scripts/get_detector.sh [FILE]        (default: yunet.onnx)
# Setting by environment: DETECTOR_URL, another place that has the same file.
set -eu
file=${1:-yunet.onnx}
url=${DETECTOR_URL:-https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/master/onnx/yunet_n_640_640.onnx}
known=25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31

fail() {
    echo "get_detector.sh: $1" >&2
    exit 1
}
checksum() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}
if [ -e "$file" ]; then
    [ "$(checksum "$file")" = "$known" ] || fail "$file is there and is another file: remove it or name another"
    echo "$file is there already"
    exit 0
fi
part=$(mktemp "$file.XXXXXX") || fail "$file cannot be written"
trap 'rm -f "$part"' EXIT INT TERM
if command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 3 -o "$part" "$url" || fail "$url could not be loaded"
elif command -v wget >/dev/null 2>&1; then
    wget -q -O "$part" "$url" || fail "$url could not be loaded"
else
    fail "neither curl nor wget is there (Debian/Ubuntu: curl)"
fi
[ "$(checksum "$part")" = "$known" ] || fail "$url gave another file than expected"
chmod 644 "$part"
mv "$part" "$file"
trap - EXIT
echo "$file: YuNet, Apache-2.0"
