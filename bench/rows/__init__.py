"""The rows of the performance table, one file a row or family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from bench.line import Line
from bench.rows import (
    p01_decision,
    p02_sub_request,
    p03_gateway,
    p04_token,
    p06_bound_token,
    p07_client_secret,
    p08_introspection,
    p09_certificate,
    p10_status,
    p11_handshake,
    p12_payload,
    p13_revocation,
    p14_lists,
    p15_portal,
    p16_memory,
    p17_workers,
    p18_refusals,
)

Row: TypeAlias = Callable[[], tuple[Line, ...]]

ROWS: Mapping[str, Row] = {
    "P1": p01_decision.measure,
    "P2": p02_sub_request.measure,
    "P3": p03_gateway.measure,
    "P4": p04_token.measure_es256,
    "P5": p04_token.measure_ps256,
    "P6": p06_bound_token.measure,
    "P7": p07_client_secret.measure,
    "P8": p08_introspection.measure,
    "P9": p09_certificate.measure,
    "P10": p10_status.measure,
    "P11": p11_handshake.measure,
    "P12": p12_payload.measure,
    "P13": p13_revocation.measure,
    "P14": p14_lists.measure,
    "P15": p15_portal.measure,
    "P16": p16_memory.measure,
    "P17": p17_workers.measure,
    "P18": p18_refusals.measure,
}

ON_DEMAND: Mapping[str, Row] = {"P14-10M": p14_lists.measure_ten_million}
"""What takes longer than all others together: measured when it is named."""
