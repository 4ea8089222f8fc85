"""Consent on record: who agreed to be animated, in what, until when, and how a face is matched to that."""
