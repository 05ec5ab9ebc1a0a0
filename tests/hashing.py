"""Passwords of test users: hashed as everybody's, but cheaply. One at full cost takes a quarter second."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """Argon2 in one round over 8 KiB. What is stored says so, so that verifying is as quick."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
