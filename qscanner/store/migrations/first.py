"""The first version of the tables.

Called by  Alembic, through database.
Ends       with the tables made, or raises what the database says.
Careful    never changed once it was released: what comes later is a step of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Make all tables and their indexes."""
    op.create_table(
        "message",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("log_id", sa.String(64), nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("states", sa.Integer, nullable=False),
        sa.Column("class", sa.String(16), nullable=False),
        *_text("sender", "sender_key", "sender_domain", "subject"),
        sa.Column("score", sa.Double),
        sa.Column("octets", sa.BigInteger, nullable=False),
        *_text("why"),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("release", sa.String(16), nullable=False),
        *_text("rules", "findings", "ip"),
        sa.Column("is_gone", sa.Boolean, nullable=False),
    )
    listed = ["since", "id", "states", "class", "score", "is_gone", "octets"]
    op.create_index("message_since", "message", listed)
    op.create_index("message_sender", "message", ["sender_key", "since"])
    op.create_index("message_sender_domain", "message", ["sender_domain", "since"])
    op.create_index("message_log_id", "message", ["log_id"])
    op.create_table(
        "recipient",
        sa.Column("message", _ID, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        *_text("address", "address_key", "domain"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("claim_by", sa.Text),
        sa.Column("claim_via", sa.Text),
    )
    op.create_index("recipient_address", "recipient", ["address_key", "message"])
    op.create_index("recipient_domain", "recipient", ["domain", "message"])
    op.create_table(
        "rule",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("message", _ID, primary_key=True, autoincrement=False),
    )
    op.create_index("rule_message", "rule", ["message"])
    op.create_table(
        "words",
        sa.Column("message", _ID, primary_key=True, autoincrement=False),
        *_text("words"),
    )
    _make_what_was_done()


def _make_what_was_done() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        *_text("address"),
        sa.Column("before", sa.String(16)),
        sa.Column("after", sa.String(16), nullable=False),
        *_text("by", "via", "why"),
    )
    op.create_index("audit_digest", "audit", ["digest", "id"])
    op.create_index("audit_at", "audit", ["at"])
    op.create_table(
        "entry",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("is_allowed", sa.Boolean, nullable=False),
        *_text("sender", "recipient"),
        sa.Column("until", sa.Double),
        *_text("why", "by"),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "known",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "body",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("octets", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
