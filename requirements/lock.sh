#!/bin/sh
# Renews the locked, hashed requirement files from pyproject.toml (needs `uv` on the PATH).
set -eu
cd "$(dirname "$0")/.."
compile() {
  uv pip compile pyproject.toml requirements/extra.in --extra heic --extra demo "$@" \
    --override requirements/overrides.txt --generate-hashes --universal --python-version 3.11 \
    --no-annotate --no-header --quiet
}
compile --output-file requirements/run.txt
compile --group dev --constraint requirements/run.txt --output-file requirements/dev.txt
