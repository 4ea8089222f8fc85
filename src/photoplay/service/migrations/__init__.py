"""The versions of the service's own tables."""

VERSION_TABLE = "photoplay_version"
"""Where the version is kept: DBOS's tables lie in the same database."""
