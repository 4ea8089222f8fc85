"""Live Link Face CSV: one row per frame with Apple's 52 shapes and the head's rotation.

Columns are found by name, so recordings without the rotation columns (51 or 52 shapes) and in any order are read too.
Rotations are radians about ARKit's face axes: x to the subject's left, y up, z towards the viewer.
"""

from __future__ import annotations

import csv
import math
import re

import numpy as np
from jaxtyping import Float64

from photoplay.errors import TemplateError
from photoplay.motion.lids import GAZE_DOWN, GAZE_UP, GAZE_YAW
from photoplay.motion.smoothing import savitzky_golay
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES
from photoplay.types import Array, Performance

FPS = 30.0
DEFAULT_RATE = 60.0
"""Frames a second where the timecode does not tell: what the app records."""
RATES = (24.0, 25.0, 30.0, 60.0, 120.0)
MAX_ROWS, MAX_COLUMNS = 16_000, 200
MIN_SHAPES = 20
REST_QUANTILE = 0.05
"""What a face never goes below is its own rest, not a motion."""
_TIMECODE = re.compile(r"^(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3}(?:\.\d{1,6})?)$")
_ROTATIONS = {"headyaw": (0, 1.0), "headpitch": (1, -1.0), "headroll": (2, -1.0)}
"""Place in ``Performance.head`` and sign: ARKit's pitch is positive down and its roll against the clock."""


def parse_livelink(text: str) -> Performance:
    """The performance in a recording's text, resampled to 30 frames a second.

    Raises:
        TemplateError: not such a file, too long, or a value is not a number from 0 to 1.
    """
    columns, rows, codes = _read_rows(text)
    times = _times(codes, len(rows))
    values = np.array(rows)
    count = max(2, round(float(times[-1]) * FPS) + 1)
    at = np.arange(count) / FPS
    shapes = np.zeros((count, len(ARKIT_NAMES)))
    head = np.zeros((count, 6))
    by_name = {name.lower(): index for index, name in enumerate(ARKIT_NAMES)}
    for place, column in enumerate(columns):
        curve = np.interp(at, times, values[:, place])
        if column in by_name:
            shapes[:, by_name[column]] = _shape(curve)
        elif column in _ROTATIONS:
            axis, sign = _ROTATIONS[column]
            head[:, axis] = sign * np.degrees(curve - curve[0])
    gaze = _gaze(shapes)
    shapes[:, [index for index, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]] = 0.0
    return Performance(
        fps=FPS,
        blendshapes=np.clip(savitzky_golay(shapes, FPS, 0.13), 0, 1).astype(np.float32),
        head=savitzky_golay(np.clip(head, -60, 60), FPS, 0.2).astype(np.float32),
        gaze=gaze.astype(np.float32),
        torso=np.zeros((count, 6), np.float32),
        arms=np.zeros((count, 2, 4), np.float32),
        breath=np.zeros(count, np.float32),
        name="livelink",
    )


def _refused(why: str) -> TemplateError:
    return TemplateError(
        "livelink_invalid",
        f"This is no usable Live Link Face recording: {why}",
        "Use the CSV file that the app saves beside its video.",
    )


def _read_rows(text: str) -> tuple[list[str], list[list[float]], list[str]]:
    """Names of the columns that count, their values row by row, and each row's timecode."""
    reader = csv.reader(text.splitlines())
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        known = {name.lower() for name in ARKIT_NAMES} | set(_ROTATIONS)
        places = [place for place, name in enumerate(header[:MAX_COLUMNS]) if name in known]
        columns = [header[place] for place in places]
        if len(set(columns)) < max(MIN_SHAPES, len(columns)):
            raise _refused("its columns are not the face's shapes, each once.")
        rows: list[list[float]] = []
        codes: list[str] = []
        for row in reader:
            # The app leaves the shapes out of rows in which it saw no face.
            if len(row) < len(header) or not any(row[place].strip() for place in places):
                continue
            if len(rows) >= MAX_ROWS:
                raise _refused("it has too many rows.")
            rows.append([_number(row[place], columns[at]) for at, place in enumerate(places)])
            codes.append(row[0].strip())
    except csv.Error:
        raise _refused("it is not a table.") from None
    if len(rows) < 3:
        raise _refused("it holds fewer than three frames of a face.")
    return columns, rows, codes


def _number(cell: str, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise _refused("a value is not a number.") from None
    low, high = (-2 * math.pi, 2 * math.pi) if column in _ROTATIONS else (-0.1, 1.5)
    if not low <= value <= high:
        raise _refused(f"a value of {column} is out of range.")
    return value


def _times(codes: list[str], count: int) -> Float64[Array, " f"]:
    """Seconds of each row from its timecode (HH:MM:SS:FF.fraction), or evenly spaced where the codes do not rise."""
    parts = [_TIMECODE.match(code) for code in codes]
    if all(parts):
        fields = np.array([[float(field) for field in part.groups()] for part in parts if part])
        rate = next((rate for rate in RATES if fields[:, 3].max() < rate), RATES[-1])
        times = fields[:, :3] @ np.array([3600.0, 60.0, 1.0]) + fields[:, 3] / rate
        steps = np.diff(times)
        if (steps > 0).all() and steps.max() < 1.0:
            since: Array = times - times[0]
            return since
    return np.arange(count) / DEFAULT_RATE


def _shape(curve: Float64[Array, " f"]) -> Float64[Array, " f"]:
    rest = float(np.quantile(curve, REST_QUANTILE))
    relative: Array = np.clip((curve - rest) / max(1 - rest, 0.2), 0, 1)
    return relative


def _gaze(shapes: Float64[Array, "f 52"]) -> Float64[Array, "f 2"]:
    """Both eyes' yaw and pitch in degrees from the eyeLook shapes, relative to where they mostly look."""

    def look(way: str, side: str) -> Array:
        column: Array = shapes[:, ARKIT_INDEX[f"eyeLook{way}{side}"]]
        return column

    yaw = GAZE_YAW * (look("Out", "Left") - look("In", "Left") + look("In", "Right") - look("Out", "Right")) / 2
    up = GAZE_UP * (look("Up", "Left") + look("Up", "Right")) / 2
    down = GAZE_DOWN * (look("Down", "Left") + look("Down", "Right")) / 2
    gaze = np.stack([yaw, up - down], axis=1)
    relative: Array = gaze - np.median(gaze, axis=0)
    return relative
