"""From a trigger's delivery to a job."""
