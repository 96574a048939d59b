"""The tables of the database, and the number of their version.

Called by  rows, search, and whoever asks the database; migrations makes them.
Ends       never by itself.
Careful    a change here needs a migration: a test compares what migrations make with this. Text
           of strangers is cut and without NUL, which PostgreSQL cannot hold. An index is named
           for the question it answers: see search.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

HEAD = "0002"

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts by itself in INTEGER only

message = Table(
    "message",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("log_id", String(64), nullable=False),
    Column("since", Double, nullable=False),  # seconds since 1970
    Column("states", Integer, nullable=False),  # the bits of its recipients' states
    Column("class", String(16), nullable=False),
    Column("sender", Text, nullable=False),
    Column("sender_key", Text, nullable=False),  # as it is looked for: lower case
    Column("sender_domain", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("score", Double),
    Column("octets", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("action", String(16), nullable=False),
    Column("release", String(16), nullable=False),
    Column("rules", Text, nullable=False),  # with commas
    Column("findings", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("is_gone", Boolean, nullable=False),
)
# In the order of a list, with all that is asked for most: what is passed over is never fetched.
Index(
    "message_since",
    *(
        message.c[each]
        for each in ("since", "id", "states", "class", "score", "is_gone", "octets")
    ),
)
Index("message_sender", message.c.sender_key, message.c.since)
Index("message_log_id", message.c.log_id)
Index("message_sender_domain", message.c.sender_domain, message.c.since)

recipient = Table(
    "recipient",
    metadata,
    Column("message", _Id, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Double, nullable=False),
    Column("claim_by", Text),
    Column("claim_via", Text),
)
Index("recipient_address", recipient.c.address_key, recipient.c.message)
Index("recipient_domain", recipient.c.domain, recipient.c.message)

rule = Table(
    "rule",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("message", _Id, primary_key=True, autoincrement=False),
)
Index("rule_message", rule.c.message)

words = Table(  # what a search for text looks through, close together
    "words",
    metadata,
    Column("message", _Id, primary_key=True, autoincrement=False),
    Column("words", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("place", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("before", String(16)),
    Column("after", String(16), nullable=False),
    Column("by", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("did", Text, nullable=False),  # what else was done; "": the state says it
)
Index("audit_digest", audit.c.digest, audit.c.id)
Index("audit_at", audit.c.at)

entry = Table(
    "entry",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("is_allowed", Boolean, nullable=False),
    Column("sender", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("until", Double),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Double, nullable=False),
)

known = Table(  # facts about the database itself, by name
    "known",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

body = Table(  # messages themselves: with PostgreSQL only
    "body",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("octets", LargeBinary, nullable=False),  # zlib
    Column("record", Text, nullable=False),  # JSON
)

# What passed by: the facts of every message, and numbers. No part of the index of held mail: it is
# not made anew with that.

passed = Table(
    "passed",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("host", Text, nullable=False),
    Column("scan_id", String(64), nullable=False),
    Column("at", Double, nullable=False),  # seconds since 1970
    Column("digest", String(64), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),  # qp in the log of qmail
    Column("verdict", String(16), nullable=False),
    Column("ending", String(32), nullable=False),
    Column("sender", Text, nullable=False),
    Column("sender_key", Text, nullable=False),
    Column("sender_domain", Text, nullable=False),
    Column("recipients", Integer, nullable=False),  # how many
    Column("rules", Text, nullable=False),  # with commas
    Column("why", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("ip", Text, nullable=False),
    Column("auth_user", Text, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("virus", Text, nullable=False),  # outcome and names, as in the log
    Column("spam", Text, nullable=False),
    Column("score", Double),
    Column("ms", Integer, nullable=False),
)
Index("passed_scan", passed.c.scan_id, passed.c.host, unique=True)
Index("passed_at", passed.c.at, passed.c.id, passed.c.verdict)
Index("passed_digest", passed.c.digest)
Index("passed_message_id", passed.c.message_id)
Index("passed_pid", passed.c.pid, passed.c.at)
Index("passed_sender", passed.c.sender_key, passed.c.at)
Index("passed_sender_domain", passed.c.sender_domain, passed.c.at)

passed_to = Table(  # the recipients of what passed by
    "passed_to",
    metadata,
    Column("passed", _Id, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("action", String(16), nullable=False),
    Column("rules", Text, nullable=False),
)
Index("passed_to_address", passed_to.c.address_key, passed_to.c.passed)
Index("passed_to_domain", passed_to.c.domain, passed_to.c.passed)

counted = Table(  # numbers by the hour
    "counted",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),  # since 1970
    Column("host", String(255), primary_key=True),
    Column("name", String(16), primary_key=True),  # verdict, rule, virus, ...
    Column("word", String(200), primary_key=True),  # accept, "programs", "Eicar", ...
    Column("messages", BigInteger, nullable=False),
    Column("octets", BigInteger, nullable=False),
)

digested = Table(  # up to when somebody was told in digests what is held
    "digested",
    metadata,
    Column("address", String(320), primary_key=True),  # in lower case; "" for the admin
    Column("until", Double, nullable=False),  # seconds since 1970
)
