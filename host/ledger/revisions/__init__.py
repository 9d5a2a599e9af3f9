"""Revisions of the tables in which a fleet keeps its ledger, one in each file, for Alembic."""
