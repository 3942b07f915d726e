#!/usr/bin/env bash
# Make a virtual environment and install into it; one that is there is kept and brought up to date.
# Usage: [PYTHON=python3.12] [PIP_ARGS='...'] bash tools/ci/make_venv.sh FOLDER PIP_INSTALL_ARGUMENTS
set -euo pipefail

if [ "$#" -lt 2 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
FOLDER=$1
shift

is_usable() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if ! "$FOLDER/bin/python" -c 'import pip' >/dev/null 2>&1; then
    for candidate in ${PYTHON:-python3.11 python3}; do
        if is_usable "$candidate"; then
            chosen=$candidate
            break
        fi
    done
    if [ -z "${chosen:-}" ]; then
        echo "error: the pinned packages need Python >= 3.11 with the modules venv and ensurepip, none of" \
            "'${PYTHON:-python3.11 python3}' is one: install Python 3.11 (on Debian and Ubuntu also the" \
            'package python3.11-venv), or name another one by PYTHON=...' >&2
        exit 1
    fi
    "$chosen" -m venv --clear "$FOLDER"
fi
echo "Installing into $FOLDER (the first time takes minutes and downloads PyTorch)"
# shellcheck disable=SC2086 # PIP_ARGS holds several words
"$FOLDER/bin/python" -m pip install -qq --disable-pip-version-check ${PIP_ARGS:-} "$@"
