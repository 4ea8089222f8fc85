"""The line, one stage at a time: python examples/stages.py me.jpg nod

What is in the photo, how the motion was put on it, and the frames as arrays, for notebooks and research. They become a film
only through photoplay.animate, which seals it.
"""

import sys
from pathlib import Path

import numpy as np

from photoplay.generation.backends import get_backend
from photoplay.media import load_photo
from photoplay.pipeline import let_in, prepare
from photoplay.safety.guard import Guard
from photoplay.types import Request


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    photo, template = sys.argv[1:]
    request = Request((load_photo(Path(photo)),), ("self",), template, seconds=1.0, size="256x256")
    backend = get_backend("pocket")
    prepared = prepare(let_in(request, backend, Guard.local()))
    for subject in prepared.scene.subjects:
        pose = subject.face.head_pose
        print(f"a face at {[round(edge) for edge in subject.face.box]}, yaw {pose.yaw:.0f}, pitch {pose.pitch:.0f}")
    for track in prepared.tracks:
        moved = np.abs(track.landmarks - track.rest_landmarks).max()
        print(f"{track.name}: {track.num_frames} frames, the farthest landmark moves {moved:.1f} px")
    for window in backend.generate(prepared.scene, prepared.tracks, prepared.plan):
        sure = (window.anchor.confidence > 200).mean() if window.anchor else 1.0
        print(
            f"frames {window.start} to {window.start + len(window.rgb) - 1}: {100 * sure:.0f} % the photo's own pixels"
        )


if __name__ == "__main__":
    main()
