"""Parties that do not keep to the protocol, each run against an honest counterpart."""
