"""Rules of the trial: a payload goes through the keys that are active, by the rules of the service."""

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.actions.stage import OPERATOR, SANDBOX, Shop, rsa_key

from credenza.actions import payload_trials, service_keys, services
from credenza.actions.payload_trials import Trial
from credenza.actions.service_key_admission import ByPublicKey, MadeHere, NewServiceKey
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Credential, CredentialKind, ServiceId
from credenza.protocol import jwe

JWE = '{"encryption": {"mode": "JWE"}}'
FIELD = (
    '{"encryption": {"mode": "FIELD", "parameters": {"in": "HEADERS"}, '
    '"requests": {"places": [{"element": "$.card", "encrypted": "$.card"}]}}}'
)
BODY = b'{"card": {"number": "5123456789012345"}, "currency": "EUR"}'


class Counter:
    """The shop's service, whose payloads are encrypted."""

    def __init__(self, shop: Shop, rules: str | None = JWE) -> None:
        self.shop = shop
        (environment,) = shop.project.environments
        self.service_id: ServiceId = environment.services[0].service_id
        services.set_payload_rules(shop.stage.platform, OPERATOR, self.service_id, SANDBOX, rules, now=shop.stage.now)

    def ours(self, alias: str = "ours") -> Credential:
        return self._add(MadeHere(alias))

    def theirs(self, number: int = 70) -> Credential:
        pem = rsa_key(number).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self._add(ByPublicKey(CredentialKind.RESPONSE_ENCRYPTION, f"theirs {number}", pem))

    def _add(self, new: NewServiceKey) -> Credential:
        return self.shop.done("service_key.add", service_keys.add, self.service_id, new, SANDBOX)

    def try_out(self, body: bytes = BODY) -> Trial:
        return self.shop.looked(payload_trials.try_out, self.service_id, SANDBOX, body)


def test_a_request_is_read_as_it_was_written_and_an_answer_by_its_owner_alone(shop: Shop) -> None:
    counter = Counter(shop)
    ours, theirs = counter.ours(), counter.theirs()

    trial = counter.try_out()

    assert trial.request is not None
    assert trial.answer is not None
    assert (trial.request.key, trial.answer.key, trial.lacks) == (ours, theirs, ())
    assert json.loads(trial.request.plain) == json.loads(BODY)
    token = jwe.parse(json.loads(trial.answer.sealed.body)["encryptedData"].encode())
    assert json.loads(jwe.decrypt(token, rsa_key(70), bytes)) == json.loads(BODY)
    assert b"5123456789012345" not in trial.request.sealed.body + trial.answer.sealed.body


def test_a_part_is_encrypted_with_its_parameters_in_headers(shop: Shop) -> None:
    counter = Counter(shop, FIELD)
    counter.ours()

    trial = counter.try_out()

    assert trial.request is not None
    assert "x-encrypted-key" in trial.request.sealed.headers
    assert json.loads(trial.request.sealed.body)["currency"] == "EUR"
    assert json.loads(trial.request.plain) == json.loads(BODY)


def test_the_newest_active_key_is_taken(shop: Shop) -> None:
    counter = Counter(shop)
    counter.ours("old")
    shop.stage.clock.advance(timedelta(minutes=1))
    new = counter.ours("new")
    first = counter.theirs(71)
    counter.theirs(72)  # which waits to be activated

    trial = counter.try_out()

    assert trial.request is not None
    assert trial.answer is not None
    assert (trial.request.key.id, trial.answer.key.id) == (new.id, first.id)


def test_what_has_no_active_key_is_said(shop: Shop) -> None:
    assert Counter(shop).try_out() == Trial(
        None, None, (CredentialKind.REQUEST_ENCRYPTION, CredentialKind.RESPONSE_ENCRYPTION)
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"{", b'{"a": 1, "a": 2}', b"[" * 1000, b"1" * (payload_trials.LONGEST_BODY + 1)],
    ids=["nothing", "blanks", "cut off", "a member twice", "deep", "long"],
)
def test_what_is_no_payload_is_refused(shop: Shop, body: bytes) -> None:
    counter = Counter(shop)
    counter.ours()

    before = shop.stage.dump()
    with pytest.raises(Refusal) as refused:
        counter.try_out(body)

    assert (refused.value.code, refused.value.field) == (Code.INVALID, "payload")
    assert shop.stage.dump() == before


@pytest.mark.parametrize("rules", [None, '{"signature": {}}'])
def test_payloads_that_travel_as_they_are_are_not_tried_out(shop: Shop, rules: str | None) -> None:
    counter = Counter(shop, rules)
    counter.ours()

    with pytest.raises(Refusal, match="nothing is encrypted"):
        counter.try_out()
