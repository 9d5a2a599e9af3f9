"""The ledgers of what has leaked over all sessions: a durable log of events, accounts, budgets."""
