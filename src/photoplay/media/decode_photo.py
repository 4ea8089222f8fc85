"""The child that decodes one photo: ``python -m photoplay.media.decode_photo FORMAT CPU_SECONDS``.

Nothing else imports it. Out come upright sRGB pixels; in go Pillow and the standard library only, to start in 50 ms.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from PIL import Image, ImageChops, ImageCms, ImageFile, PngImagePlugin, TiffImagePlugin  # noqa: F401 (for EXIF)

from photoplay.media.confine import answer, confine, fail, read_input, send

MAX_BYTES = 40_000_000
MAX_PIXELS = 50_000_000
MAX_SIDE = 32_000
_MEMORY = 2 << 30
_PLUGINS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
}
_MATTE = (255, 255, 255)
"""What shows through a transparent photo: white, as on paper and on a web page."""
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_ICC_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}
_SUBFILE, _BITS, _INTERPRETATION, _DNG_VERSION = 254, 258, 262, 50706
"""TIFF tags (TIFF 6.0, DNG 1.0)."""
_SRGB = ImageCms.createProfile("sRGB")
_LAB = ImageCms.createProfile("LAB")


class RefusedError(Exception):
    """Carries a refusal code to :func:`main`."""


def main() -> None:
    """Decodes standard input and answers."""
    kind, cpu_seconds = sys.argv[1], int(sys.argv[2])
    try:
        reader = _reader(kind)
    except ImportError:
        fail("photo_needs_avif" if kind == "avif" else "photo_needs_heic")
        return
    confine(_MEMORY, cpu_seconds)
    try:
        image, notices = decode(read_input(MAX_BYTES), kind, reader)
    except RefusedError as refused:
        fail(str(refused))
    except MemoryError:
        fail("photo_too_much_memory")
    except Exception:  # a parser's own error names addresses and types: only the fact that it failed goes out
        fail("photo_broken")
    else:
        answer({"width": image.width, "height": image.height, "notices": notices})
        for top in range(0, image.height, 256):
            send(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())


def _reader(kind: str) -> Callable[[io.BytesIO], Any]:
    module, name = _PLUGINS[kind]
    plugin = import_module(module)
    if kind == "avif" and not plugin.SUPPORTED:
        raise ImportError
    if kind == "heic":
        plugin.register_heif_opener()
    if kind == "gif":
        import_module("copy")  # which the plugin itself would ask for when no file can be opened any more
    reader: Callable[[io.BytesIO], Any] = getattr(plugin, name)
    return reader


def decode(data: bytes, kind: str, reader: Callable[[io.BytesIO], Any]) -> tuple[Image.Image, list[str]]:
    """Upright sRGB picture and the codes of what should be said about it."""
    notices: list[str] = []
    image = reader(io.BytesIO(data))
    _check_size(image)
    if kind == "tiff" and (data[8:10] == b"CR" or _DNG_VERSION in image.tag_v2 or image.tag_v2.get(_SUBFILE, 0) & 1):
        raise RefusedError("photo_is_raw")  # its first picture is only a thumbnail
    if kind == "gif" and image.n_frames > 1:
        raise RefusedError("photo_is_video")
    if kind != "jpeg" and getattr(image, "n_frames", 1) > 1:
        notices.append("photo_first_page" if kind in ("tiff", "heic") else "photo_first_frame")
    _load(image, kind, data)
    upright = _upright(image, notices)
    profile = image.info.get("icc_profile") or b""
    transparency = image.info.get("transparency")
    inverted = kind == "tiff" and image.tag_v2.get(_INTERPRETATION) == 0
    depth = image.tag_v2.get(_BITS, (8,))[0] if kind == "tiff" else 16
    del image
    picture, alpha = _colour_and_alpha(upright, transparency, depth, inverted)
    del upright
    picture = _to_srgb(picture, profile, notices)
    if alpha is not None and alpha.getextrema() != (255, 255):
        canvas = Image.new("RGB", picture.size, _MATTE)
        canvas.paste(picture, mask=alpha)
        picture = canvas
        notices.append("photo_transparent")
    return picture, notices


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise RefusedError("photo_too_many_pixels")
    if max(image.size) > MAX_SIDE:
        raise RefusedError("photo_too_long")
    if min(image.size) < 1:
        raise RefusedError("photo_broken")


def _load(image: Any, kind: str, data: bytes) -> None:
    try:
        image.load()
    except OSError as problem:
        text = str(problem)
        raise RefusedError("photo_truncated" if "truncated" in text or "end of" in text else "photo_broken") from None
    if (kind == "png" and not _png_is_whole(image, data)) or (kind == "jpeg" and not _jpeg_is_whole(image, data)):
        raise RefusedError("photo_truncated")


def _jpeg_is_whole(image: Any, data: bytes) -> bool:
    """Whether a JPEG has an end mark, and at least the bits that the emptiest picture of its size takes.

    libjpeg fills up what is missing with grey. Every 8x8 block takes one bit (its DC code), in a baseline file two.
    """
    scan = data.find(b"\xff\xda")
    if data.find(b"\xff\xd9", scan) < 0:
        return False
    across, down = max(h for _, h, _, _ in image.layer), max(v for _, _, v, _ in image.layer)
    blocks = sum(-(-image.width * h // (8 * across)) * -(-image.height * v // (8 * down)) for _, h, v, _ in image.layer)
    return bool((len(data) - scan) * 8 >= blocks * (1 if image.info.get("progressive") else 2))


def _png_is_whole(image: Any, data: bytes) -> bool:
    """Whether a PNG's pixel stream is as long as its size asks for: Pillow leaves missing rows black."""
    interlaced = bool(data[28])
    last = image.crop((0, image.height - 1, image.width, image.height))
    if not interlaced and any(last.tobytes()):
        return True
    bits = data[24] * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(data[25], 4)
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    expected = 0
    for x, y, dx, dy in passes if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(image.width - x) // dx), -(-(image.height - y) // dy)
        if columns > 0 and rows > 0:
            expected += rows * (1 + (columns * bits + 7) // 8)
    return _inflated_size(data, expected) >= expected


def _inflated_size(data: bytes, enough: int) -> int:
    stream, total, at = zlib.decompressobj(), 0, 8
    while at + 8 <= len(data) and total < enough and not stream.eof:
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if name == b"IDAT":
            rest = data[at + 8 : at + 8 + size]
            while rest and not stream.eof:
                total += len(stream.decompress(rest, 1 << 20))
                rest = stream.unconsumed_tail
        at += 12 + size
    return total


def _upright(image: Image.Image, notices: list[str]) -> Image.Image:
    """The picture turned by its EXIF orientation. (Pillow has turned a TIFF already when it is loaded.)"""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # Pillow's EXIF reader fails in many ways on damaged blocks; the pixels are fine without it
        notices.append("photo_exif_broken")
        return image
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _colour_and_alpha(
    image: Image.Image, transparency: Any, depth: int, inverted: bool
) -> tuple[Image.Image, Image.Image | None]:
    """Splits into colour (``L | RGB | CMYK | LAB``, 8 bits) and alpha (``L``) or None."""
    mode = image.mode
    if mode.startswith("I"):
        return _from_16_bits(image, transparency, depth, inverted)
    if mode in ("P", "PA"):
        image = image.convert("RGBA" if mode == "PA" or transparency is not None else "RGB")
    elif transparency is not None and mode in ("1", "L", "RGB"):
        return image.convert("L" if mode == "1" else mode), _keyed(image, transparency)
    elif mode in ("La", "RGBa"):
        image = image.convert("LA" if mode == "La" else "RGBA")
    elif mode == "1":
        image = image.convert("L")
    elif mode in ("RGBX", "YCbCr", "HSV"):
        image = image.convert("RGB")
    if image.mode in ("LA", "RGBA"):
        return image.convert(image.mode[:-1]), image.getchannel("A")
    if image.mode not in _ICC_SPACES:
        raise RefusedError("photo_kind_unsupported")
    return image, None


def _from_16_bits(
    image: Image.Image, transparency: Any, depth: int, inverted: bool
) -> tuple[Image.Image, Image.Image | None]:
    if image.mode == "I" and depth != 16:
        raise RefusedError("photo_kind_unsupported")
    white = (1 << depth) - 1
    levels = [min(255, (value * 255 + white // 2) // white) for value in range(65_536)]
    if inverted:
        levels = [255 - level for level in levels]
    wide = image.convert("I")
    alpha = None
    if isinstance(transparency, int):
        alpha = wide.point([0 if value == transparency else 255 for value in range(65_536)], "L")
    return wide.point(levels, "L"), alpha


def _keyed(image: Image.Image, key: Any) -> Image.Image:
    """Alpha of a PNG in which one colour stands for "nothing here". A 16-bit key is matched by its upper byte."""
    keys = key if isinstance(key, tuple) else (key,)
    wide = any(value > 255 for value in keys)
    differs = Image.new("L", image.size, 0)
    for band, value in zip(image.convert("L" if image.mode == "1" else image.mode).split(), keys, strict=False):
        wanted = value >> 8 if wide else value
        differs = ImageChops.lighter(differs, band.point([0 if level == wanted else 255 for level in range(256)]))
    return differs


def _to_srgb(picture: Image.Image, profile: bytes, notices: list[str]) -> Image.Image:
    """``RGB`` in sRGB, by the embedded profile where it is sound and fits the pixels."""
    if profile:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if embedded.profile.xcolor_space == _ICC_SPACES[picture.mode]:
                return _transformed(picture, embedded)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
        notices.append("photo_icc_ignored")
    if picture.mode == "LAB":
        return _transformed(picture, ImageCms.ImageCmsProfile(_LAB))
    if picture.mode == "CMYK" and not profile:
        notices.append("photo_cmyk_guessed")
    return picture.convert("RGB")


def _transformed(picture: Image.Image, embedded: Any) -> Image.Image:
    result = ImageCms.profileToProfile(picture, embedded, _SRGB, _INTENT, "RGB", False, _FLAGS)
    assert result is not None
    return result


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20  # profiles and edit histories may be long; the memory limit stands anyway
    main()
