"""The first-party augmentations of automl-img, each module one entry point."""
