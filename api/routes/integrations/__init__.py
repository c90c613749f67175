"""Routes of webhooks and triggers."""
