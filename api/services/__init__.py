"""Objects that all requests of an application share: broker, hub, caches, event broadcast."""
