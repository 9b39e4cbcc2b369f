"""What a gate counts, as Prometheus reads it."""

from prometheus_client import generate_latest

from credenza.gate.decision import Code
from credenza.gate.metrics import Metrics


def test_decisions_are_counted_by_environment_and_outcome() -> None:
    metrics = Metrics()

    metrics.admitted("SANDBOX")
    metrics.admitted("SANDBOX")
    metrics.refused("PRODUCTION", Code.SIGNATURE)

    labels = {"environment": "SANDBOX", "outcome": "admitted"}
    assert metrics.registry.get_sample_value("credenza_gate_decisions_total", labels) == 2
    labels = {"environment": "PRODUCTION", "outcome": "signature"}
    assert metrics.registry.get_sample_value("credenza_gate_decisions_total", labels) == 1


def test_the_time_of_a_decision_falls_into_every_bucket_that_it_does_not_exceed() -> None:
    metrics = Metrics()

    metrics.decided_in(0.00005)
    metrics.decided_in(0.00006)
    metrics.decided_in(60.0)

    found = metrics.registry.get_sample_value
    counts = [found("credenza_gate_decision_seconds_bucket", {"le": le}) for le in ("5e-05", "0.0001", "1.0", "+Inf")]
    assert counts == [1, 2, 2, 3]
    assert found("credenza_gate_decision_seconds_count") == 3
    assert found("credenza_gate_decision_seconds_sum") == 60.00011


def test_a_scrape_says_what_each_figure_is() -> None:
    text = generate_latest(Metrics().registry).decode()

    assert "# TYPE credenza_gate_decisions_total counter" in text
    assert "# TYPE credenza_gate_decision_seconds histogram" in text
