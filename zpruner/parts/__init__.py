"""The parts of the service, as the command line and `zpruner serve` start them."""
