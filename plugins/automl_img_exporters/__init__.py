"""The formats in which a model goes to other runtimes, one family a file."""
