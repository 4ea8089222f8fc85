#!/bin/sh
# Renews the locked, hashed requirement files from pyproject.toml (needs `uv` on the PATH).
set -eu
cd "$(dirname "$0")/.."
compile() {
  uv pip compile "$@" --generate-hashes --universal --python-version 3.11 --no-annotate --no-header --quiet
}
main="pyproject.toml requirements/extra.in --extra heic --extra demo --extra nudenet --extra service --override requirements/overrides.txt"
train="pyproject.toml --extra train --extra gpu --override requirements/overrides.txt"
compile $main --output-file requirements/run.txt
compile $main --extra train --extra gpu --group dev --constraint requirements/run.txt --override requirements/without-torch.txt \
  --output-file requirements/dev.txt
# accelerate asks for torch as well, so what torch itself needs is read from a second look without the override.
compile $train --constraint requirements/dev.txt --output-file requirements/torch.txt
# What the image of a GPU worker needs beyond run.txt and torch.txt.
compile pyproject.toml --extra gpu --override requirements/overrides.txt --override requirements/without-torch.txt \
  --constraint requirements/dev.txt --output-file requirements/gpu.txt
python3 - <<'PYTHON'
import re
from pathlib import Path

dev, path = Path("requirements/dev.txt"), Path("requirements/torch.txt")
blocks = re.findall(r"^\S.*(?:\n .*)*", path.read_text(), flags=re.M)
names = set(re.findall(r"^([\w.-]+)==", dev.read_text(), flags=re.M))
path.write_text("\n".join(b for b in blocks if b.split("==")[0] not in names) + "\n")

gpu = Path("requirements/gpu.txt")
there = set(re.findall(r"^([\w.-]+)==", Path("requirements/run.txt").read_text() + path.read_text(), flags=re.M))
blocks = re.findall(r"^\S.*(?:\n .*)*", gpu.read_text(), flags=re.M)
gpu.write_text("\n".join(b for b in blocks if b.split("==")[0] not in there) + "\n")
PYTHON

folder=$(mktemp -d)
python3 -m pip download --quiet --no-deps --dest "$folder" torch==2.13.0
for wheel in "$folder"/*+cpu*.whl; do
  [ -e "$wheel" ] || continue
  printf 'torch==2.13.0+cpu --hash=sha256:%s\n' "$(sha256sum "$wheel" | cut -d ' ' -f 1)" > requirements/torch-cpu.txt
  python3 - <<'PYTHON'
import re
from pathlib import Path

blocks = re.findall(r"^\S.*(?:\n .*)*", Path("requirements/torch.txt").read_text(), flags=re.M)
with Path("requirements/torch-cpu.txt").open("a") as cpu:
    cpu.writelines(b + "\n" for b in blocks if not re.match(r"torch==|torchvision==|cuda-|nvidia-|triton", b))
PYTHON
done
rm -r "$folder"
