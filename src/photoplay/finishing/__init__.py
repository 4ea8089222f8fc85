"""Frames to a finished file: smoothing, upscaling, encoding."""
