"""What blocks are built of: arithmetic, multipliers, memories, pipelines."""
