"""What all processes of the service that share a queue have to agree on."""

from __future__ import annotations

from dbos import DBOSPortableJSONSerializer

APPLICATION = "photoplay"
"""Owner of the queues and workflows in DBOS's tables."""
VERSION = "photoplay-1"
"""Version of the workflow's steps: jobs wait for a worker of their own version. It changes when the steps do, and only
then, so that an upgrade goes on with what waits."""
WORKFLOW = "film"
"""Name of the one workflow."""
PLAIN = DBOSPortableJSONSerializer()
"""Nothing in the queue is pickled."""
POLLING = 0.05
"""Seconds between two looks at a queue; a look lasts until there is something to do, or a second."""
