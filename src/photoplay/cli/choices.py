"""What can be chosen for a film on the command line."""

from __future__ import annotations

from enum import StrEnum


class ConsentChoice(StrEnum):
    """Who says that the people in the photo may be animated."""

    SELF = "self"
    GRANTED = "granted"
    HISTORICAL = "historical"
    FICTIONAL = "fictional"


class WhoChoice(StrEnum):
    """Who in the photo moves."""

    ALL = "all"
    MAIN = "main"


class ModeChoice(StrEnum):
    """What kind of film; chosen by what is given where it is left out."""

    TEXT = "text-to-video"
    IMAGE = "image-to-video"
    IMAGES = "multi-image-to-video"
    POSE = "pose-guided"
    VIDEO = "video-to-video"
    AUDIO = "audio-driven"


class QualityChoice(StrEnum):
    """Which shortcuts an open model may take."""

    EXACT = "exact"
    FAST = "fast"
    PREVIEW = "preview"


class CornerChoice(StrEnum):
    """Where a film says in words that it was made."""

    BOTTOM_RIGHT = "bottom-right"
    BOTTOM_LEFT = "bottom-left"
    TOP_RIGHT = "top-right"
    TOP_LEFT = "top-left"


class CodecChoice(StrEnum):
    """How an mp4 is compressed."""

    H264 = "h264"
    AV1 = "av1"


class FramingChoice(StrEnum):
    """How much of two people is seen."""

    AUTO = "auto"
    MEDIUM = "medium"
    CLOSE = "close"
