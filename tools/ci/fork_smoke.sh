#!/usr/bin/env bash
# Run on the maintained fork of the stack, in an environment of its own (.venv-fork).
set -euo pipefail
cd "$(dirname "$0")/../.."

STAMP=.venv-fork/.installed
if [ ! -e "$STAMP" ] || [ constraints-fork.txt -nt "$STAMP" ]; then
    bash tools/ci/make_venv.sh .venv-fork -r constraints-fork.txt
    touch "$STAMP"
fi
export PYTHONPATH=$PWD OMP_NUM_THREADS=1
.venv-fork/bin/python tools/ci/smoke.py
.venv-fork/bin/python -m pytest -q tests/test_stack.py tests/test_compat.py
