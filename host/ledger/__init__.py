"""What has leaked over all time: a durable log of events, accounts, budgets."""
