#!/usr/bin/env bash
# Builds both native modules with AddressSanitizer and UndefinedBehaviorSanitizer, apart from the usual build, and runs
# their property tests and damaged arrays under them; or the fuzz target, with its options.
#   tools/sanitize.sh [VENV]
#   tools/sanitize.sh VENV fuzz --seconds 300
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(realpath "${1:-.venv}")
build=$PWD/build/sanitize
tree=$build/tree

PATH=$venv/bin:$PATH cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DLSR_SANITIZE=ON \
    -DPython_EXECUTABLE="$venv/bin/python" -Dnanobind_DIR="$("$venv/bin/python" -m nanobind --cmake_dir)" >/dev/null
PATH=$venv/bin:$PATH ninja -C "$build" indexer_native encoder_native >/dev/null

# A tree of links in the shape of the installed package, with the instrumented modules in place of the usual ones.
rm -rf "$tree"
mkdir -p "$tree/lsr/indexer"
for entry in lsr/*; do ln -s "$PWD/$entry" "$tree/lsr/"; done
for folder in data eval server; do ln -s "$PWD/$folder" "$tree/lsr/$folder"; done
for file in indexer/*.py; do ln -s "$PWD/$file" "$tree/lsr/indexer/"; done
cp "$build"/indexer/native/_native*.so "$tree/lsr/indexer/"
rm -f "$tree"/lsr/_native*.so
cp "$build"/lsr/native/_native*.so "$tree/lsr/"

# numpy and the tests come from the virtual environment; site hooks that would bring the usual build are left out (-S).
packages=$("$venv/bin/python" -c 'import os, sysconfig, numpy, pytest
folders = {os.path.dirname(os.path.dirname(module.__file__)) for module in (numpy, pytest)}
print(":".join(sorted(folders | {sysconfig.get_path("purelib")})))')
export PYTHONPATH=$tree:$packages ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONDONTWRITEBYTECODE=1
export LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)"
if [ "${2:-}" = fuzz ]; then exec "$venv/bin/python" -S tools/fuzz.py "${@:3}"; fi
tests=$PWD/tests
cd "$tree"
exec "$venv/bin/python" -S -m pytest -c "$OLDPWD/pyproject.toml" --rootdir "$OLDPWD" -p no:cacheprovider -x -q \
    "$tests/indexer/test_kernels.py" "$tests/indexer/test_scan.py" "$tests/indexer/test_hostile.py" \
    "$tests/indexer/test_check_lists.py" "$tests/indexer/test_reorder.py" \
    "$tests/lsr/test_native_head.py" "$tests/lsr/test_native_body.py"
