"""Which key made a key: revoking the one ends the other.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column. Of keys that are there nobody knows it."""
    op.add_column("api_keys", sa.Column("maker_id", sa.Text()))
