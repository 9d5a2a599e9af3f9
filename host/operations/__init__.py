"""Operation of servers: health, metrics, logs for programs, backups, and loads to test them."""
