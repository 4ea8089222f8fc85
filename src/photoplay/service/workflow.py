"""The workflow of a film."""
