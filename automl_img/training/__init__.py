"""Trains one trial: builds the network from a TrialSpec, fits it under its own deadline, and measures it by macro-F1."""
