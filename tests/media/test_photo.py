"""Every kind of photo against colours that are known by construction."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from photoplay.errors import MediaError
from photoplay.media import load_photo, save_image
from photoplay.media.refusals import REFUSALS, refusal
from photoplay.types import Photo

CORNERS = np.array([[[250, 20, 30], [10, 240, 40]], [[20, 30, 230], [240, 230, 20]]], np.uint8)
FOUR = np.kron(CORNERS, np.ones((16, 24, 1), np.uint8))  # 32 x 48: red, green / blue, yellow


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(photo: Photo) -> np.ndarray:
    h, w = photo.pixels.shape[:2]
    return photo.pixels[np.ix_([h // 4, h - h // 4], [w // 4, w - w // 4])].astype(int)


def codes(photo: Photo) -> list[str]:
    return [notice.code for notice in photo.notices]


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG from raw rows (each with its filter byte); Pillow cannot write 16-bit colour."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [
        chunk(b"IHDR", head),
        *(chunk(*c) for c in chunks),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}, 3),
        ("JPEG", {"quality": 100, "subsampling": 0, "progressive": True}, 3),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 100}, 12),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("BMP", {}, 0),
        ("GIF", {}, 0),
        ("GIF", {"interlace": False}, 0),
    ],
)
def test_each_format_gives_its_colours(kind: str, options: dict[str, object], tolerance: int) -> None:
    data = encoded(Image.fromarray(FOUR), kind, **options)
    photo = load_photo(data)
    assert photo.pixels.shape == FOUR.shape
    assert np.abs(corners(photo) - CORNERS).max() <= tolerance
    assert photo.format == kind.lower()
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert photo.notices == ()


def test_a_path_and_its_bytes_give_the_same_photo(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(FOUR), "PNG")
    path = tmp_path / "holiday.mp4"  # names decide nothing
    path.write_bytes(data)
    photo, same = load_photo(path), load_photo(data)
    assert np.array_equal(photo.pixels, same.pixels)
    assert photo.sha256 == same.sha256


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_stand_upright(kind: str, orientation: int) -> None:
    # The camera stored T(upright), where the tag names the inverse of T; these are the inverses of EXIF's own list.
    stored = {
        1: FOUR,
        2: FOUR[:, ::-1],
        3: FOUR[::-1, ::-1],
        4: FOUR[::-1],
        5: FOUR.transpose(1, 0, 2),
        6: np.rot90(FOUR, 1),
        7: FOUR[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(FOUR, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    photo = load_photo(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options))
    assert photo.pixels.shape == FOUR.shape
    assert np.abs(corners(photo) - CORNERS).max() <= 3


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    values = np.array([[0, 257 * 64, 257 * 128, 65535]] * 4, np.uint16)
    for data in (encoded(Image.fromarray(values), "PNG"), encoded(Image.fromarray(values), "TIFF")):
        photo = load_photo(data)
        assert photo.pixels[0].tolist() == [[v, v, v] for v in (0, 64, 128, 255)]


def test_sixteen_bit_grey_tiff_with_white_as_zero_is_turned_round() -> None:
    values = np.array([[0, 257 * 64, 65535]] * 3, np.uint16)
    data = encoded(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    assert load_photo(data).pixels[0, :, 0].tolist() == [255, 191, 0]


def test_sixteen_bit_big_endian_grey_tiff() -> None:
    values = np.array([[0, 257 * 64, 65535]] * 3, ">u2")
    entries = [
        (256, 3, 3),
        (257, 3, 3),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 3),
        (279, 4, 18),
    ]
    ifd = struct.pack(">H", len(entries))
    for tag, kind, value in entries:
        ifd += struct.pack(">HHI", tag, kind, 1) + (
            struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value)
        )
    data = b"MM\0*" + struct.pack(">I", 26) + values.tobytes() + ifd + bytes(4)
    assert load_photo(data).pixels[0, :, 0].tolist() == [0, 64, 255]


def test_sixteen_bit_colour_keeps_its_tones() -> None:
    pixel = struct.pack(">HHH", 257 * 200, 257 * 100, 257 * 5)
    photo = load_photo(png(3, 2, 16, 2, (b"\0" + pixel * 3) * 2))
    assert np.unique(photo.pixels.reshape(-1, 3), axis=0).tolist() == [[200, 100, 5]]


def test_sixteen_bit_colour_with_alpha_is_laid_on_white() -> None:
    shown = struct.pack(">HHHH", 257 * 200, 257 * 100, 257 * 5, 65535)
    hidden = struct.pack(">HHHH", 257 * 9, 257 * 8, 257 * 7, 0)
    photo = load_photo(png(2, 1, 16, 6, b"\0" + shown + hidden))
    assert photo.pixels.tolist() == [[[200, 100, 5], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("colour", "key", "pixels"),
    [
        (0, struct.pack(">H", 1000), struct.pack(">HH", 1000, 257 * 77)),
        (2, struct.pack(">HHH", 1000, 2000, 3000), struct.pack(">6H", 1000, 2000, 3000, *[257 * 77] * 3)),
    ],
)
def test_a_sixteen_bit_colour_key_hides_its_colour(colour: int, key: bytes, pixels: bytes) -> None:
    photo = load_photo(png(2, 1, 16, colour, b"\0" + pixels, (b"tRNS", key)))
    assert photo.pixels.tolist() == [[[255] * 3, [77] * 3]]


def test_an_eight_bit_colour_key_hides_its_colour() -> None:
    image = Image.fromarray(FOUR)
    photo = load_photo(encoded(image, "PNG", transparency=(250, 20, 30)))
    assert corners(photo)[0, 0].tolist() == [255, 255, 255]
    assert corners(photo)[0, 1].tolist() == [10, 240, 40]
    assert codes(photo) == ["photo_transparent"]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_hidden_colours_are_never_shown(kind: str) -> None:
    rgba = np.dstack([FOUR, np.full(FOUR.shape[:2], 255, np.uint8)])
    rgba[:16, :24, 3] = 0  # red is hidden
    rgba[:16, 24:, 3] = 128  # green is half there
    options = {"WEBP": {"lossless": True, "exact": True}}.get(kind, {})
    photo = load_photo(encoded(Image.fromarray(rgba), kind, **options))
    assert corners(photo)[0, 0].tolist() == [255, 255, 255]
    half = (CORNERS[0, 1].astype(float) * 128 + 255 * 127) / 255
    assert np.abs(corners(photo)[0, 1] - half).max() <= 1
    assert corners(photo)[1, 0].tolist() == [20, 30, 230]
    assert codes(photo) == ["photo_transparent"]


def test_opaque_alpha_goes_unmentioned() -> None:
    photo = load_photo(encoded(Image.fromarray(FOUR).convert("RGBA"), "PNG"))
    assert photo.notices == ()
    assert np.array_equal(photo.pixels, FOUR)


def test_palette_one_bit_grey_and_grey_alpha() -> None:
    palette = Image.fromarray(FOUR).quantize(4)
    assert np.abs(corners(load_photo(encoded(palette, "PNG"))) - CORNERS).max() <= 2
    assert np.abs(corners(load_photo(encoded(palette, "TIFF"))) - CORNERS).max() <= 2
    bits = Image.fromarray(np.array([[0, 255]] * 2, np.uint8)).convert("1")
    for kind in ("PNG", "TIFF", "BMP"):
        assert load_photo(encoded(bits, kind)).pixels[0].tolist() == [[0] * 3, [255] * 3]
    grey = np.array([[[90, 255], [10, 0]]], np.uint8)
    assert load_photo(encoded(Image.fromarray(grey), "PNG")).pixels.tolist() == [[[90] * 3, [255] * 3]]


def test_a_palette_with_a_hidden_entry() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 50, 60, 70])
    image.putpixel((1, 0), 1)
    photo = load_photo(encoded(image, "PNG", transparency=0))
    assert photo.pixels.tolist() == [[[255] * 3, [50, 60, 70]]]


def test_printing_colours_become_screen_colours() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for kind, options in (("JPEG", {"quality": 100}), ("TIFF", {})):
        photo = load_photo(encoded(cyan, kind, **options))
        assert np.abs(photo.pixels[8, 8].astype(int) - [0, 255, 255]).max() <= 3
        assert codes(photo) == ["photo_cmyk_guessed"]


def test_lab_becomes_srgb() -> None:
    # CIE: L* 53.24, a* 80.09, b* 67.20 is sRGB red (under D50 adaptation within a few levels)
    red = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(Image.new("RGB", (8, 8), (220, 40, 30)), red)
    assert np.abs(load_photo(encoded(lab, "TIFF")).pixels[4, 4].astype(int) - [220, 40, 30]).max() <= 3


def swapped_profile() -> bytes:
    """sRGB with its red and blue primaries exchanged: a transform that no rounding can explain."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    places = {bytes(data[i : i + 4]): i for i in range(132, 132 + 12 * count, 12)}
    red, blue = places[b"rXYZ"] + 4, places[b"bXYZ"] + 4
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_colour_profile_is_applied(kind: str) -> None:
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    photo = load_photo(encoded(Image.fromarray(FOUR), kind, icc_profile=swapped_profile(), **options))
    assert np.abs(corners(photo) - CORNERS[..., ::-1]).max() <= 4
    assert photo.notices == ()


@pytest.mark.parametrize("broken", [b"nonsense", swapped_profile()[:300], bytes(200)])
def test_a_broken_colour_profile_is_ignored_with_a_notice(broken: bytes) -> None:
    photo = load_photo(encoded(Image.fromarray(FOUR), "PNG", icc_profile=broken))
    assert np.array_equal(photo.pixels, FOUR)
    assert codes(photo) == ["photo_icc_ignored"]


def test_a_profile_for_other_pixels_is_ignored_with_a_notice() -> None:
    grey = encoded(Image.fromarray(FOUR[..., 0]), "PNG", icc_profile=swapped_profile())
    photo = load_photo(grey)
    assert np.array_equal(photo.pixels[..., 0], FOUR[..., 0])
    assert codes(photo) == ["photo_icc_ignored"]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_picture(kind: str) -> None:
    first, second = Image.fromarray(FOUR), Image.fromarray(FOUR[::-1].copy())
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    photo = load_photo(encoded(first, kind, save_all=True, append_images=[second], **options))
    assert np.array_equal(photo.pixels, FOUR)
    assert codes(photo) == ["photo_first_page" if kind == "TIFF" else "photo_first_frame"]


def test_a_gif_that_moves_is_no_photo() -> None:
    first, second = Image.fromarray(FOUR), Image.fromarray(FOUR[::-1].copy())
    with pytest.raises(MediaError) as refused:
        load_photo(encoded(first, "GIF", save_all=True, append_images=[second]))
    assert refused.value.code == "photo_is_video"


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_a_still_gif_cut_short_is_refused(share: float) -> None:
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)), "GIF")
    with pytest.raises(MediaError):
        load_photo(data[: round(share * len(data))])


def test_large_tiff_and_old_bitmap() -> None:
    assert np.array_equal(load_photo(encoded(Image.fromarray(FOUR), "TIFF", big_tiff=True)).pixels, FOUR)
    rows = bytes([30, 20, 250, 40, 240, 10, 0, 0]) * 2  # blue, green, red; OS/2 header of 12 bytes
    bitmap = b"BM" + struct.pack("<IHHIIHHHH", 26 + len(rows), 7, 7, 26, 12, 2, 2, 1, 24) + rows
    assert load_photo(bitmap).pixels[0].tolist() == [[250, 20, 30], [10, 240, 40]]


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_raw_files_are_not_taken_for_their_thumbnail(tags: dict[int, object]) -> None:
    with pytest.raises(MediaError) as caught:
        load_photo(encoded(Image.fromarray(FOUR), "TIFF", tiffinfo=tags))
    assert caught.value.code == "photo_is_raw"


def test_floating_point_is_refused() -> None:
    with pytest.raises(MediaError) as caught:
        load_photo(encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"))
    assert caught.value.code == "photo_kind_unsupported"


def test_heic_and_avif_where_they_are_installed() -> None:
    image = Image.fromarray(np.kron(CORNERS, np.ones((32, 32, 1), np.uint8)))
    heif = pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    data = io.BytesIO()
    heif.from_pillow(image).save(data, quality=95)
    photo = load_photo(data.getvalue())
    assert photo.format == "heic"
    assert np.abs(corners(photo) - CORNERS).max() <= 12


def test_avif() -> None:
    avif = pytest.importorskip("PIL.AvifImagePlugin", reason="this Pillow knows no AVIF")
    if not avif.SUPPORTED:
        pytest.skip("this Pillow was built without AVIF")
    image = Image.fromarray(np.kron(CORNERS, np.ones((32, 32, 1), np.uint8)))
    photo = load_photo(encoded(image, "AVIF", quality=95))
    assert photo.format == "avif"
    assert np.abs(corners(photo) - CORNERS).max() <= 12


def test_nothing_but_pixels_survives(tmp_path: Path) -> None:
    secret = b"SECRET-48.8584N-2.2945E"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    exif.get_ifd(0x8825)[0x001D] = secret.decode()
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", secret.decode())
    image = Image.fromarray(FOUR)
    uploads = [
        encoded(image, "JPEG", exif=exif, comment=secret, xmp=b"<x:xmpmeta>" + secret) + secret,
        encoded(image, "PNG", exif=exif, pnginfo=info) + secret,
        encoded(image, "WEBP", exif=exif, xmp=secret),
        encoded(image, "TIFF", exif=exif, description=secret.decode()),
    ]
    for data in uploads:
        assert secret in data
        photo = load_photo(data)
        assert secret not in pickle.dumps(photo)
        for name in ("still.png", "still.jpg", "still.webp"):
            save_image(photo.pixels, tmp_path / name)
            written = (tmp_path / name).read_bytes()
            assert secret not in written
            with Image.open(io.BytesIO(written)) as still:
                assert not still.getexif()
                assert not {"comment", "xmp", "exif", "icc_profile"} & set(still.info)


def test_the_largest_photo_fits_and_one_more_does_not() -> None:
    def black(width: int, height: int) -> bytes:
        return encoded(Image.new("1", (width, height)), "PNG")

    assert load_photo(black(31_250, 1_600), seconds=20).pixels.shape == (1_600, 31_250, 3)
    for size, code in (((31_250, 1_601), "photo_too_many_pixels"), ((32_001, 10), "photo_too_long")):
        with pytest.raises(MediaError) as caught:
            load_photo(black(*size))
        assert caught.value.code == code


def test_too_many_bytes() -> None:
    with pytest.raises(MediaError) as caught:
        load_photo(encoded(Image.fromarray(FOUR), "PNG") + bytes(40_000_000))
    assert caught.value.code == "photo_too_many_bytes"


@pytest.mark.parametrize("options", [{"quality": 90}, {"quality": 90, "progressive": True}])
def test_a_jpeg_cut_anywhere_is_refused(options: dict[str, object]) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG", **options)
    for share in (0.1, 0.3, 0.5, 0.8, 0.95, 0.99):
        with pytest.raises(MediaError):
            load_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize("interlace", [0, 1])
def test_a_png_with_rows_missing_is_refused(interlace: int) -> None:
    rows = (b"\0" + bytes([1, 1, 1]) * 8) * 8  # 1 is a valid filter, wherever a row begins
    whole = png(8, 8, 8, 2, rows)
    assert load_photo(whole).pixels[7, 7].any()
    short = bytearray(png(8, 8, 8, 2, rows[:-50]))
    short[28] = interlace
    short[29:33] = struct.pack(">I", zlib.crc32(bytes(short[12:29])))
    with pytest.raises(MediaError) as caught:
        load_photo(bytes(short))
    assert caught.value.code == "photo_truncated"


def test_a_black_png_is_whole() -> None:
    assert not load_photo(encoded(Image.new("RGB", (9, 9)), "PNG")).pixels.any()


def test_every_refusal_is_for_a_person_and_crosses_processes() -> None:
    for code in REFUSALS:
        error = pickle.loads(pickle.dumps(refusal(code)))
        assert (type(error), error.code) == (MediaError, code)
        assert error.message.endswith(".")
        assert len(error.hint) > 10
