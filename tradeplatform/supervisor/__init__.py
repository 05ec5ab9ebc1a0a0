"""Starts, watches and stops everything one machine needs: PostgreSQL, Valkey and our own processes.

Knows no Django model; `manage.py up` joins the two.
"""
