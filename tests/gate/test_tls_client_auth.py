"""OAuth 2.0 over mutual TLS (RFC 8705): a client is who its certificate says, and a token is for who holds that one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import delete, insert
from tests.clock import NOON
from tests.gate.certificate_scene import Holder, Party, foreign, hold, issuing, leaf, own
from tests.gate.scene import ORGANIZATION, PRODUCTION, PROJECT, SANDBOX, Scene, client_id, furnished
from tests.gate.test_bearer import Street
from tests.gate.token_scene import ISSUER, NONCE_SECRET

from credenza.gate.bearer import Audience, TokenVerifier
from credenza.gate.decision import Admitted, Code, Refused
from credenza.gate.explanation import explain
from credenza.gate.possession import Nonces
from credenza.gate.token_desk import steps
from credenza.gate.token_faults import RULINGS, Denied, Fault
from credenza.gate.token_server import Denial, TokenCall
from credenza.protocol import access_token, issuance, jose
from credenza.protocol.access_token import Claims
from credenza.protocol.tls_client_name import NameKind
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import writing

DAY = timedelta(days=1)
CLIENT_ID = client_id(SANDBOX)
NOTHING_ASSERTED: dict[str, Any] = {"client_assertion": None, "client_assertion_type": None}


class Bank(Street):
    """A client with a certificate of our own authority, which its project holds."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.authority = own(scene)
        self.holder = self.held()

    def held(self, common_name: str = "till 7", **columns: Any) -> Holder:
        return hold(self.scene, leaf(self.authority, common_name), **columns)

    def by_tls(self, holder: Party | None = None, *, form: dict[str, Any] | None = None, **changed: Any) -> TokenCall:
        """A token request of `tls_client_auth`, bound to the certificate unless there are proofs."""
        usual = {**NOTHING_ASSERTED, "client_id": CLIENT_ID}
        values = {"proofs": (), "certificate": (holder or self.holder).der, **changed}
        return self.call(form={**usual, **(form or {})}, **values)

    def tls_token(self, holder: Party | None = None, **changed: Any) -> str:
        return self.granted(self.by_tls(holder, **changed)).access_token

    def present(self, token: str, holder: Party | None = None, scheme: str = "Bearer", **changed: Any) -> Any:
        certificate = (holder or self.holder).der
        return self.send(f"{scheme} {token}", **{"proofs": (), "certificate": certificate, **changed})

    def revoke(self, holder: Holder) -> None:
        credentials = schema.credentials
        self.scene.change(
            credentials,
            credentials.c.id == holder.credential_id,
            ChangeKind.CREDENTIAL,
            holder.credential_id,
            status="REVOKED",
            revoked_at=NOON,
        )

    def register(self, kind: NameKind, value: str) -> None:
        names = schema.tls_client_names
        row = {"organization_id": ORGANIZATION, "project_id": PROJECT, "environment": SANDBOX}
        with writing(self.scene.database.records) as connection:
            connection.execute(delete(names))
            connection.execute(insert(names).values(**row, kind=kind, value=value))
        self.scene.note(ChangeKind.PROJECT, PROJECT)

    def good(self, token: str) -> Claims | None:
        verifier = TokenVerifier(
            keyring=self.scene.keyring,
            routes=self.scene.routes,
            freshness=self.scene.freshness,
            replay=self.scene.replay,
            issuers=self.issuers,
            audiences=(Audience(SANDBOX, ISSUER),),
            nonces=Nonces(NONCE_SECRET),
        )
        return asyncio.run(verifier.good(SANDBOX, token, clock=self.scene.clock.now))

    def denial(self, call: TokenCall) -> Denial:
        answer = self.ask(call)
        assert isinstance(answer, Denial), answer
        return answer


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with furnished(tmp_path) as scene:
        yield Bank(scene)


def claims_of(token: str) -> Claims:
    return access_token.parse(token)[1]


def reissued(holder: Holder, by: Party) -> Party:
    """A certificate with the key, the subject and the authority of another one."""
    now = holder.certificate
    made = x509.CertificateBuilder(
        by.certificate.subject, now.subject, now.public_key(), 4711, now.not_valid_before_utc, now.not_valid_after_utc
    ).sign(by.key, SHA256())
    return Party(made, holder.key, holder.chain)


# ---------------------------------------------------------------------------------- 2 mutual TLS for authentication


def test_2_a_certificate_and_the_client_id_are_enough(bank: Bank) -> None:
    answer = bank.granted(bank.by_tls())
    claims = claims_of(answer.access_token)

    assert (claims.sub, claims.client_id) == (CLIENT_ID, CLIENT_ID)
    assert claims.key_id == bank.holder.credential_id
    assert claims.certificate_sha256 == bank.holder.thumbprint


def test_2_the_client_id_is_sent_too(bank: Bank) -> None:
    assert bank.denied(bank.by_tls(form={"client_id": None})) is Fault.NO_AUTHENTICATION


def test_2_without_a_certificate_a_client_id_proves_nothing(bank: Bank) -> None:
    assert bank.denied(bank.by_tls(certificate=b"")) is Fault.NO_AUTHENTICATION


def test_2_1_the_subject_of_another_authority_is_another_client(bank: Bank) -> None:
    impostor = leaf(issuing("nobody's CA"), "till 7")

    assert impostor.certificate.subject == bank.holder.certificate.subject
    assert bank.denied(bank.by_tls(impostor)) is Fault.UNKNOWN_CERTIFICATE


def test_2_1_the_certificate_of_another_client_is_refused(bank: Bank) -> None:
    other = bank.held("till 8", client_id="other")

    denial = bank.denial(bank.by_tls(other))

    assert denial.fault is Fault.CERTIFICATE_CLIENT
    assert denial.record is not None
    assert denial.record.key_id == other.credential_id  # whose owner reads of it, and nobody else
    assert bank.denied(bank.by_tls(form={"client_id": "other"})) is Fault.CERTIFICATE_CLIENT


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"status": "REVOKED", "revoked_at": NOON}, Fault.CERTIFICATE_REVOKED),
        ({"not_after": NOON - DAY}, Fault.CERTIFICATE_EXPIRED),
        ({"not_before": NOON + DAY}, Fault.CERTIFICATE_NOT_YET_VALID),
        ({"environment": PRODUCTION}, Fault.KEY_ENVIRONMENT),
        ({"kind": "REQUEST_ENCRYPTION"}, Fault.UNKNOWN_CERTIFICATE),
    ],
)
def test_2_1_a_certificate_that_is_not_good_now_authenticates_nobody(
    bank: Bank, columns: dict[str, Any], fault: Fault
) -> None:
    holder = bank.held("till 8", **columns)

    here = {"client_id": client_id(columns.get("environment", SANDBOX))}

    assert bank.denied(bank.by_tls(holder, form=here)) is fault
    assert RULINGS[fault].error == "invalid_client"
    assert RULINGS[fault].told == RULINGS[Fault.UNKNOWN_CERTIFICATE].told == RULINGS[Fault.SIGNATURE].told


def test_2_1_an_authority_that_is_disabled_vouches_for_nobody(bank: Bank) -> None:
    others = issuing("Others")
    identity = foreign(bank.scene, others)
    holder = hold(bank.scene, leaf(others, "till 8"), trusted_authority_id=identity)
    bank.granted(bank.by_tls(holder))

    table = schema.trusted_authorities
    bank.scene.change(table, table.c.id == identity, ChangeKind.TRUST, identity, disabled_at=NOON)

    assert bank.denied(bank.by_tls(holder)) is Fault.CERTIFICATE_UNTRUSTED


def test_a_project_that_does_not_speak_oauth2_gets_no_token(bank: Bank) -> None:
    projects = schema.projects
    bank.scene.change(projects, projects.c.id == PROJECT, ChangeKind.PROJECT, PROJECT, dual=False, type="MTLS")

    assert bank.denied(bank.by_tls()) is Fault.WRONG_KIND


def test_2_1_2_without_a_registered_name_the_own_subject_counts(bank: Bank) -> None:
    bank.granted(bank.by_tls(bank.held("till 8")))


@pytest.mark.parametrize("value", ["CN=till 7", "cn=TILL  7", "2.5.4.3=till 7"])
def test_2_1_2_a_registered_subject_is_compared_as_a_name(bank: Bank, value: str) -> None:
    bank.register(NameKind.SUBJECT_DN, value)

    bank.granted(bank.by_tls())
    assert bank.denied(bank.by_tls(bank.held("till 77"))) is Fault.CERTIFICATE_NAME


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NameKind.SUBJECT_DN, "CN=till"),
        (NameKind.SUBJECT_DN, "CN=till 7,O=Acme"),
        (NameKind.SAN_DNS, "till7.acme.example"),
        (NameKind.SAN_URI, "urn:till:7"),
        (NameKind.SAN_IP, "192.0.2.7"),
        (NameKind.SAN_EMAIL, "till7@acme.example"),
    ],
)
def test_2_1_2_a_certificate_without_the_registered_name_is_refused(bank: Bank, kind: NameKind, value: str) -> None:
    bank.register(kind, value)

    denial = bank.denial(bank.by_tls())

    assert denial.fault is Fault.CERTIFICATE_NAME
    assert value in denial.detail
    assert [each.name for each in steps(denial) if each.ok is False] == ["name"]


def test_2_1_2_a_name_of_the_subject_alternative_name_is_found(bank: Bank) -> None:
    tls = leaf(bank.authority, "till 9", issuance.SERVER_LEAF, hosts=("till9.acme.example",))
    holder = hold(bank.scene, tls)

    bank.register(NameKind.SAN_DNS, "TILL9.acme.example")

    bank.granted(bank.by_tls(holder))
    assert bank.denied(bank.by_tls()) is Fault.CERTIFICATE_NAME


@pytest.mark.parametrize(
    ("form", "authorization", "fault"),
    [
        ({"client_secret": "secret"}, (), Fault.TWO_AUTHENTICATIONS),
        ({}, ("Basic YTpi",), Fault.TWO_AUTHENTICATIONS),
        ({"client_assertion_type": "urn:any"}, (), Fault.ASSERTION),
    ],
)
def test_rfc_6749_2_3_a_client_authenticates_in_one_way(
    bank: Bank, form: dict[str, str], authorization: tuple[str, ...], fault: Fault
) -> None:
    assert bank.denied(bank.by_tls(form=form, authorization=authorization)) is fault


def test_an_assertion_that_fails_is_not_made_good_by_a_certificate(bank: Bank) -> None:
    forged = bank.assertion()[:-8] + "AAAAAAAA"

    assert bank.denied(bank.call(form={"client_assertion": forged}, certificate=bank.holder.der)) is Fault.SIGNATURE


def test_a_certificate_that_changes_while_it_is_looked_at_gets_no_token(bank: Bank) -> None:
    entry = bank.scene.keyring.peek_certificate(bytes.fromhex(bank.holder.thumbprint))
    proof = bank.proof()
    entry.live = False  # type: ignore[union-attr]

    assert bank.denied(bank.by_tls(proofs=(proof,))) is Fault.GATE_CLOSED


# --------------------------------------------------------------------------------------- 3 certificate-bound tokens


def test_3_1_a_token_names_the_certificate_by_x5t_s256(bank: Bank) -> None:
    answer = bank.granted(bank.by_tls())
    payload = jose.parse(answer.access_token).payload
    expected = jose.encode(bytes.fromhex(bank.holder.thumbprint)).decode()

    assert answer.token_type == "Bearer"
    assert f'"cnf":{{"x5t#S256":"{expected}"}}'.encode() in payload
    assert isinstance(bank.present(answer.access_token), Admitted)


def test_3_an_assertion_beside_a_certificate_binds_the_token_to_it(bank: Bank) -> None:
    answer = bank.granted(bank.call(proofs=(), certificate=bank.holder.der))
    claims = claims_of(answer.access_token)

    assert (answer.token_type, claims.key_id) == ("Bearer", bank.client.key_id)
    assert claims.cnf == access_token.bound_to_certificate(bank.holder.der)
    assert isinstance(bank.present(answer.access_token), Admitted)


def test_rfc_9449_5_a_proof_binds_the_token_whatever_the_connection_has(bank: Bank) -> None:
    by_assertion = bank.granted(bank.call(certificate=bank.holder.der))
    by_certificate = bank.granted(bank.by_tls(proofs=(bank.proof(),)))

    for each in (by_assertion, by_certificate):
        assert each.token_type == "DPoP"
        assert claims_of(each.access_token).cnf.x5t_s256 == ""
        shown = bank.holding(each.access_token)
        assert isinstance(bank.send(f"DPoP {each.access_token}", proofs=(shown,)), Admitted)
        assert bank.refused(f"Bearer {each.access_token}", certificate=bank.holder.der).code is Code.TOKEN_BINDING


def test_without_a_proof_and_a_certificate_there_is_no_token(bank: Bank) -> None:
    assert bank.denied(bank.call(proofs=())) is Fault.PROOF_MISSING


def test_a_bad_proof_is_not_made_good_by_a_certificate(bank: Bank) -> None:
    assert bank.denied(bank.by_tls(proofs=(bank.proof(htm="GET"),))) is Fault.PROOF
    assert bank.denied(bank.by_tls(proofs=("",))) is Fault.PROOF_MISSING


def test_a_proof_is_used_once_also_by_a_tls_client(bank: Bank) -> None:
    proof = bank.proof()
    bank.granted(bank.by_tls(proofs=(proof,)))

    assert bank.denied(bank.by_tls(proofs=(proof,))) is Fault.PROOF_REPLAYED


def test_no_token_is_bound_to_a_certificate_that_is_not_the_clients_own(bank: Bank) -> None:
    stranger, other = leaf(bank.authority, "stranger"), bank.held("till 8", client_id="other")
    lost = bank.held("till 9", status="REVOKED", revoked_at=NOON)

    for each in (stranger, other, lost):
        denial = bank.denial(bank.call(proofs=(), certificate=each.der))
        assert denial.fault is Fault.BINDING
        assert [step.name for step in steps(denial) if step.ok is False] == ["binding"]


def test_3_another_certificate_does_not_open_what_a_token_is_bound_to(bank: Bank) -> None:
    token = bank.tls_token()
    for each in (bank.held("till 8"), reissued(bank.holder, bank.authority)):
        refused = bank.present(token, each)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.status) == (Code.TOKEN_BINDING, 401)
        assert bank.challenge(refused) == 'Bearer error="invalid_token", DPoP algs="PS256 ES256"'


def test_3_without_a_certificate_a_token_opens_nothing(bank: Bank) -> None:
    token = bank.tls_token()
    refused = bank.present(token, certificate=b"")

    assert refused.code is Code.TOKEN_BINDING
    assert refused.description == "The token is bound to a certificate: connect with it."
    assert bank.challenge(refused).startswith('Bearer error="invalid_token"')
    explained = explain(refused)
    assert explained is not None
    assert [each.name for each in explained.steps if each.ok is False] == ["binding"]


def test_3_a_new_certificate_for_the_same_key_needs_a_new_token(bank: Bank) -> None:
    token = bank.tls_token()
    again = hold(bank.scene, reissued(bank.holder, bank.authority))

    assert bank.present(token, again).code is Code.TOKEN_BINDING
    assert isinstance(bank.present(bank.tls_token(again), again), Admitted)


def test_a_token_bound_to_a_certificate_is_not_taken_with_a_proof_in_its_place(bank: Bank) -> None:
    token = bank.tls_token()

    refused = bank.present(token, scheme="DPoP", proofs=(bank.holding(token),))

    assert refused.code is Code.TOKEN_BINDING


def test_a_token_bound_to_a_certificate_is_shown_as_often_as_needed(bank: Bank) -> None:
    token = bank.tls_token()

    assert all(isinstance(bank.present(token, scheme=each), Admitted) for each in ("Bearer", "bearer", "BEARER"))


# ------------------------------------------------------------------------------------------------ the end of a token


@pytest.mark.parametrize("bound", ["certificate", "proof"])
def test_tokens_die_with_the_certificate_that_fetched_them(bank: Bank, bound: str) -> None:
    proofs = (bank.proof(),) if bound == "proof" else ()
    token = bank.tls_token(proofs=proofs)
    assert isinstance(show(bank, token, bound), Admitted)
    assert bank.good(token) is not None

    bank.revoke(bank.holder)

    assert show(bank, token, bound).code is Code.TOKEN_REVOKED
    assert bank.good(token) is None


def show(bank: Bank, token: str, bound: str) -> Any:
    if bound == "proof":
        return bank.send(f"DPoP {token}", proofs=(bank.holding(token),))
    return bank.present(token)


def test_a_token_of_a_key_dies_with_the_certificate_that_it_is_bound_to(bank: Bank) -> None:
    token = bank.granted(bank.call(proofs=(), certificate=bank.holder.der)).access_token
    assert isinstance(bank.present(token), Admitted)
    assert bank.good(token) is not None

    bank.revoke(bank.holder)

    assert bank.present(token).code is Code.TOKEN_REVOKED
    assert bank.good(token) is None


def test_a_token_that_is_bound_to_a_certificate_dies_with_the_key_that_fetched_it(bank: Bank) -> None:
    token = bank.granted(bank.call(proofs=(), certificate=bank.holder.der)).access_token
    credentials = schema.credentials
    bank.scene.change(
        credentials,
        credentials.c.id == bank.client.key_id,
        ChangeKind.CREDENTIAL,
        bank.client.key_id,
        status="REVOKED",
        revoked_at=NOON,
    )

    assert bank.present(token).code is Code.TOKEN_REVOKED
    assert bank.good(token) is None


def test_tokens_die_with_the_trust_in_an_authority(bank: Bank) -> None:
    others = issuing("Others")
    identity = foreign(bank.scene, others)
    holder = hold(bank.scene, leaf(others, "till 8"), trusted_authority_id=identity)
    token = bank.tls_token(holder)
    assert isinstance(bank.present(token, holder), Admitted)

    table = schema.trusted_authorities
    bank.scene.change(table, table.c.id == identity, ChangeKind.TRUST, identity, disabled_at=NOON)

    assert bank.present(token, holder).code is Code.TOKEN_REVOKED
    assert bank.good(token) is None


def test_a_call_that_began_before_the_revocation_is_looked_at_last(bank: Bank) -> None:
    token = bank.tls_token()
    look, moments = bank.scene.freshness.look, iter(["the first"])

    def revoked_meanwhile() -> None:
        if next(moments, None) is not None:
            bank.revoke(bank.holder)
        look()

    bank.scene.freshness.look = revoked_meanwhile  # type: ignore[method-assign]

    assert bank.present(token).code is Code.TOKEN_REVOKED


def test_a_client_revokes_its_token_by_its_certificate(bank: Bank) -> None:
    call = bank.by_tls(form={"grant_type": None, "token": bank.tls_token()})
    parameters = {"client_id": CLIENT_ID, "token": "t"}

    record = asyncio.run(bank.server.authenticate(call, parameters, clock=bank.scene.clock.now))

    assert record.key_id == bank.holder.credential_id
    with pytest.raises(Denied) as denied:
        asyncio.run(bank.server.authenticate(call, {"client_id": "other"}, clock=bank.scene.clock.now))
    assert denied.value.fault is Fault.CERTIFICATE_CLIENT
    assert denied.value.record is not None


def test_what_a_certificate_may_call_is_what_its_project_may(bank: Bank) -> None:
    token = bank.tls_token(form={"scope": "orders:read"})

    assert bank.present(token).code is Code.INSUFFICIENT_SCOPE
    assert bank.present(bank.tls_token(), target="/vault/1").code is Code.NOT_ENTITLED
    assert isinstance(bank.present(bank.tls_token(form={"scope": "payments:pay"})), Admitted)


def test_the_identity_of_a_call_names_the_certificate(bank: Bank) -> None:
    identity = bank.present(bank.tls_token()).identity

    assert (identity.key_id, identity.certificate_sha256) == (bank.holder.credential_id, bank.holder.thumbprint)
