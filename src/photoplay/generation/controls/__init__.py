"""Control pictures: tracks and anchors drawn the way that open models saw them in training.

One module a convention. Points are ours (:class:`photoplay.types.MotionTrack`), colours, widths and orders are theirs, and
each module names where they come from.
"""
