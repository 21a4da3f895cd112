"""Usage, the processes that count it, and what organisations have spent and may spend."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)
NAMES = (
    *("process", "kind", "task", "request", "account", "key"),
    *("organisation", "agent", "tag", "asked", "model", "provider"),
)
COUNTERS = ("characters", "cached", "audio_in", "audio_out", "messages", "provider_time")


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.String(), primary_key=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in NAMES),
        sa.Column("opened", MOMENT, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("counted", MOMENT, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTERS),
        sa.Column("ttfa", sa.BigInteger()),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger()),
        sa.Column("outcome", sa.String()),
        sa.Column("close_code", sa.Integer()),
        sa.Index("ix_usage_opened", "opened"),
        sa.Index("ix_usage_account_opened", "account", "opened"),
    )
    is_open = sa.text("outcome IS NULL")
    op.create_index(
        "ix_usage_open", "usage", ["process"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_table(
        "processes",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("beat", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "spending",
        sa.Column("organisation", sa.String(), primary_key=True),
        sa.Column("month", sa.Date(), primary_key=True),
        sa.Column("spent", sa.BigInteger(), nullable=False),
    )
    op.add_column("organisations", sa.Column("spend_limit", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("organisations", "spend_limit")
    op.drop_table("spending")
    op.drop_table("processes")
    op.drop_table("usage")
