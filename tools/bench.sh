#!/usr/bin/env bash
# Measure against the peers, in an environment of their own: make bench [SUITES="engine quality"]
# Reports are written to bench/results/. LSR_COLLECTIONS names the folder with the test collections.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-bench
done_file=$venv/.installed
if [ ! -f "$done_file" ] || [ -n "$(find pyproject.toml CMakeLists.txt constraints.txt bench/requirements.txt \
    lsr/native indexer/native -newer "$done_file" -type f -print -quit)" ]; then
    [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
    # shellcheck disable=SC2086 - PIP_ARGS holds several words
    "$venv/bin/python" -m pip install --disable-pip-version-check -q -c constraints.txt ${PIP_ARGS:-} \
        -r requirements-build.txt -r bench/requirements.txt
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --disable-pip-version-check -q -c constraints.txt ${PIP_ARGS:-} \
        --no-build-isolation -e .
    touch "$done_file"
fi
export NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1  # one thread for everyone
# shellcheck disable=SC2086 - one word a suite
exec "$venv/bin/python" bench/run.py ${SUITES:-}
