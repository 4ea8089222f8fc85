"""The recipe of a training run, read from a YAML file. A misspelt key is an error, never a silent default."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from photoplay.errors import InputError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Strict):
    """What a batch is cut from. Shares are probabilities; sizes are pixels and frames.

    ``batch`` patches of ``patch`` x ``patch`` are cut around the mouth, around an eye, or anywhere; a share ``whole`` of the
    batches shows whole crops instead (as many as have the same number of pixels). ``previous``: how often the first frames
    are handed in as already made, with ``previous_noise`` (of the range -1..1) on them, because a film's are not the truth.
    ``memory_gb`` bounds what is kept decoded; ``workers`` threads cut batches beside the training.
    """

    folder: Path = Path("data/pocket")
    patch: Annotated[int, Field(ge=16, multiple_of=16)] = 96
    frames: Annotated[int, Field(ge=1)] = 8
    batch: Annotated[int, Field(ge=1)] = 8
    mouth: Share = 0.40
    eyes: Share = 0.35
    whole: Share = 0.04
    previous: Share = 0.5
    previous_noise: Annotated[float, Field(ge=0.0)] = 0.02
    drop_reference: Share = 0.1
    drop_guide: Share = 0.1
    augment: bool = True
    refresh_steps: Annotated[int, Field(ge=1)] = 100
    memory_gb: Positive = 8.0
    workers: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _centres(self) -> DataConfig:
        if self.mouth + self.eyes > 1:
            raise ValueError("mouth + eyes is more than 1")
        return self


class SigmaConfig(_Strict):
    """How noise levels are drawn: a share ``pure`` at sigma 1 (where every film starts), the rest ``uniform`` in 0..1 or
    ``logit_normal`` with that ``mean`` and ``spread`` (Esser et al. 2024, https://arxiv.org/abs/2403.03206)."""

    pure: Share = 0.2
    rest: Literal["uniform", "logit_normal"] = "logit_normal"
    mean: float = 0.4
    spread: Positive = 1.2


class LossConfig(_Strict):
    """Weights of the objective's terms; see :mod:`photoplay.training.objective`. 0 leaves a term out."""

    floor: Positive = 0.35
    kind: Literal["huber", "squared"] = "huber"
    huber: Positive = 0.1
    gradient: Annotated[float, Field(ge=0.0)] = 0.5
    temporal: Annotated[float, Field(ge=0.0)] = 0.5
    features: Annotated[float, Field(ge=0.0)] = 0.0
    shapes: Annotated[float, Field(ge=0.0)] = 0.0
    region: Annotated[float, Field(ge=1.0)] = 4.0
    known: Share = 0.25


class OptimConfig(_Strict):
    """AdamW, a warm-up over ``warmup_steps``, then a cosine from ``lr`` down to ``lr * final``."""

    lr: Positive = 6e-4
    final: Share = 0.02
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    betas: tuple[Share, Share] = (0.9, 0.98)
    clip: Positive = 1.0
    ema: Share = 0.998


class Recipe(_Strict):
    """One training run. It ends at ``minutes`` of training (over all resumes) or at ``max_steps``, whichever is first.

    ``network`` is a named network or its own fields. ``device`` and ``dtype`` ``auto`` take a GPU where there is one and
    bfloat16 where it is faster. ``weights`` is a weights file to start from (its network counts, not ``network``), such as
    the packaged one. ``features`` is the file of a trained feature pyramid, wanted where the loss uses it.
    """

    network: str | dict[str, Any] = "small"
    data: DataConfig = DataConfig()
    sigma: SigmaConfig = SigmaConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    weights: Path | None = None
    features: Path | None = None
    seed: int = 0
    minutes: Positive = 60.0
    max_steps: Annotated[int, Field(ge=1)] = 1_000_000
    checkpoint_minutes: Positive = 5.0
    grid_minutes: Positive = 5.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False

    @model_validator(mode="after")
    def _features(self) -> Recipe:
        if (self.loss.features or self.loss.shapes) and self.features is None:
            raise ValueError("loss.features and loss.shapes need a file of features")
        return self


def read_recipe(text: str) -> Recipe:
    """A recipe from YAML text.

    Raises:
        InputError: ``recipe_invalid``: not YAML, an unknown key, or a value out of range.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise InputError(
            "recipe_invalid", "The recipe is not YAML.", "Compare it with the ones in the docs."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the recipe"
        raise InputError("recipe_invalid", f"The recipe is wrong at {where}.", f"{first['msg']}.") from error


def load_recipe(name: str) -> Recipe:
    """A recipe file, or one that ships with photoplay by its name (``cpu``, ``gpu`` …).

    Raises:
        InputError: ``recipe_missing`` or ``recipe_invalid``.
    """
    shipped = resources.files("photoplay.training") / "configs" / f"{name}.yaml"
    try:
        text = shipped.read_text() if "/" not in name and shipped.is_file() else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("recipe_missing", "That recipe cannot be read.", "Name a YAML file, or cpu or gpu.") from error
    return read_recipe(text)
