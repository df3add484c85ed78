"""The first-party regularizers of automl-img, each module one entry point."""
