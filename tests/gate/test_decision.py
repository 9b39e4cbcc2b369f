"""The values of a decision: every code has its answer, and the answer is what the contract says."""

from __future__ import annotations

import json

import pytest

from credenza.gate.decision import ANSWERS, Code, Refused, envelope


def test_every_code_has_an_answer() -> None:
    assert set(ANSWERS) == set(Code)


def test_the_envelope_is_the_contracts() -> None:
    refused = Refused("0" * 32, Code.NOT_ENTITLED, 'The project may not use "Orders".')

    assert json.loads(envelope(refused)) == {
        "Errors": {
            "Error": [
                {
                    "Source": "Gateway",
                    "ReasonCode": "DECLINED",
                    "Description": 'The project may not use "Orders".',
                    "Recoverable": False,
                    "Details": None,
                }
            ]
        }
    }


@pytest.mark.parametrize("code", Code)
def test_only_a_closed_gate_and_a_reached_limit_ask_to_try_again(code: Code) -> None:
    error = json.loads(envelope(Refused("0" * 32, code, "")))["Errors"]["Error"][0]

    assert error["Recoverable"] is (ANSWERS[code].status in (503, 429))
