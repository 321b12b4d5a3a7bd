#!/usr/bin/env bash
# Set-up and all tests. Needs Python 3.10 or later as $PYTHON (default python3); the peer tests
# of TensorFlow Addons run where a Python 3.9 to 3.11 is found, and skip elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    -e ".[test,viz,video,serving,formats]"
# Apart, since pip takes minutes to find versions for all of it at once.
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[beam]"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
    -r requirements/cityscapes.txt
# pydensecrf2 is compiled: its test skips where there is no compiler.
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[crf]" || true

for python in "${PYTHON:-python3}" python3.11 python3.10 python3.9; do
    [ -x .venv-addons/bin/python ] && break
    "$python" -c 'import sys; exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null || continue
    "$python" -m venv .venv-addons
    .venv-addons/bin/python -m pip install --quiet --disable-pip-version-check \
        -r requirements/addons.txt || rm -rf .venv-addons
done

.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet .
.venv/bin/mypy
# A file stays in one process, whose fixtures its tests share. Some tests wait for processes of
# their own: two processes more than there are cores keep the cores busy.
exec .venv/bin/python -m pytest --numprocesses="$(($(nproc) + 2))" --maxprocesses=5 \
    --dist=loadfile --no-loadscope-reorder "$@"
