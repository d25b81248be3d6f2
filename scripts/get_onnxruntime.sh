# Read in by the scripts that compare with ONNX Runtime, which have made the folder $room: sees to node and sets
# ORT_HOME, the folder with onnxruntime-node; where it is not set, npm installs ORT_VERSION into $room.
command -v node >/dev/null || { echo "node is not there (Debian/Ubuntu: nodejs npm)" >&2; exit 1; }
if [ -z "${ORT_HOME:-}" ]; then
    echo "installing onnxruntime-node ${ORT_VERSION:=1.30.0} into $room" >&2
    npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$room" "onnxruntime-node@$ORT_VERSION" >&2
    ORT_HOME=$room
fi
export ORT_HOME
