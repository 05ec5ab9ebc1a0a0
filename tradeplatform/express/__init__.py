"""Requests that are answered in lists, before Django: many callers' orders in one transaction."""
