"""Ways to reach a node, and the link's end at the host."""
