"""P13: how long a revocation takes to be answered when three gate nodes have to confirm it; PostgreSQL, healthy."""

from __future__ import annotations

import time

from proof.calls import make_keys
from tests.servers import PostgreSQLServer

from bench.line import Line, judge, milliseconds
from bench.measure import percentile, progress
from credenza.client import operations
from proof import stage

_REVOCATIONS = 100
_GOAL_S = 0.25


def measure() -> tuple[Line, ...]:
    progress(f"  {_REVOCATIONS} keys")
    keys = make_keys(_REVOCATIONS)
    with (
        PostgreSQLServer(durable=True) as database,
        stage.on_postgresql(gates=3, database_url=database.create_database()) as where,
        where.installation.client(where.manage) as client,
    ):
        project, _ = where.installation.add_project()
        key_ids = [where.installation.add_key(project, key).key_id for key in keys]
        progress(f"  {_REVOCATIONS} revocations")
        taken = []
        for key_id in key_ids:
            began = time.perf_counter()
            client.send(operations.revoke_project_credential(project.id, key_id))
            taken.append(time.perf_counter() - began)
    p99 = percentile(taken, 99)
    return (
        Line(
            id="P13",
            what="revoke answered, three gate nodes on PostgreSQL, healthy",
            figure=f"p50 {milliseconds(percentile(taken, 50))}, p99 {milliseconds(p99)} of {_REVOCATIONS}",
            compared="–",
            ratio="–",
            goal="p99 ≤ 250 ms",
            verdict=judge(p99 <= _GOAL_S),
        ),
    )
