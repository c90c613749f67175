"""The form in which the weights of a result are stored."""
