#!/usr/bin/env bash
# Set-up and the whole job on synthetic scenes: convert, train, evaluate, predict, export.
# Needs Python 3.10 or later as $PYTHON (default python3); writes .venv, records/ and runs/ only.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[viz,serving]"
python=.venv/bin/python
records=records/synthetic
run=runs/synthetic

$python data_prep/synthetic_to_tfrecord.py --output_dir=$records \
    --num_images=240,40 --save_images --overwrite
$python scripts/train.py --flagfile=configs/synthetic.flags \
    --records_dir=$records --work_dir=$run --overwrite
$python scripts/evaluate.py --model=$run/model.keras --records_dir=$records --split=val \
    --output_dir=$run/val --report
$python scripts/predict.py --model=$run/model.keras --images=$records/png/val \
    --output_dir=$run/predictions
rm -rf runs/synthetic_serving
$python scripts/export.py --model=$run/model.keras --export_dir=runs/synthetic_serving

echo
echo "Overlays: $run/predictions/*_overlay.png   legend: $run/predictions/legend.png"
echo "Report: $run/val/report.html"
ls $run/predictions/*_overlay.png | head -n 4
$python - $run/val/metrics.json <<'PY'
import json, sys
metrics = json.load(open(sys.argv[1]))
print(f"Score: {100 * metrics['mean_iou']:.1f} % mean IoU, "
      f"{100 * metrics['pixel_accuracy']:.1f} % pixel accuracy on the validation scenes")
PY
