"""How good a model is, and by which protocol that was measured."""
