"""What the server counts, in Prometheus's format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Measures:
    """Counts of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        prefix = "automl_img"
        self.requests = Counter(
            f"{prefix}_requests", "Requests by path and status.", ["path", "status"], registry=self._registry
        )
        self.images = Counter(f"{prefix}_images", "Images by outcome.", ["outcome"], registry=self._registry)
        self.seconds = Histogram(
            f"{prefix}_request_seconds", "Time of a prediction request.", buckets=SECONDS, registry=self._registry
        )
        self.batch = Histogram(
            f"{prefix}_batch_images", "Images that the network saw together.", buckets=SIZES, registry=self._registry
        )

    def text(self) -> bytes:
        """All counts."""
        return generate_latest(self._registry)
