"""The versions of the service's own tables. Whoever changes tables.py adds one; a test holds the two together."""

VERSION_TABLE = "photoplay_version"
"""Where the version is kept: DBOS's tables lie in the same database."""
MOVED = "moved"
"""What stands there in a database whose service was moved to another one."""
