"""Results as tables, JSON documents and pictures."""
