"""The first-party architectures of automl-img, each module one entry point."""
