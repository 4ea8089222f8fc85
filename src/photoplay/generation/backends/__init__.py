"""Generators behind one Protocol, found by entry point."""
