"""A model behind HTTP: predictions for files and JSON, and a page to drop a picture on."""
