#!/usr/bin/env bash
# Starts TensorFlow Serving in Docker with an exported model, sends one request of each kind by
# curl, and checks the responses. With SERVER=host:port it uses that server's REST port instead.
#
#   bash serving/smoke_test.sh exports/camvid photo.jpg
#   SERVER=localhost:8501 bash serving/smoke_test.sh exports/camvid photo.jpg
set -euo pipefail

[ $# = 2 ] || { echo "usage: smoke_test.sh EXPORT_DIR IMAGE" >&2; exit 2; }
export_dir=$(cd "$1" && pwd)
image=$(cat "$2" | base64 -w0)
config=$(cd "$(dirname "$0")" && pwd)
server=${SERVER:-localhost:8501}
model=http://$server/v1/models/dmls
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -n "${SERVER:-}" ] || docker rm -f dmls_smoke_test >"/dev/null" 2>&1 || true' EXIT

if [ -z "${SERVER:-}" ]; then
    docker run --detach --name dmls_smoke_test -p 8500:8500 -p 8501:8501 \
        --mount type=bind,source="$export_dir",target=/models/dmls,readonly \
        --mount type=bind,source="$config",target=/config,readonly \
        "${TF_SERVING_IMAGE:-tensorflow/serving}" \
        --model_config_file=/config/models.config \
        --enable_batching --batching_parameters_file=/config/batching.config \
        --monitoring_config_file=/config/monitoring.config >/dev/null
fi

for _ in $(seq 60); do
    curl -sf "$model" | grep -q AVAILABLE && break
    sleep 1
done
curl -sf "$model" | grep -q AVAILABLE || { echo "no model at $model" >&2; exit 1; }

# request STATUS BODY: posts it; the response must have that status.
request() {
    local status
    printf '%s' "$2" >"$work/body"
    status=$(curl -s -o "$work/response" -w '%{http_code}' -d "@$work/body" "$model:predict")
    [ "$status" = "$1" ] || { echo "HTTP $status instead of $1:" >&2; cat "$work/response" >&2; exit 1; }
}

# check EXPRESSION: a Python expression of the response that must hold.
check() {
    python3 - "$work/response" "$1" <<'PY'
import base64, json, struct, sys

response = json.load(open(sys.argv[1]))
rows = response.get("predictions")

def size(file):  # (height, width) of a PNG
    return struct.unpack(">II", base64.b64decode(file["b64"])[16:24])[::-1]

if not eval(sys.argv[2]):
    sys.exit(f"{sys.argv[2]} does not hold: {str(response)[:300]}")
PY
}

echo "serving_default: a mask of the image's own size"
request 200 "{\"instances\": [{\"b64\": \"$image\"}]}"
check 'size(rows[0]["mask_png_bytes"]) == (rows[0]["height"], rows[0]["width"])'
check '0 < rows[0]["confidence"][0][0] <= 1 and isinstance(rows[0]["labels"][0][0], int)'

echo "masks: a mask of the good image, an error for the bad one"
bad=$(printf 'no image' | base64 -w0)
request 200 "{\"signature_name\": \"masks\", \"instances\": [{\"image_bytes\": {\"b64\": \"$image\"}}, {\"image_bytes\": {\"b64\": \"$bad\"}}]}"
check 'rows[0]["error"] == "" and size(rows[0]["confidence_png_bytes"])[0] == rows[0]["height"]'
check 'rows[1]["error"] == "not a readable JPEG or PNG image" and rows[1]["height"] == 0'

echo "overlay: a picture"
request 200 "{\"signature_name\": \"overlay\", \"instances\": [{\"b64\": \"$image\"}]}"
check 'size(rows[0]["overlay_png_bytes"]) == (rows[0]["height"], rows[0]["width"])'

echo "tensors: pixels"
pixels=$(python3 -c "import json; print(json.dumps([[[9, 99, 199]] * 64] * 64))")
request 200 "{\"signature_name\": \"tensors\", \"instances\": [$pixels]}"
check 'len(rows[0]["labels"]) == 64 and len(rows[0]["logits"][0]) == 64'

echo "about: the classes"
request 200 '{"signature_name": "about", "instances": ["classes", "palette"]}'
check 'len(json.loads(rows[0]["json"])) == len(json.loads(rows[1]["json"]))'

echo "faulty requests: 400, with a clear message"
request 400 "{\"instances\": [{\"b64\": \"$bad\"}]}"
check '"image_bytes[0]: not a readable JPEG or PNG image" in response["error"]'
request 400 '{"instances": [{"b64": ""}]}'
check '"image_bytes[0]: an empty file" in response["error"]'
request 400 '{"instances": [{"b64": "%%%"}]}'
request 400 '{"instances": ['

echo "all as expected"
