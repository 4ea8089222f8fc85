"""The model files that come inside installed packages: where they are and whether they are the right ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from photoplay.errors import UnavailableError


@dataclass(frozen=True)
class Weight:
    """A model file inside an installed package, its digest, source and licence."""

    package: str
    file: str
    sha256: str
    source: str
    licence: str


WEIGHTS: dict[str, Weight] = {
    "face_identity": Weight(
        package="face_recognition_models",
        file="models/dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        source="github.com/davisking/dlib-models, packaged by face-recognition-models 0.3.0",
        licence="CC0-1.0",
    ),
    "pocket": Weight(
        package="photoplay",
        file="generation/backends/pocket/weights/pocket.safetensors",
        sha256="29b2a53981707041af83523d18bb99b3801b541364082fdb40fcff77ec84b493",
        source="trained by photoplay.training, see MODEL_CARD.md beside it",
        licence="Apache-2.0",
    ),
    "pocket_read": Weight(
        package="photoplay",
        file="generation/backends/pocket/weights/pocket.read.xml",
        sha256="fbe069334300653674d21189198db6fc54d2c70d6ed4ce584f66f65f8a66f46f",
        source="trained by photoplay.training, see MODEL_CARD.md beside it",
        licence="Apache-2.0",
    ),
    "pocket_denoise": Weight(
        package="photoplay",
        file="generation/backends/pocket/weights/pocket.denoise.xml",
        sha256="2687c92b64ffe8f6c6ae3c2363b3df5d424e9cd2ab02985050a4931c8241e60a",
        source="trained by photoplay.training, see MODEL_CARD.md beside it",
        licence="Apache-2.0",
    ),
    "visemes": Weight(
        package="photoplay",
        file="motion/speech/weights/visemes.safetensors",
        sha256="a31a4d32a6a1fdddd9d23189b74cae19a77ded608b9ac486879fd413c54704dd",
        source="trained by photoplay.training, see MODEL_CARD.md beside it",
        licence="Apache-2.0",
    ),
}


@cache
def find(name: str) -> Path:
    """The checked file of a known weight; each is hashed once per process.

    Raises :class:`UnavailableError`: ``weight_missing`` where the package or file is not there, ``weight_altered`` where
    its SHA-256 is not the recorded one. ``KeyError`` for a name that is not in :data:`WEIGHTS`.
    """
    weight = WEIGHTS[name]
    spec = find_spec(weight.package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    paths = [path for folder in folders if (path := Path(folder) / weight.file).is_file()]
    if not paths:
        raise UnavailableError(
            "weight_missing",
            f"The model file for '{name}' is not installed.",
            f"Install the package {weight.package.replace('_', '-')}.",
        )
    with paths[0].open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != weight.sha256:
        raise UnavailableError(
            "weight_altered",
            f"The model file for '{name}' is not the one this version was made for.",
            f"Reinstall the package {weight.package.replace('_', '-')}.",
        )
    return paths[0]
