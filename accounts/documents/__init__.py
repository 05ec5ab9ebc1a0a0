"""A statement as people take it away: a table, JSON, CSV, HTML, PDF."""
