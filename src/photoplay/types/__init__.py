"""The frozen data that passes between the stages. Imports nothing of photoplay but the errors.

Photo space: pixels of the upright photo, x right, y down, z away from the camera (right-handed), all in the same unit; a
landmark's z is relative to its face's own centre. Frame space: pixels of the finished film, mapped by :class:`RenderPlan`.
Left and right are the subject's own, as in every landmark table.
"""

from __future__ import annotations

from photoplay.types.arrays import Array, Box, Joints, JointTrack, Landmarks, LandmarkTrack, Mask, Rgb, RgbStack
from photoplay.types.film import (
    Anchor,
    Audio,
    Capabilities,
    Footage,
    Frames,
    Label,
    Lora,
    Mode,
    RenderPlan,
    Report,
    Sampling,
    Video,
)
from photoplay.types.motion import Contact, Duet, MotionTrack, Performance
from photoplay.types.request import Admitted, Clip, Consent, Corner, Request, Screened, Staging, Turn
from photoplay.types.scene import (
    Body,
    Face,
    FaceReader,
    HeadPose,
    Light,
    Notice,
    Photo,
    Progress,
    Scene,
    Severity,
    StageEvent,
    Subject,
    silent,
)

__all__ = [
    "Admitted",
    "Anchor",
    "Array",
    "Audio",
    "Body",
    "Box",
    "Capabilities",
    "Clip",
    "Consent",
    "Contact",
    "Corner",
    "Duet",
    "Face",
    "FaceReader",
    "Footage",
    "Frames",
    "HeadPose",
    "JointTrack",
    "Joints",
    "Label",
    "LandmarkTrack",
    "Landmarks",
    "Light",
    "Lora",
    "Mask",
    "Mode",
    "MotionTrack",
    "Notice",
    "Performance",
    "Photo",
    "Progress",
    "RenderPlan",
    "Report",
    "Request",
    "Rgb",
    "RgbStack",
    "Sampling",
    "Scene",
    "Screened",
    "Severity",
    "StageEvent",
    "Staging",
    "Subject",
    "Turn",
    "Video",
    "silent",
]
