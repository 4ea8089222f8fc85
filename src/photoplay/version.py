"""The version of photoplay, for every floor."""

__version__ = "0.1.0"
