"""The second version of the tables: what was done beside moves; what passed by; digests.

Called by  Alembic, through database.
Ends       with the tables made, or raises what the database says.
Careful    never changed once it was released: what comes later is a step of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Add a column and the tables."""
    op.add_column("audit", sa.Column("did", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "passed",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        *_text("host"),
        sa.Column("scan_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        *_text("message_id"),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("ending", sa.String(32), nullable=False),
        *_text("sender", "sender_key", "sender_domain"),
        sa.Column("recipients", sa.Integer, nullable=False),
        *_text("rules", "why", "findings"),
        sa.Column("direction", sa.String(8), nullable=False),
        *_text("ip", "auth_user"),
        sa.Column("octets", sa.BigInteger, nullable=False),
        *_text("virus", "spam"),
        sa.Column("score", sa.Double),
        sa.Column("ms", sa.Integer, nullable=False),
    )
    op.create_index("passed_scan", "passed", ["scan_id", "host"], unique=True)
    op.create_index("passed_at", "passed", ["at", "id", "verdict"])
    op.create_index("passed_digest", "passed", ["digest"])
    op.create_index("passed_message_id", "passed", ["message_id"])
    op.create_index("passed_pid", "passed", ["pid", "at"])
    op.create_index("passed_sender", "passed", ["sender_key", "at"])
    op.create_index("passed_sender_domain", "passed", ["sender_domain", "at"])
    op.create_table(
        "passed_to",
        sa.Column("passed", _ID, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        *_text("address", "address_key", "domain"),
        sa.Column("action", sa.String(16), nullable=False),
        *_text("rules"),
    )
    op.create_index("passed_to_address", "passed_to", ["address_key", "passed"])
    op.create_index("passed_to_domain", "passed_to", ["domain", "passed"])
    op.create_table(
        "counted",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("host", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("word", sa.String(200), primary_key=True),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("octets", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "digested",
        sa.Column("address", sa.String(320), primary_key=True),
        sa.Column("until", sa.Double, nullable=False),
    )
