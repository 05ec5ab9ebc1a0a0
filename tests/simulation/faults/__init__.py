"""Faults of what the platform stands on: its database, and the links to it and to Valkey."""
