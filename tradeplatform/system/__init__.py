"""The platform looking at itself: what Prometheus reads, the page of it in the back office, its last days."""
