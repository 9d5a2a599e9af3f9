"""Networks from elsewhere: import, the cut between public and private, and `compile`."""
