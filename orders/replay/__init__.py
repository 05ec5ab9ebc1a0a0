"""Recorded order flow through the platform's own intake, and how far the two books agree."""
