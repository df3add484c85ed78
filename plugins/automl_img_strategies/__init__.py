"""The first-party strategies of automl-img, each module one entry point."""
