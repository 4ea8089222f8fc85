"""Photo to scene: faces, bodies, mattes, identity, light and advice."""

from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive

__all__ = ["FaceReader", "perceive"]
