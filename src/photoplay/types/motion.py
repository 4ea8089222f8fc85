"""Motion: as a performance, and put on one subject."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float32

from photoplay.types.arrays import Array, Joints, JointTrack, Landmarks, LandmarkTrack
from photoplay.types.scene import Notice


@dataclass(frozen=True)
class Performance:
    """A motion that is not yet put on anybody: curves at ``fps``, relative to the rest pose.

    blendshapes   [f, 52] 0..1 in the order of ``topology.ARKIT_NAMES``; mouthSmile from -1, which takes the photo's own back
    head          [f, 6] yaw, pitch, roll in degrees (signs as in :class:`HeadPose`), then x, y, z shift in inter-ocular
                  distances (photo-space axes)
    gaze          [f, 2] yaw, pitch of both eyes in degrees, relative to the photo's own gaze (signs as in HeadPose)
    torso         [f, 6] yaw, pitch (lean), roll (sway) in degrees, then x, y, z shift in shoulder widths
    arms          [f, 2, 4] for (left, right): upper arm, forearm and hand as in-plane angles in degrees relative to rest
                  (positive raises the limb outwards and up), then shoulder lift in shoulder widths
    breath        [f] 0 (breathed out) .. 1 (breathed in)
    """

    fps: float
    blendshapes: Float32[Array, "f 52"]
    head: Float32[Array, "f 6"]
    gaze: Float32[Array, "f 2"]
    torso: Float32[Array, "f 6"]
    arms: Float32[Array, "f 2 4"]
    breath: Float32[Array, f]
    name: str = ""
    notices: tuple[Notice, ...] = ()

    @property
    def num_frames(self) -> int:
        return int(self.blendshapes.shape[0])


@dataclass(frozen=True)
class MotionTrack:
    """A performance put on one subject, in photo space: what every generator is driven by.

    ``rest_*`` is the subject as the photo shows it; a frame that equals rest must leave the photo unchanged.
    ``head_transform`` [f, 3, 4] is the head's part, rest point -> ``R @ p + t`` (R may scale); it also moves hair and hat.
    ``joints`` always has 33 points: where no body was seen they are estimated from the face, with visibility 0.
    """

    subject: int
    fps: float
    rest_landmarks: Landmarks
    landmarks: LandmarkTrack
    head_transform: Float32[Array, "f 3 4"]
    head_pose: Float32[Array, "f 3"]
    blendshapes: Float32[Array, "f 52"]
    rest_blendshapes: Float32[Array, 52]
    gaze: Float32[Array, "f 2"]
    rest_joints: Joints
    joints: JointTrack
    joint_visibility: Float32[Array, 33]
    breath: Float32[Array, f]
    name: str = ""
    notices: tuple[Notice, ...] = ()

    @property
    def num_frames(self) -> int:
        return int(self.landmarks.shape[0])


@dataclass(frozen=True)
class Contact:
    """A place where two people meet, for each frame of a film.

    ``where`` [f, 2] is the middle of the two points that meet, in photo space, ``gap`` [f] how far they are from where they
    shall meet (beside each other where one face would hide the other), in photo pixels,
    ``strength`` [f] how far they shall meet (0: free, 1: they touch). ``radius`` is the size of the region around it that
    the contact changes, in photo pixels. ``faces`` says whether faces meet, not only hands or bodies.
    """

    name: str
    where: Float32[Array, "f 2"]
    gap: Float32[Array, f]
    strength: Float32[Array, f]
    radius: float
    faces: bool = False


@dataclass(frozen=True)
class Duet:
    """How two tracks belong together.

    ``subjects`` are the two people as indices of the scene (the template's first role, then its second). ``front`` [f] is
    who stands before the other: 0 the first, 1 the second; between the two the order changes. ``arms_before`` [f, 2] is 1
    where the arms of the first or second person that lie before their own torso also lie before the other person.
    ``phases`` are (name, first frame) in order: approach, contact, hold, separate.
    """

    subjects: tuple[int, int]
    front: Float32[Array, f]
    arms_before: Float32[Array, "f 2"]
    contacts: tuple[Contact, ...] = ()
    phases: tuple[tuple[str, int], ...] = ()
