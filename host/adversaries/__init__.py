"""Parties that violate the protocol or are curious, each run against an honest counterpart."""
