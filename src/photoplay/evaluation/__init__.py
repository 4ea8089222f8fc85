"""Frames to report: identity, flicker, tracking, lids, background."""
