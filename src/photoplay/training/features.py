"""Our own eye for shapes: a tiny network that names the parts of a face, trained here in minutes, no weights from elsewhere.

Its inner activations make the perceptual term, its maps of lids, eyes, lips, teeth the landmark term.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from photoplay.errors import InputError
from photoplay.generation.backends.pocket.conditioning import LABELS
from photoplay.training.batches import Library, place
from photoplay.types import Label

Pictures = Float[Tensor, "n 3 p p"]
_WIDTHS = (16, 32, 64)
_SHAPES = (Label.LID, Label.EYE, Label.LASH, Label.LIP, Label.MOUTH, Label.TEETH, Label.TONGUE)


class FeatureNet(nn.Module):
    """Pictures in -1..1 -> activations at 1/1, 1/2 and 1/4, and logits of every label at 1/2."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = _WIDTHS
        self.first = nn.Conv2d(3, a, 3, padding=1)
        self.second = nn.Sequential(nn.Conv2d(4 * a, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1))
        self.third = nn.Sequential(
            nn.Conv2d(4 * b, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, c, 3, padding=2, dilation=2), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=4, dilation=4),
        )  # fmt: skip
        self.up = nn.Conv2d(c, 4 * b, 1)
        self.out = nn.Conv2d(2 * b, LABELS, 3, padding=1)

    def forward(self, pictures: Pictures) -> tuple[list[Tensor], Float[Tensor, "n l q q"]]:
        first = F.relu(self.first(pictures))
        second = F.relu(self.second(F.pixel_unshuffle(first, 2)))
        third = F.relu(self.third(F.pixel_unshuffle(second, 2)))
        logits = self.out(torch.cat([second, F.pixel_shuffle(self.up(third), 2)], 1))
        return [first, second, third], logits


def shape_distance(net: FeatureNet, made: Pictures, true: Pictures) -> tuple[Tensor, Tensor]:
    """How far made pictures are from true ones: (features, shapes).

    features: mean over levels of the absolute difference of activations, each level in units of its own mean (a perceptual
    loss as in Johnson et al. 2016, https://arxiv.org/abs/1603.08155, with a network of our own). shapes: cross-entropy of
    the made picture's lid, eye, lip, mouth, teeth and tongue maps against the true picture's, less its own entropy.
    """
    levels, logits = net(made)
    with torch.no_grad():
        true_levels, true_logits = net(true)
        wanted = true_logits.float().softmax(1)
    features = torch.stack(
        [
            (a.float() - b.float()).abs().mean() / b.float().mean().clamp_min(1e-3)
            for a, b in zip(levels, true_levels, strict=True)
        ]
    )
    surplus = wanted * (wanted.clamp_min(1e-6).log() - logits.float().log_softmax(1))
    return features.mean(), surplus[:, list(_SHAPES)].sum(1).clamp_min(0).mean()


def train_features(
    library: Library, steps: int, batch: int, patch: int, seed: int, tell: Callable[[int, float], None]
) -> FeatureNet:
    """Trains a :class:`FeatureNet` on single true frames and their labels; ``tell`` hears step and loss.

    Rare labels count more: each by the inverse square root of its share, measured over the run.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = FeatureNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps + 1)
    counts = torch.ones(LABELS)
    for step in range(steps):
        pictures, labels = _labelled(library, batch, patch, rng)
        counts += torch.bincount(labels.flatten(), minlength=LABELS)
        weight = (counts.sum() / counts).sqrt()
        loss = F.cross_entropy(net(pictures)[1], labels, weight / weight.mean())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        tell(step, float(loss.detach()))
    return frozen(net)


def frozen(net: FeatureNet) -> FeatureNet:
    """The network with weights that no training changes."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    return net.eval()


def save_features(net: FeatureNet, path: Path) -> None:
    """Writes the pyramid as safetensors."""
    save_file(net.state_dict(), path)


def load_features(path: Path) -> FeatureNet:
    """Reads what :func:`save_features` wrote.

    Raises:
        InputError: ``features_unreadable``.
    """
    net = FeatureNet()
    try:
        net.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError("features_unreadable", "The feature pyramid cannot be read.", "Train it again.") from error
    return frozen(net)


def _labelled(
    library: Library, batch: int, patch: int, rng: np.random.Generator
) -> tuple[Pictures, Int64[Tensor, "n q q"]]:
    """Random patches of true frames, and every second pixel's label."""
    pictures, labels = [], []
    for _ in range(batch):
        example = library.get(library.paths[rng.integers(len(library.paths))])
        frame, size = int(rng.integers(example.window.num_frames)), min(patch, example.window.size)
        left, top = (int(corner) for corner in rng.integers(0, example.window.size - size + 1, 2))
        part = place(example, slice(frame, frame + 1), left, top, size)
        shown = np.where(part.window.labels[0] == Label.ARM, np.uint8(Label.BODY), part.window.labels[0])
        pictures.append(part.target[0].transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)
        labels.append(shown[::2, ::2].astype(np.int64))
    return torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(labels))
