"""The pocket network: a small U-Net on pixels that looks along time and at the photo.

Everything it does in space is convolution or attention to the photo's own tokens, and it normalises each pixel by itself;
so it can be trained on patches of a crop and run on the whole crop. Inside, activations are [b, f, h, w, c].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from photoplay.generation.backends.pocket.config import LEVELS, PocketConfig

Video = Float[Tensor, "b f _ _ _"]  # height, width, channels
PLACE_OCTAVES = 4
PLACE_FEATURES = 3 * 2 * PLACE_OCTAVES
PLACE_GAIN = 2.0
"""Makes a photo token of the same place on the face about e^8 times as heavy as one elsewhere, before any training."""


@dataclass(frozen=True)
class Given:
    """What stays the same over all denoising steps of a window: ``features`` [b, f, s/2, s/2, c] of its planes, and
    ``places`` [b, f, h w, p] of its pixels on the face at the last two levels."""

    features: Video
    places: tuple[Float[Tensor, "b f _ _"], ...]


@dataclass(frozen=True)
class Tokens:
    """The photo as the network sees it at the last two levels: ``values`` [b, n, c], their ``places`` [b, n, p] on the
    face, and the ``appearance`` [b, e] of it all."""

    values: tuple[Float[Tensor, "b _ _"], ...]
    places: tuple[Float[Tensor, "b _ _"], ...]
    appearance: Float[Tensor, "b e"]


class PocketNet(nn.Module):
    """Predicts clean latents. Untrained it predicts 0: the anchor as it is."""

    def __init__(self, config: PocketConfig) -> None:
        super().__init__()
        self.config = config
        widths, emb = config.channels, config.embedding
        told = len(config.cond_planes) + len(config.previous_planes)
        self.embed_given = _Conv(4 * told, widths[0])
        self.embed_latents = _Conv(4 * 3, widths[0])
        self.embed_sigma = nn.Sequential(nn.Linear(emb, emb), nn.SiLU(), nn.Linear(emb, emb))
        self.reference = _ReferenceEncoder(config)
        self.encoder = nn.ModuleList(_Level(config, level) for level in range(LEVELS))
        self.downs = nn.ModuleList(_Down(wide, narrow) for wide, narrow in pairwise(widths))
        self.ups = nn.ModuleList(_Up(narrow, wide) for wide, narrow in pairwise(widths))
        self.skips = nn.ModuleList(nn.Linear(width, width) for width in widths[:-1])
        self.decoder = nn.ModuleList(_Level(config, level) for level in range(LEVELS - 1))
        self.out_norm = nn.LayerNorm(widths[0])
        self.out = _Conv(widths[0], 4 * 3)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def encode(self, reference: Float[Tensor, "b r s s"]) -> Tokens:
        """Reads the photo's own crop, planes as in ``config.reference_planes``: once a film."""
        tokens: Tokens = self.reference(reference.to(self._dtype))
        return tokens

    def prepare(self, cond: Float[Tensor, "b c f s s"], previous: Float[Tensor, "b p f s s"]) -> Given:
        """Reads the planes of a window: once for all its denoising steps."""
        told = torch.cat([cond, previous], 1).to(self._dtype)
        names, frames = self.config.cond_planes, cond.transpose(1, 2)
        face = _face(frames.flatten(0, 1), names)
        places = (_places(face, 2**level) for level in (LEVELS - 1, LEVELS))
        shaped = (place.to(self._dtype).view(*frames.shape[:2], -1, PLACE_FEATURES) for place in places)
        return Given(self.embed_given(_unshuffle(told)), tuple(shaped))

    def denoise(
        self, latents: Float[Tensor, "b 3 f s s"], sigma: Float[Tensor, " b"], given: Given, tokens: Tokens
    ) -> Float[Tensor, "b 3 f s s"]:
        """One call of the network: the clean latents that ``latents`` with noise level ``sigma`` most likely come from."""
        told = self.embed_sigma(_waves(sigma, self.config.embedding).to(self._dtype)) + tokens.appearance
        x = self.embed_latents(_unshuffle(latents.to(self._dtype))) + given.features
        kept = []
        for level, encode in enumerate(self.encoder):
            x = encode(x, told, given, tokens)
            if level < LEVELS - 1:
                kept.append(x)
                x = self.downs[level](x)
        for level in reversed(range(LEVELS - 1)):
            x = self.ups[level](x) + self.skips[level](kept.pop())
            x = self.decoder[level](x, told, given, tokens)
        return _shuffle(self.out(F.silu(self.out_norm(x)))).float()

    def forward(
        self,
        latents: Float[Tensor, "b 3 f s s"],
        sigma: Float[Tensor, " b"],
        cond: Float[Tensor, "b c f s s"],
        previous: Float[Tensor, "b p f s s"],
        tokens: Tokens,
    ) -> Float[Tensor, "b 3 f s s"]:
        """:meth:`prepare` and :meth:`denoise` in one, for training."""
        return self.denoise(latents, sigma, self.prepare(cond, previous), tokens)

    @property
    def _dtype(self) -> torch.dtype:
        return self.out.weight.dtype


class _Conv(nn.Conv2d):
    """A 3x3 convolution of every frame by itself."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Video) -> Video:
        images = x.flatten(0, 1).permute(0, 3, 1, 2)  # channels_last without a copy
        made = super().forward(images).permute(0, 2, 3, 1)
        return made.view(*x.shape[:4], -1)


class _TimeConv(nn.Conv2d):
    """A convolution over a pixel's frame before, its own and the one after, which at first passes its own on.

    It is a dense two-dimensional 3x1 convolution over (frame, pixel). Grouped, one- and three-dimensional ones are many
    times slower in bf16; so are shifts followed by a 1x1 convolution.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, width, (3, 1), padding=(1, 0))
        nn.init.dirac_(self.weight)
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Video) -> Video:
        series = x.flatten(2, 3).permute(0, 3, 1, 2)  # [b, c, f, h w], channels_last without a copy
        return super().forward(series).permute(0, 2, 3, 1).view_as(x)


class _Block(nn.Module):
    """A residual block: two convolutions, and between them a look at the frames before and after."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.conv1, self.conv2 = _Conv(width, width), _Conv(width, width)
        self.modulate = nn.Linear(embedding, 2 * width)
        self.neighbours = _TimeConv(width)

    def forward(self, x: Video, told: Float[Tensor, "b e"]) -> Video:
        scale, shift = self.modulate(F.silu(told))[:, None, None, None].chunk(2, -1)  # [b, 1, 1, 1, c]
        h = self.conv1(F.silu(self.norm1(x)))
        h = F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale))
        made: Tensor = x + self.conv2(self.neighbours(h))
        return made


class _Level(nn.Module):
    """The blocks of one resolution; at the last two with attention over time and to the photo behind them."""

    def __init__(self, config: PocketConfig, level: int) -> None:
        super().__init__()
        width = config.channels[level]
        self.blocks = nn.ModuleList(_Block(width, config.embedding) for _ in range(config.blocks[level]))
        self.coarse = level - (LEVELS - 2)  # 0 and 1 at the last two levels
        if self.coarse >= 0:
            self.photo = _PhotoAttention(width, config.reference_channels[level], config.head_channels)
            self.time = _TimeAttention(width, config.head_channels)

    def forward(self, x: Video, told: Float[Tensor, "b e"], given: Given, tokens: Tokens) -> Video:
        for number, block in enumerate(self.blocks):
            x = block(x, told)
            if number == 0 and self.coarse >= 0:
                x = self.photo(x, given.places[self.coarse], tokens.values[self.coarse], tokens.places[self.coarse])
                x = self.time(x)
        return x


class _PhotoAttention(nn.Module):
    """Every pixel asks the photo's tokens: by what it shows, and by where on the face it is.

    Queries and keys get the same projection of their places, so that before any training a pixel finds its own place.
    """

    def __init__(self, width: int, token_width: int, head: int) -> None:
        super().__init__()
        self.head = head
        self.norm = nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(token_width, 2 * width)
        self.place = nn.Linear(PLACE_FEATURES, width, bias=False)
        nn.init.normal_(self.place.weight, std=PLACE_GAIN / sqrt(PLACE_FEATURES))

    def forward(
        self,
        x: Video,
        places: Float[Tensor, "b f m p"],
        values: Float[Tensor, "b n d"],
        value_places: Float[Tensor, "b n p"],
    ) -> Video:
        asked = self.query(self.norm(x)) + self.place(places).view_as(x)
        key, value = self.key_value(values).chunk(2, -1)
        key = key + self.place(value_places)
        found = _attend(asked.flatten(1, 3), key, value, self.head)
        told: Tensor = self.out(found)
        return x + told.view_as(x)


class _TimeAttention(nn.Module):
    """Every pixel looks at itself in the window's other frames, the nearer the more: -slope |i - j| is added to the logits,
    which carries over to windows longer than those of the training (ALiBi; Press et al. 2022)."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.head = head
        self.norm = nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        heads = width // head
        self.slopes: Tensor
        self.register_buffer("slopes", 2.0 ** -torch.linspace(0, 6, heads), persistent=False)

    def forward(self, x: Video) -> Video:
        b, f, h, w, c = x.shape
        series = self.norm(x).permute(0, 2, 3, 1, 4).reshape(b * h * w, f, c)
        query, key, value = self.query_key_value(series).chunk(3, -1)
        frames = torch.arange(f, device=x.device)
        distance = (frames[:, None] - frames[None]).abs().to(query.dtype)  # [f, f]
        nearness = -self.slopes.to(query.dtype)[:, None, None] * distance
        seen: Tensor = self.out(_attend(query, key, value, self.head, nearness[None]))
        return x + seen.view(b, h, w, f, c).permute(0, 3, 1, 2, 4)


class _ReferenceEncoder(nn.Module):
    """The photo's crop -> tokens at the last two levels: plain residual convolutions."""

    def __init__(self, config: PocketConfig) -> None:
        super().__init__()
        self.names = config.reference_planes
        widths = config.reference_channels
        self.embed = _Conv(4 * len(self.names), widths[0])
        self.downs = nn.ModuleList(_Down(wide, narrow) for wide, narrow in pairwise(widths))
        self.blocks = nn.ModuleList(_PlainBlock(width) for width in widths)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[-2:])
        self.appearance = nn.Linear(widths[-1], config.embedding)

    def forward(self, reference: Float[Tensor, "b r s s"]) -> Tokens:
        x = self.embed(_unshuffle(reference[:, :, None]))
        levels = []
        for level, block in enumerate(self.blocks):
            x = block(self.downs[level - 1](x) if level else x)
            levels.append(x)
        values = tuple(norm(x.flatten(1, 3)) for norm, x in zip(self.norms, levels[-2:], strict=True))
        face = _face(reference, self.names)
        places = tuple(_places(face, 2**level).to(reference.dtype) for level in (LEVELS - 1, LEVELS))
        return Tokens(values, places, self.appearance(values[-1].mean(1)))


class _PlainBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.conv1, self.conv2 = _Conv(width, width), _Conv(width, width)

    def forward(self, x: Video) -> Video:
        seen: Tensor = x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return seen


class _Down(nn.Linear):
    """Half the resolution: 2x2 pixels become channels, then a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(4 * inputs, outputs)

    def forward(self, x: Video) -> Video:
        b, f, h, w, c = x.shape
        quads = x.view(b * f, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(b, f, h // 2, w // 2, 4 * c)
        return super().forward(quads)


class _Up(nn.Linear):
    """Twice the resolution: a 1x1 convolution, then channels become 2x2 pixels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, 4 * outputs)

    def forward(self, x: Video) -> Video:
        b, f, h, w, _ = x.shape
        quads = super().forward(x).view(b * f, h, w, 2, 2, -1)
        return quads.transpose(2, 3).reshape(b, f, 2 * h, 2 * w, -1)


def _attend(
    query: Float[Tensor, "b n c"],
    key: Float[Tensor, "b m c"],
    value: Float[Tensor, "b m c"],
    head: int,
    bias: Float[Tensor, "1 k n m"] | None = None,
) -> Float[Tensor, "b n c"]:
    """softmax(q k / sqrt(head) + bias) v in heads of ``head`` channels."""
    q, k, v = (x.reshape(*x.shape[:2], -1, head).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)


def _unshuffle(planes: Float[Tensor, "b c f s s"]) -> Video:
    """2x2 pixels to channels: [b, c, f, s, s] -> [b, f, s/2, s/2, 4 c]."""
    b, c, f, h, w = planes.shape
    quads = planes.view(b, c, f, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 4, 6, 1)
    return quads.reshape(b, f, h // 2, w // 2, 4 * c)


def _shuffle(x: Video) -> Float[Tensor, "b c f s s"]:
    """The inverse of :func:`_unshuffle`."""
    b, f, h, w, c = x.shape
    quads = x.view(b, f, h, w, 2, 2, c // 4).permute(0, 6, 1, 2, 4, 3, 5)
    return quads.reshape(b, c // 4, f, 2 * h, 2 * w)


def _waves(sigma: Float[Tensor, " b"], width: int) -> Float[Tensor, "b e"]:
    """Fourier features of a noise level: wavelengths from 1/32 to 4, evenly on a log scale."""
    turns = 2.0 ** torch.linspace(-2, 5, width // 2, device=sigma.device)
    angles = 2 * pi * sigma.float()[:, None] * turns
    return torch.cat([angles.cos(), angles.sin()], 1)


def _face(planes: Float[Tensor, "n c s s"], names: Sequence[str]) -> Float[Tensor, "n 4 s s"]:
    """Where on the face each pixel is (x, y, z; 0 off the face) and 1 where it is on it: there it has a normal."""
    normals = planes[:, [names.index(f"normal_{axis}") for axis in "xyz"]]
    coordinates = planes[:, [names.index(f"face_{axis}") for axis in "xyz"]]
    on_face = (normals.abs().sum(1, keepdim=True) > 0).to(planes.dtype)
    return torch.cat([coordinates * on_face, on_face], 1).float()


def _places(face: Float[Tensor, "n 4 s s"], stride: int) -> Float[Tensor, "n m p"]:
    """Fourier features of the mean place on the face in each ``stride`` x ``stride`` block, times the face's share of it."""
    pooled = F.avg_pool2d(face, stride).flatten(2).transpose(1, 2)  # [n, m, 4]
    share = pooled[..., 3:]
    mean = pooled[..., :3] / share.clamp_min(1e-6)
    turns = pi * 2.0 ** torch.arange(PLACE_OCTAVES, device=face.device)
    angles = (mean[..., None] * turns).flatten(2)
    return torch.cat([angles.cos(), angles.sin()], -1) * share
