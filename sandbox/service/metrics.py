"""What the service counts, in Prometheus' form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sandbox.service.admission import Admission

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one service.

    Args:
        admission: Whose slots are shown.
    """

    def __init__(self, admission: Admission) -> None:
        self._registry = CollectorRegistry()
        self._programs = Counter(
            "opencoder_sandbox_programs",
            "Programs that have ended.",
            ["language", "verdict"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "opencoder_sandbox_seconds",
            "Wall seconds of programs.",
            ["language"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._refused = Counter(
            "opencoder_sandbox_refused", "Requests sent away.", ["reason"], registry=self._registry
        )
        for name, help_text, value in (
            ("slots", "Programs that may run at once.", lambda: admission.slots),
            ("running", "Programs that run.", lambda: admission.running),
            ("waiting", "Programs that wait for a slot.", lambda: admission.waiting),
        ):
            Gauge(f"opencoder_sandbox_{name}", help_text, registry=self._registry).set_function(value)

    def ended(self, language: str, verdict: str, wall_s: float) -> None:
        """Count one program."""
        self._programs.labels(language, verdict).inc()
        self._seconds.labels(language).observe(wall_s)

    def refused(self, reason: str) -> None:
        """Count one request that was sent away."""
        self._refused.labels(reason).inc()

    def text(self) -> bytes:
        """Return all in the text format."""
        return generate_latest(self._registry)
