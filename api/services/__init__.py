"""Objects that live as long as the application: broker, hub, caches, broadcasts."""
