"""Outgoing webhooks: their addresses, and the deliveries created from events."""
