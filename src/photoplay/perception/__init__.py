"""Photo to scene: faces, head pose, bodies, mattes, identity, light, advice."""
