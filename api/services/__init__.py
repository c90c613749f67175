"""Objects that all requests of an application share: broker, caches, event broadcast."""
