"""The first-party sources of automl-img, each module one entry point."""
