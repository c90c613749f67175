"""Limits and settings of services that tests stop or kill."""

ENDS_WITHIN_S = 60.0
"""How long the processes of a service may take to end after it was stopped."""

LONG_LEASE = {"ZPRUNER_LEASE_S": "600", "ZPRUNER_REAP_EVERY_S": "1"}
"""A short lease might end while a busy machine pauses its worker; so tests end a long one."""
