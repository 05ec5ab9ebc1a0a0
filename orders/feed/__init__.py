"""The feed: one Valkey subscription a process, a hub, a bounded queue for each socket (docs/feed.md)."""
