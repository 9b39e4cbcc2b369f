"""Single sign-on: whom a provider's word signs in, links, and makes; and a provider, or somebody between, that lies."""

import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.actions.proofs import PASSWORD, VISITOR, race
from tests.actions.stage import OPERATOR, Stage
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, HostileProvider, b64u

from credenza.actions import identities, invitations, passwords, people, sessions, single_sign_on
from credenza.actions.single_sign_on import Arrived, Departed, parse_answer
from credenza.adapters.openid import LARGEST_ANSWER, Client, OpenIdProvider
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, OrganizationRole, Session, SignInMethod, User
from credenza.store import schema

DOMAINS = frozenset({"example.org"})


@pytest.fixture
def hostile(stage: Stage) -> Iterator[HostileProvider]:
    with HostileProvider(lambda: stage.now) as provider:
        yield provider


@pytest.fixture
def provider(hostile: HostileProvider) -> Iterator[OpenIdProvider]:
    client = Client(hostile.issuer, CLIENT_ID, CLIENT_SECRET)
    provider = OpenIdProvider(client, name="Example", allowed_domains=DOMAINS)
    yield provider
    provider.close()


@pytest.fixture
def ann(stage: Stage) -> User:
    return people.create_user(stage.platform, OPERATOR, email="ann@example.org", name="Ann", now=stage.now)


class Trip:
    """One browser's way to the provider and back."""

    def __init__(self, stage: Stage, hostile: HostileProvider, provider: OpenIdProvider) -> None:
        self.stage, self.hostile, self.provider = stage, hostile, provider

    def leave(self, next_path: str = "/inbox") -> Departed:
        return self.stage.looked(single_sign_on.begin, self.provider, next_path)

    def arrive(self, departed: Departed | None = None, **wrong: str) -> Arrived:
        departed = departed or self.leave()
        answer = parse_answer(self.hostile.approve(departed.url) | wrong)
        return single_sign_on.finish(
            self.stage.platform, self.provider, departed.sealed, answer, VISITOR, now=self.stage.now
        )

    def refused(self, departed: Departed | None = None, **wrong: str) -> Refusal:
        """See that it is refused and that not a row has changed, the audit log's included."""
        departed = departed or self.leave()
        before = self.stage.dump()
        with pytest.raises(Refusal) as refused:
            self.arrive(departed, **wrong)
        assert self.stage.dump() == before
        return refused.value


@pytest.fixture
def trip(stage: Stage, hostile: HostileProvider, provider: OpenIdProvider) -> Trip:
    return Trip(stage, hostile, provider)


def actions_of(stage: Stage, before: dict[Any, Any]) -> list[tuple[str, str, str]]:
    return sorted(stage.new_traces(before))


# --------------------------------------------------------------------------------------------------- whom it signs in


def test_the_first_time_an_address_is_linked_and_then_the_subject_alone_counts(
    stage: Stage, trip: Trip, ann: User
) -> None:
    before = stage.traces()
    arrived = trip.arrive()

    assert (arrived.begun.session.user, arrived.begun.session.method) == (ann, SignInMethod.SSO)
    assert arrived.next == "/inbox"
    assert actions_of(stage, before) == [("identity.link", "done", ""), ("session.begin", "done", "")]
    trip.hostile.claims |= {"email": "renamed@elsewhere.example", "email_verified": False}
    before = stage.traces()
    assert trip.arrive().begun.session.user == ann
    assert actions_of(stage, before) == [("session.begin", "done", "")]


def browser_of(stage: Stage, arrived: Arrived) -> Actor:
    return sessions.actor_of(arrived.begun.session, address="192.0.2.7", now=stage.now)


def test_an_account_is_listed_and_unlinked_while_there_is_another_way_in(
    stage: Stage, trip: Trip, hostile: HostileProvider, ann: User
) -> None:
    actor = browser_of(stage, trip.arrive())
    (linked,) = stage.looked(identities.list_own, actor)
    assert (linked.issuer, linked.created_at) == (hostile.issuer, stage.now)
    stage.refused("identity.unlink", Code.INVALID, identities.unlink, actor, hostile.issuer)
    passwords.set_password(stage.platform, actor, "", PASSWORD, now=stage.now)

    stage.done("identity.unlink", identities.unlink, actor, hostile.issuer)

    assert stage.looked(identities.list_own, actor) == ()
    stage.refused("identity.unlink", Code.NOT_FOUND, identities.unlink, actor, hostile.issuer)


def test_an_access_token_sees_and_unlinks_no_accounts(stage: Stage) -> None:
    actor = stage.member(stage.organization()).actor

    stage.refused("identity.list", Code.FORBIDDEN, identities.list_own, actor)
    stage.refused("identity.unlink", Code.FORBIDDEN, identities.unlink, actor, "https://provider.example.com")


def test_an_invited_address_becomes_a_user_with_what_the_invitation_says(stage: Stage, trip: Trip) -> None:
    organizations = [stage.organization(), stage.organization()]
    for each in organizations:
        role = OrganizationRole.COMPLIANCE_ADMIN
        invitations.invite(stage.platform, OPERATOR, each.id, email="new@example.org", role=role, now=stage.now)
    trip.hostile.claims |= {"email": "New@Example.org", "name": "New Person"}
    before = stage.traces()

    arrived = trip.arrive()

    user = arrived.begun.session.user
    assert (user.email, user.name) == ("new@example.org", "New Person")
    for each in organizations:
        (member,) = people.list_members(stage.platform, OPERATOR, each.id, now=stage.now)
        assert (member.user, member.role) == (user, OrganizationRole.COMPLIANCE_ADMIN)
    done = [action for action, outcome, _ in actions_of(stage, before) if outcome == "done"]
    assert done == ["identity.link", "invitation.accept", "invitation.accept", "session.begin"]


def test_nobody_is_made_without_an_invitation(stage: Stage, trip: Trip) -> None:
    place = stage.organization()
    invited = invitations.invite(
        stage.platform, OPERATOR, place.id, email="ann@example.org", role=OrganizationRole.USER, now=stage.now
    )
    invitations.withdraw(stage.platform, OPERATOR, place.id, invited.invitation.id, now=stage.now)

    assert "Ask an admin" in trip.refused().message
    assert stage.rows(schema.users) == []


def test_an_invitation_that_is_over_makes_nobody(stage: Stage, trip: Trip) -> None:
    place = stage.organization()
    invitations.invite(
        stage.platform, OPERATOR, place.id, email="ann@example.org", role=OrganizationRole.USER, now=stage.now
    )
    stage.clock.advance(invitations.LIVES)

    trip.refused()


@pytest.mark.parametrize(
    ("claims", "part"),
    [
        pytest.param({"email_verified": False}, "not verified", id="not verified"),
        pytest.param({"email_verified": None}, "not verified", id="not said whether"),
        pytest.param({"email": "ann@example.org.evil.example"}, "not of a domain", id="another domain"),
        pytest.param({"email": "ann@sub.example.org"}, "not of a domain", id="a domain below"),
        pytest.param({"email": "ann@evil.example@example.org"}, "not a mail address", id="two at signs"),
        pytest.param({"email": None}, "does not tell", id="no address"),
    ],
)
def test_an_address_that_the_provider_cannot_vouch_for_is_not_linked(
    trip: Trip, ann: User, claims: dict[str, Any], part: str
) -> None:
    trip.hostile.claims |= claims
    trip.hostile.userinfo = {"sub": trip.hostile.claims["sub"]}

    assert part in trip.refused().message


def test_an_address_that_another_person_was_given_does_not_sign_in_as_the_first(
    stage: Stage, trip: Trip, ann: User
) -> None:
    trip.arrive()
    trip.hostile.claims["sub"] = "the new owner of the address"
    departed, before = trip.leave(), stage.traces()

    with pytest.raises(Refusal, match="another account"):
        trip.arrive(departed)

    assert actions_of(stage, before) == [("identity.link", "refused", "unauthenticated")]


def test_a_disabled_user_is_not_signed_in_linked_or_not(stage: Stage, trip: Trip, ann: User) -> None:
    people.disable_user(stage.platform, OPERATOR, ann.email, now=stage.now)
    before = stage.traces()
    with pytest.raises(Refusal, match="disabled"):
        trip.arrive()
    assert actions_of(stage, before) == [("identity.link", "refused", "unauthenticated")]
    assert stage.rows(schema.identities) == []


def test_a_linked_user_who_is_disabled_is_not_signed_in(stage: Stage, trip: Trip, ann: User) -> None:
    trip.arrive()
    people.disable_user(stage.platform, OPERATOR, ann.email, now=stage.now)
    before = stage.traces()

    with pytest.raises(Refusal, match="cannot be signed in to"):
        trip.arrive()

    assert actions_of(stage, before) == [("session.begin", "refused", "unauthenticated")]


# ------------------------------------------------------------------------------------------ the browser and its state


def test_what_is_asked_of_the_provider(stage: Stage, trip: Trip) -> None:
    departed = trip.leave()
    asked = {name: value for name, (value,) in parse_qs(urlsplit(departed.url).query).items()}

    assert departed.url.startswith(f"{trip.hostile.issuer}/auth?")
    assert asked["redirect_uri"] == f"{stage.platform.public_url}/sign-in/sso/callback"
    assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert "openid" in asked["scope"].split()
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert min(len(asked["state"]), len(asked["nonce"])) == 43  # 256 bits
    assert asked["state"] not in departed.sealed
    assert departed.sealed not in repr(departed)


def test_an_answer_counts_in_the_browser_that_asked_alone(trip: Trip, ann: User) -> None:
    own, other = trip.leave(), trip.leave()
    answer = trip.hostile.approve(own.url)

    for sealed in (other.sealed, "", "x", "A" * 60, "é" * 60, "A" * 5000, own.sealed[:-8] + "AAAAAAAA"):
        with pytest.raises(Refusal) as refused:
            single_sign_on.finish(
                trip.stage.platform, trip.provider, sealed, parse_answer(answer), VISITOR, now=trip.stage.now
            )
        assert refused.value.code is Code.UNAUTHENTICATED
    assert trip.hostile.tokens_asked == []  # nothing was taken to the provider


def test_an_answer_counts_once(stage: Stage, trip: Trip, ann: User) -> None:
    departed = trip.leave()
    trip.arrive(departed)
    before = stage.traces()

    with pytest.raises(Refusal):  # even when the provider would take it
        trip.arrive(departed)

    assert actions_of(stage, before) == [("session.begin", "refused", "unauthenticated")]


def test_a_code_counts_once(trip: Trip, ann: User) -> None:
    departed = trip.leave()
    answer = parse_answer(trip.hostile.approve(departed.url))
    finish = partial(
        single_sign_on.finish, trip.stage.platform, trip.provider, departed.sealed, answer, VISITOR, now=trip.stage.now
    )

    assert race(*[finish] * 4) == {"done": 1, "unauthenticated": 3}


def test_an_answer_after_ten_minutes_counts_no_more(trip: Trip, ann: User) -> None:
    departed = trip.leave()
    trip.stage.clock.advance(timedelta(minutes=10))

    trip.refused(departed)


def test_what_another_installation_or_provider_sealed_is_not_opened(trip: Trip, ann: User) -> None:
    departed = trip.leave()
    trip.provider.issuer = "https://other.example.com"

    trip.refused(departed)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"state": "another"}, id="another state"),
        pytest.param({"state": ""}, id="no state"),
        pytest.param({"code": ""}, id="no code"),
        pytest.param({"code": "made up"}, id="a made-up code"),
        pytest.param({"error": "access_denied"}, id="an error"),
        pytest.param({"iss": "https://evil.example.com"}, id="an answer of another provider (RFC 9207)"),
        pytest.param({"iss": ""}, id="no iss, though the provider sends one"),
    ],
)
def test_an_answer_is_refused(trip: Trip, ann: User, wrong: dict[str, str]) -> None:
    assert trip.refused(**wrong).code is Code.UNAUTHENTICATED


def test_a_provider_that_does_not_send_iss_need_not(trip: Trip, ann: User) -> None:
    trip.hostile.metadata["authorization_response_iss_parameter_supported"] = False

    trip.arrive(iss="")
    with pytest.raises(Refusal):
        trip.arrive(iss="https://evil.example.com")


# --------------------------------------------------------------------------------------------------------- confirming


class Confirmation:
    """Somebody signed in through the provider who goes there once more."""

    def __init__(self, trip: Trip) -> None:
        self.trip, self.stage = trip, trip.stage
        self.begun = trip.arrive().begun
        self.stage.clock.advance(timedelta(minutes=20))

    def leave(self) -> Departed:
        return single_sign_on.begin_confirming(
            self.stage.platform, self.trip.provider, self.begun.session, "/account", now=self.stage.now
        )

    def finish(self, session: Session | None, departed: Departed | None = None) -> Arrived:
        departed = departed or self.leave()
        answer = parse_answer(self.trip.hostile.approve(departed.url))
        place = (self.stage.platform, self.trip.provider, departed.sealed, answer, VISITOR)
        return single_sign_on.finish(*place, session=session, now=self.stage.now)

    def refused(self, session: Session | None, departed: Departed | None = None) -> None:
        before = self.stage.dump()
        with pytest.raises(Refusal) as refused:
            self.finish(session, departed)
        assert refused.value.code is Code.UNAUTHENTICATED
        assert self.stage.dump() == before


@pytest.fixture
def confirmation(trip: Trip, ann: User) -> Confirmation:
    return Confirmation(trip)


def test_the_provider_confirms_who_it_is_by_asking_again(stage: Stage, confirmation: Confirmation) -> None:
    departed = confirmation.leave()
    assert "max_age=0" in urlsplit(departed.url).query.split("&")
    times(auth_time=0)(confirmation.trip.hostile)
    before = stage.traces()

    arrived = confirmation.finish(confirmation.begun.session, departed)

    assert (arrived.begun.session.id, arrived.begun.session.proven_at) == (confirmation.begun.session.id, stage.now)
    assert arrived.next == "/account"
    assert sessions.find(stage.platform, confirmation.begun.token, now=stage.now) is None
    assert actions_of(stage, before) == [("session.begin", "done", "")]


@pytest.mark.parametrize("auth_time", [None, -61, True])
def test_a_provider_that_has_not_asked_again_confirms_nothing(
    confirmation: Confirmation, auth_time: int | None
) -> None:
    if auth_time is not None:
        times(auth_time=auth_time)(confirmation.trip.hostile)
    if auth_time is True:
        confirmation.trip.hostile.claims["auth_time"] = True

    confirmation.refused(confirmation.begun.session)


def test_another_account_confirms_nothing(stage: Stage, confirmation: Confirmation) -> None:
    times(auth_time=0)(confirmation.trip.hostile)
    confirmation.trip.hostile.claims["sub"] = "somebody else"
    confirmation.refused(confirmation.begun.session)
    people.create_user(stage.platform, OPERATOR, email="bob@example.org", name="Bob", now=stage.now)
    confirmation.trip.hostile.claims["email"] = "bob@example.org"
    bob = confirmation.trip.arrive().begun.session

    confirmation.refused(confirmation.begun.session)
    confirmation.refused(bob)
    confirmation.refused(None)


def test_a_sign_in_confirms_nothing_and_a_confirmation_signs_nobody_in(
    stage: Stage, confirmation: Confirmation
) -> None:
    times(auth_time=0)(confirmation.trip.hostile)

    confirmation.refused(None)
    signed_in = confirmation.finish(confirmation.begun.session, confirmation.trip.leave())

    assert signed_in.begun.session.id != confirmation.begun.session.id
    assert sessions.find(stage.platform, confirmation.begun.token, now=stage.now) == confirmation.begun.session


# --------------------------------------------------------------------------------------------------------- the token


def hs256_with_the_public_key(hostile: HostileProvider) -> None:
    secret = json.dumps(hostile.jwk()).encode()
    hostile.header["alg"] = "HS256"
    hostile.sign = lambda message: hmac.digest(secret, message, hashlib.sha256)


def no_signature(hostile: HostileProvider) -> None:
    hostile.header = {"alg": "none"}
    hostile.sign = lambda _message: b""


def another_key(hostile: HostileProvider) -> None:
    other = HostileProvider(hostile.now)
    hostile.sign = other.rs256


def key_in_the_header(hostile: HostileProvider) -> None:
    other = HostileProvider(hostile.now)
    hostile.header |= {"jwk": other.jwk(), "jku": f"{hostile.issuer}/evil", "kid": "two"}
    hostile.sign = other.rs256


def pss_for_pkcs1(hostile: HostileProvider) -> None:
    """The provider uses both, but not with this key."""
    hostile.metadata["id_token_signing_alg_values_supported"] = ["RS256", "PS256"]
    hostile.header["alg"] = "PS256"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    hostile.sign = lambda message: hostile.key.sign(message, pss, hashes.SHA256())


def unannounced_algorithm(hostile: HostileProvider) -> None:
    hostile.metadata["id_token_signing_alg_values_supported"] = ["ES256", "none", "HS256"]


def critical_extension(hostile: HostileProvider) -> None:
    hostile.header |= {"crit": ["b64"], "b64": False}


def claims(**wrong: Any) -> Callable[[HostileProvider], None]:
    def tell(hostile: HostileProvider) -> None:
        hostile.claims |= wrong

    return tell


def times(**seconds: int) -> Callable[[HostileProvider], None]:
    def tell(hostile: HostileProvider) -> None:
        hostile.claims |= {name: int(hostile.now().timestamp()) + value for name, value in seconds.items()}

    return tell


@pytest.mark.parametrize(
    "lie",
    [
        no_signature,
        hs256_with_the_public_key,
        another_key,
        key_in_the_header,
        pss_for_pkcs1,
        unannounced_algorithm,
        critical_extension,
        pytest.param(claims(nonce="of another sign-in"), id="another nonce"),
        pytest.param(claims(nonce=None), id="no nonce"),
        pytest.param(claims(aud="another client"), id="another audience"),
        pytest.param(claims(aud=[]), id="no audience"),
        pytest.param(claims(aud=[CLIENT_ID, "another"], azp="another"), id="authorized for another party"),
        pytest.param(claims(aud=[CLIENT_ID, "another"]), id="two audiences and no authorized party"),
        pytest.param(claims(iss="https://evil.example.com"), id="another issuer"),
        pytest.param(claims(sub=None), id="no subject"),
        pytest.param(claims(sub=""), id="an empty subject"),
        pytest.param(claims(sub="x" * 256), id="a long subject"),
        pytest.param(claims(sub=7), id="a subject that is a number"),
        pytest.param(claims(exp=None), id="no end"),
        pytest.param(claims(exp="tomorrow"), id="an end that is no number"),
        pytest.param(claims(iat=None), id="no beginning"),
        pytest.param(times(iat=-1000, exp=-61), id="expired"),
        pytest.param(times(iat=61), id="of the future"),
        pytest.param(times(nbf=61), id="not yet valid"),
        pytest.param(claims(email={"not": "text"}), id="an address that is no text"),
    ],
)
def test_a_token_that_does_not_prove_it_signs_nobody_in(
    trip: Trip, ann: User, lie: Callable[[HostileProvider], None]
) -> None:
    lie(trip.hostile)

    refused = trip.refused()

    assert refused.code is Code.UNAUTHENTICATED
    assert "does not prove" in refused.message


def test_clocks_may_differ_by_a_minute(trip: Trip, ann: User) -> None:
    times(iat=59, exp=-59)(trip.hostile)

    assert trip.arrive().begun.session.user == ann


def test_a_token_signed_with_es256_is_taken_when_the_provider_says_so(trip: Trip, ann: User) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64u(point.x.to_bytes(32)), "y": b64u(point.y.to_bytes(32))}
    trip.hostile.metadata["id_token_signing_alg_values_supported"] = ["ES256"]
    trip.hostile.raw["/jwks"] = (200, json.dumps({"keys": [jwk, trip.hostile.jwk(), {"kty": "unknown"}]}).encode())
    trip.hostile.header = {"alg": "ES256", "kid": "ec"}

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    trip.hostile.sign = sign

    assert trip.arrive().begun.session.user == ann


def test_a_weak_key_of_the_provider_is_not_used(trip: Trip, ann: User) -> None:
    weak = trip.hostile.jwk() | {"n": b64u(b"\xff" * 127 + b"\x01")}
    trip.hostile.raw["/jwks"] = (200, json.dumps({"keys": [weak]}).encode())

    assert "does not prove" in trip.refused().message


def test_two_keys_that_fit_are_one_too_many(trip: Trip, ann: User) -> None:
    trip.hostile.raw["/jwks"] = (200, json.dumps({"keys": [trip.hostile.jwk()] * 2}).encode())

    trip.refused()


def test_a_new_key_is_fetched_when_it_is_first_seen_and_an_invented_one_once_a_minute(trip: Trip, ann: User) -> None:
    trip.arrive()
    old = trip.hostile.key
    trip.hostile.header["kid"] = "invented"
    for _ in range(3):
        trip.refused()
    assert trip.hostile.asked.count("/jwks") == 1
    trip.stage.clock.advance(timedelta(minutes=1))
    for _ in range(3):
        trip.refused()
    assert trip.hostile.asked.count("/jwks") == 2

    trip.stage.clock.advance(timedelta(minutes=1))
    trip.hostile.key = HostileProvider(trip.hostile.now).key
    trip.hostile.raw["/jwks"] = (200, json.dumps({"keys": [trip.hostile.jwk() | {"kid": "invented"}]}).encode())

    assert trip.arrive().begun.session.user == ann
    assert trip.hostile.key is not old


def test_metadata_and_keys_are_asked_once_an_hour(trip: Trip, ann: User) -> None:
    trip.arrive()
    trip.arrive()
    assert trip.hostile.asked.count("/.well-known/openid-configuration") == 1
    trip.stage.clock.advance(timedelta(hours=1))
    trip.arrive()
    assert trip.hostile.asked.count("/.well-known/openid-configuration") == 2


# ------------------------------------------------------------------------------------------- the provider's endpoints


def test_the_client_proves_itself_as_the_provider_asks(trip: Trip, ann: User) -> None:
    trip.arrive()
    (sent, authorization), *_ = trip.hostile.tokens_asked
    assert b64decode(authorization.removeprefix("Basic ")).decode() == "credenza+desk:a+secret%3A+100%25+%2B+more"
    assert "client_secret" not in sent

    trip.stage.clock.advance(timedelta(hours=1))
    trip.hostile.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    trip.arrive()
    sent, authorization = trip.hostile.tokens_asked[-1]
    assert (sent["client_id"], sent["client_secret"], authorization) == (CLIENT_ID, CLIENT_SECRET, "")


def test_a_public_client_names_itself_only(stage: Stage, hostile: HostileProvider, ann: User) -> None:
    provider = OpenIdProvider(Client(hostile.issuer, CLIENT_ID), name="Example", allowed_domains=DOMAINS)

    Trip(stage, hostile, provider).arrive()
    provider.close()

    sent, authorization = hostile.tokens_asked[-1]
    assert (sent["client_id"], authorization) == (CLIENT_ID, "")


def test_an_address_may_be_at_the_userinfo_endpoint_alone_and_of_the_same_subject(trip: Trip, ann: User) -> None:
    trip.hostile.claims |= {"email": None, "email_verified": None}
    trip.hostile.userinfo = {"sub": "somebody else", "email": "ann@example.org", "email_verified": True}
    assert "does not prove" in trip.refused().message
    trip.hostile.userinfo["sub"] = trip.hostile.claims["sub"]

    assert trip.arrive().begun.session.user == ann


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, b""), id="an error"),
        pytest.param((200, b"<html>"), id="no JSON"),
        pytest.param((200, b"[]"), id="another JSON"),
        pytest.param((200, b'{"keys": [], "keys": []}'), id="a member twice"),
    ],
)
def test_a_provider_that_answers_nonsense_is_away(trip: Trip, path: str, answer: tuple[int, bytes]) -> None:
    trip.hostile.raw[path] = answer

    with pytest.raises(Refusal, match="cannot be reached") as refused:
        single_sign_on.begin(trip.stage.platform, trip.provider, "/", now=trip.stage.now)

    assert refused.value.code is Code.BUSY


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
def test_what_a_provider_answers_elsewhere_or_at_too_great_length_is_not_read(trip: Trip, path: str) -> None:
    _, true = trip.hostile.get(path)
    trip.hostile.raw["/moved"] = (200, true)
    long = true.rstrip(b"}") + b', "x": "' + b"x" * LARGEST_ANSWER + b'"}'

    for answer in ((302, b"/moved"), (200, long)):
        trip.hostile.raw[path] = answer
        with pytest.raises(Refusal, match="cannot be reached"):
            single_sign_on.begin(trip.stage.platform, trip.provider, "/", now=trip.stage.now)
        trip.stage.clock.advance(timedelta(seconds=10))
    trip.hostile.raw[path] = (200, true)
    trip.leave()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example.com"},
        {"token_endpoint": "http://evil.example.com/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "http://169.254.169.254/latest"},
    ],
)
def test_metadata_that_leads_elsewhere_is_not_followed(trip: Trip, metadata: dict[str, str]) -> None:
    trip.hostile.metadata |= metadata

    with pytest.raises(Refusal, match="cannot be reached"):
        single_sign_on.begin(trip.stage.platform, trip.provider, "/", now=trip.stage.now)


def test_a_provider_that_is_down_is_told_and_tried_again(stage: Stage, ann: User) -> None:
    with HostileProvider(lambda: stage.now) as gone:
        client = Client(gone.issuer, CLIENT_ID)
    provider = OpenIdProvider(client, name="Example", allowed_domains=DOMAINS)

    with pytest.raises(Refusal) as refused:
        single_sign_on.begin(stage.platform, provider, "/", now=stage.now)
    provider.close()

    assert refused.value.message == "Example cannot be reached just now. Try again later, or sign in another way."


def test_a_provider_that_trickles_is_cut_off(stage: Stage, hostile: HostileProvider) -> None:
    client, deadline = Client(hostile.issuer, CLIENT_ID), timedelta(seconds=0.2)
    provider = OpenIdProvider(client, name="Example", allowed_domains=DOMAINS, deadline=deadline)
    hostile.trickling = {"/.well-known/openid-configuration"}

    with pytest.raises(Refusal, match="cannot be reached"):
        single_sign_on.begin(stage.platform, provider, "/", now=stage.now)
    provider.close()


def test_a_provider_that_is_away_is_asked_every_ten_seconds_alone(stage: Stage, trip: Trip) -> None:
    path = "/.well-known/openid-configuration"
    trip.hostile.raw[path] = (503, b"")
    for _ in range(3):
        with pytest.raises(Refusal, match="cannot be reached"):
            single_sign_on.begin(stage.platform, trip.provider, "/", now=stage.now)
    assert trip.hostile.asked.count(path) == 1
    del trip.hostile.raw[path]
    stage.clock.advance(timedelta(seconds=10))

    trip.leave()


def test_what_a_clock_that_was_a_year_ahead_has_noted_of_a_provider_is_asked_anew(stage: Stage, trip: Trip) -> None:
    path, right = "/.well-known/openid-configuration", stage.now
    trip.hostile.raw[path] = (503, b"")
    stage.clock.advance(timedelta(days=365))
    with pytest.raises(Refusal, match="cannot be reached"):
        single_sign_on.begin(stage.platform, trip.provider, "/", now=stage.now)
    del trip.hostile.raw[path]

    stage.clock.set(right)
    trip.leave()
    stage.clock.advance(timedelta(days=365))
    trip.leave()
    stage.clock.set(right)
    trip.leave()

    assert trip.hostile.asked.count(path) == 4


def test_a_provider_that_goes_down_on_the_way_is_told(trip: Trip, ann: User) -> None:
    departed = trip.leave()
    trip.hostile.raw["/token"] = (503, b"")

    assert trip.refused(departed).code is Code.BUSY
    del trip.hostile.raw["/token"]

    assert sessions.find(trip.stage.platform, trip.arrive(departed).begun.token, now=trip.stage.now) is not None
