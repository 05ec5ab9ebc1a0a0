"""Other people's dialects: doors that speak as other venues do, to the services and selectors of API v1."""
