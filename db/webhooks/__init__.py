"""Outgoing webhooks: endpoints, and the deliveries made from events."""
