"""Decoded photos, videos and audio: the only door for bytes from outside."""
