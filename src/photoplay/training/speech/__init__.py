"""Teaches the viseme recogniser from speech that espeak-ng makes, whose phoneme times are known."""
