"""Places that keep the course of a search."""
