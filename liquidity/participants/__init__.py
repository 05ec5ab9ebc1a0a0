"""Simulated participants: programs with different habits that trade like any client, through the intake."""
