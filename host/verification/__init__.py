"""What the server concludes from returned light: estimates, evidence, a verdict."""
