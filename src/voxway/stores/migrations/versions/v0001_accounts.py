"""Organisations and their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("value", sa.String(), nullable=False),
    )
    op.create_table(
        "organisations",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("created", MOMENT, nullable=False),
    )
    organisation = sa.ForeignKey("organisations.name")
    op.create_table(
        "keys",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("account", sa.String(), nullable=False, index=True),
        sa.Column("organisation", sa.String(), organisation, nullable=False, index=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False, unique=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, index=True),
        sa.Column("last_used", MOMENT),
        sa.Column("revoked", MOMENT, index=True),
    )


def downgrade() -> None:
    op.drop_table("keys")
    op.drop_table("organisations")
    op.drop_table("installation")
