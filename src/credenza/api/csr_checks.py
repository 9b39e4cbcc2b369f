"""Certification requests looked at over HTTP, before they are sent for real."""

from __future__ import annotations

from credenza.actions import csr_checks
from credenza.api.asked import Caller
from credenza.domain.model import ProjectType
from credenza.wire import credentials as wire


def check(asked: Caller, sent: wire.CsrCheck) -> wire.CsrReport:
    """Report on every rule for certification requests. Nothing is stored; the answer is 200 for a bad one too."""
    kind = ProjectType(sent.project_type)
    checks = csr_checks.check(asked.platform, asked.actor, sent.csr.encode(), kind, now=asked.now)
    return wire.CsrReport(
        acceptable=all(each.ok for each in checks),
        findings=tuple(wire.CsrFinding.model_validate(each) for each in checks),
    )
