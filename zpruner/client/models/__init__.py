"""Responses of the service, typed. Unknown fields are ignored."""
