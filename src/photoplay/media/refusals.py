"""Every way in which a file is refused: one stable code, one sentence, one next step.

A decoding child reports only a code; the texts live here, so that nothing a hostile file does can write into them.
Standard library only: the children import this module.
"""

from __future__ import annotations

from photoplay.errors import MediaError

_SAVE_AS_PHOTO = "Save it as JPEG or PNG in another program and try again."
_SAVE_AS_VIDEO = "Save it as an mp4 with H.264 video in another program and try again."
_SAVE_AS_AUDIO = "Save it as WAV, FLAC or MP3 in another program and try again."

REFUSALS: dict[str, tuple[str, str]] = {
    # the file itself
    "file_missing": ("There is no file with this name.", "Check the name and the folder."),
    "file_not_regular": ("This is a folder or a device, not a file.", "Name one file."),
    "file_unreadable": ("This file may not be read.", "Check its permissions, or copy it to a place of your own."),
    "file_empty": ("This file is empty.", "Copy or download it again."),
    # photos
    "photo_too_many_bytes": ("This photo file is larger than 40 MB.", "Save it as a JPEG of good quality."),
    "photo_too_many_pixels": ("This photo has more than 50 megapixels.", "Scale it down to 50 megapixels or less."),
    "photo_too_long": ("One side of this photo is longer than 32,000 pixels.", "Crop it or scale it down."),
    "photo_format_unknown": (
        "This is not a photo in a format that photoplay reads.",
        "Use JPEG, PNG, WebP, AVIF, TIFF or BMP (HEIC with photoplay[heic]).",
    ),
    "photo_is_document": (
        "This is a document or a drawing, not a photo.",
        "Export it as JPEG or PNG and try again.",
    ),
    "photo_is_video": (
        "This is a video or an animation, not a photo.",
        "Save one of its pictures as JPEG or PNG and try again.",
    ),
    "photo_is_raw": (
        "This is a camera's raw file.",
        "Develop it in your photo program and export it as JPEG or PNG.",
    ),
    "photo_truncated": ("This photo is cut short: a part of the file is missing.", "Copy or download it again."),
    "photo_broken": (
        "This photo is damaged and cannot be read.",
        "Copy or download it again, or save it again as JPEG or PNG in another program.",
    ),
    "photo_kind_unsupported": (
        "This photo stores its colours in a way that photoplay does not read (for example floating point or HDR).",
        "Save it with 8 or 16 bits per channel as PNG, TIFF or JPEG.",
    ),
    "photo_needs_heic": (
        "HEIC photos need a part of photoplay that is not installed.",
        "Install it with `pip install photoplay[heic]`, or save the photo as JPEG.",
    ),
    "photo_needs_avif": (
        "AVIF photos cannot be read by the Pillow that is installed here.",
        "Install a current Pillow with `pip install -U pillow`, or save the photo as JPEG.",
    ),
    "photo_too_slow": ("This photo took too long to read.", _SAVE_AS_PHOTO),
    "photo_too_much_memory": ("This photo needs too much memory to read.", _SAVE_AS_PHOTO),
    # video
    "video_too_many_bytes": ("This video file is larger than 500 MB.", "Cut it to the part that you need."),
    "video_format_unknown": (
        "This is not a video in a format that photoplay reads.",
        "Use mp4, mov, webm, mkv or an animated GIF.",
    ),
    "video_no_pictures": ("There is no moving picture in this file.", _SAVE_AS_VIDEO),
    "video_too_long": ("This video is longer than allowed here.", "Cut it to the part that you need."),
    "video_too_many_pixels": (
        "This video has more pixels in all than allowed here.",
        "Scale it down or cut it to the part that you need.",
    ),
    "video_truncated": ("This video is cut short: a part of the file is missing.", "Copy or download it again."),
    "video_broken": ("This video is damaged and cannot be read.", f"Copy or download it again. {_SAVE_AS_VIDEO}"),
    "video_kind_unsupported": ("This video is coded in a way that photoplay does not read.", _SAVE_AS_VIDEO),
    "video_too_slow": ("This video took too long to read.", "Scale it down or cut it to the part that you need."),
    "video_too_much_memory": ("This video needs too much memory to read.", "Scale it down and try again."),
    # audio
    "audio_too_many_bytes": ("This sound file is larger than 500 MB.", "Cut it to the part that you need."),
    "audio_format_unknown": (
        "This is not sound in a format that photoplay reads.",
        "Use WAV, FLAC, MP3, M4A, Ogg or Opus, or a video with sound.",
    ),
    "audio_none": ("There is no sound in this file.", "Choose a file with sound."),
    "audio_too_long": ("This sound is longer than allowed here.", "Cut it to the part that you need."),
    "audio_truncated": ("This sound file is cut short: a part of it is missing.", "Copy or download it again."),
    "audio_broken": ("This sound file is damaged and cannot be read.", f"Copy or download it again. {_SAVE_AS_AUDIO}"),
    "audio_kind_unsupported": ("This sound is coded in a way that photoplay does not read.", _SAVE_AS_AUDIO),
    "audio_too_slow": ("This sound took too long to read.", "Cut it to the part that you need."),
    "audio_too_much_memory": ("This sound needs too much memory to read.", "Cut it to the part that you need."),
}


def refusal(code: str) -> MediaError:
    """The :class:`MediaError` for one of the codes above."""
    message, hint = REFUSALS[code]
    return MediaError(code, message, hint)
