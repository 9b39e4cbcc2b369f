"""The catalog: what the platform offers, and where the gate finds it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage

from credenza.actions import project_services, services
from credenza.actions.services import NewService
from credenza.domain.catalog import CatalogEntry, Permission, ScopeLevel
from credenza.domain.errors import Code
from credenza.domain.model import AuthenticationType, ServiceId, ServiceStatus
from credenza.protocol import payload_rules
from credenza.store.schema import changes


def new(stage: Stage, **fields: Any) -> NewService:
    return replace(
        NewService("Cards", AuthenticationType.DUAL_OAUTH, "About cards", (stage.place(), stage.place(PRODUCTION))),
        **fields,
    )


def test_a_service_is_created_announced_and_listed(stage: Stage) -> None:
    made = stage.done("service.create", services.create, OPERATOR, wanted := new(stage))

    assert (made.name, made.authentication, made.status) == ("Cards", AuthenticationType.DUAL_OAUTH, ServiceStatus.LIVE)
    assert made.environments == wanted.environments
    assert stage.looked(services.list_live, OPERATOR) == (made,)
    assert [(row.kind, row.subject) for row in stage.rows(changes)] == [("catalog", str(made.id))]


def test_the_name_of_a_service_can_be_shown(stage: Stage) -> None:
    made = stage.done("service.create", services.create, OPERATOR, new(stage))
    unfit = new(stage, name="two\nlines")

    assert stage.refused("service.create", Code.INVALID, services.create, OPERATOR, unfit).field == "name"
    assert stage.refused("service.change", Code.INVALID, services.change, OPERATOR, made.id, unfit).field == "name"


def test_everybody_may_look_at_the_catalog_and_only_operators_change_it(shop: Shop) -> None:
    stage, actor = shop.stage, shop.owner.actor
    (service,) = stage.looked(services.list_live, actor)

    stage.refused("service.create", Code.FORBIDDEN, services.create, actor, new(stage))
    stage.refused("service.change", Code.FORBIDDEN, services.change, actor, service.id, new(stage))
    stage.refused("service.change", Code.FORBIDDEN, services.retire, actor, service.id)


JWE = '{"encryption": {"mode": "JWE"}}'


def test_what_is_said_of_payloads_is_kept_with_every_property(stage: Stage) -> None:
    place = stage.place(payload_rules=JWE)
    made = stage.done("service.create", services.create, OPERATOR, new(stage, environments=(place,)))

    assert made.environments[0].payload_rules == payload_rules.write(payload_rules.parse(JWE))
    assert stage.looked(services.list_live, OPERATOR) == (made,)


def test_payload_rules_are_set_and_taken_back_in_one_environment(stage: Stage) -> None:
    made = stage.done("service.create", services.create, OPERATOR, new(stage))

    said = stage.done("service.change", services.set_payload_rules, OPERATOR, made.id, PRODUCTION, JWE)
    assert [each.payload_rules is None for each in said.environments] == [True, False]
    assert stage.looked(services.list_live, OPERATOR) == (said,)

    assert stage.done("service.change", services.set_payload_rules, OPERATOR, made.id, PRODUCTION, None) == made
    # The first rules bring the keys that sign answers.
    assert [row.kind for row in stage.rows(changes)] == ["catalog", "issuer", "issuer", "catalog", "catalog"]


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ("", "payloadRules"),
        ("[]", "payloadRules"),
        ('{"encryption": {"mode": "ROT13"}}', "payloadRules.encryption.mode"),
        ('{"encryptoin": {}}', "payloadRules"),
        ('{"signature": {"graceS": -1}}', "payloadRules.signature.graceS"),
    ],
)
def test_payload_rules_that_cannot_be_used(stage: Stage, rules: str, field: str) -> None:
    made = stage.done("service.create", services.create, OPERATOR, new(stage))
    place = stage.place(payload_rules=rules)

    refusal = stage.refused(
        "service.change", Code.INVALID, services.set_payload_rules, OPERATOR, made.id, SANDBOX, rules
    )
    assert refusal.field == field
    wanted = new(stage, name="Other", environments=(place,))
    stage.refused("service.create", Code.INVALID, services.create, OPERATOR, wanted)


def test_a_change_that_says_nothing_of_payloads_does_not_take_their_rules_away(stage: Stage) -> None:
    places = (stage.place(payload_rules=JWE), stage.place(PRODUCTION))
    made = stage.done("service.create", services.create, OPERATOR, new(stage, environments=places))
    silent = tuple(replace(each, payload_rules=None) for each in made.environments)
    wanted = new(stage, environments=silent, silent_on_payloads=frozenset({SANDBOX, PRODUCTION}))

    refusal = stage.refused("service.change", Code.INVALID, services.change, OPERATOR, made.id, wanted)

    assert (refusal.field, "SANDBOX" in refusal.message) == ("payloadRules", True)
    said = replace(wanted, silent_on_payloads=frozenset({PRODUCTION}))
    changed = stage.done("service.change", services.change, OPERATOR, made.id, said)
    assert [each.payload_rules for each in changed.environments] == [None, None]
    stage.done("service.change", services.change, OPERATOR, made.id, wanted)


def test_a_service_that_takes_client_secrets_has_no_payload_rules(stage: Stage) -> None:
    plain = new(
        stage,
        authentication=AuthenticationType.CLIENT_SECRET,
        entry=CatalogEntry(ScopeLevel.ORGANIZATION, scope_fixed=True, permissions=(Permission("read"),)),
    )
    made = stage.done("service.create", services.create, OPERATOR, plain)
    wanted = replace(plain, name="Other", environments=(stage.place(payload_rules=JWE),))

    refusals = (
        stage.refused("service.create", Code.INVALID, services.create, OPERATOR, wanted),
        stage.refused("service.change", Code.INVALID, services.change, OPERATOR, made.id, wanted),
        stage.refused("service.change", Code.INVALID, services.set_payload_rules, OPERATOR, made.id, SANDBOX, JWE),
    )

    assert {(refusal.field, "project" in refusal.message) for refusal in refusals} == {("payloadRules", True)}
    stage.done("service.change", services.set_payload_rules, OPERATOR, made.id, SANDBOX, None)


def test_payload_rules_belong_to_an_environment_of_the_service(stage: Stage) -> None:
    made = stage.done("service.create", services.create, OPERATOR, new(stage, environments=(stage.place(),)))

    stage.refused("service.change", Code.PROJECT_CONFIG, services.set_payload_rules, OPERATOR, made.id, PRODUCTION, JWE)


def test_name_and_path_prefix_are_taken_once(stage: Stage) -> None:
    first = stage.done("service.create", services.create, OPERATOR, new(stage))
    other = stage.done("service.create", services.create, OPERATOR, new(stage, name="Loans"))

    for taken in ({"name": "Cards"}, {"environments": (first.environments[0],)}):
        wanted = new(stage, **{"name": "Third", **taken})
        stage.refused("service.create", Code.DUPLICATE_NAME, services.create, OPERATOR, wanted)
        stage.refused("service.change", Code.DUPLICATE_NAME, services.change, OPERATOR, other.id, wanted)


def test_the_same_prefix_in_the_other_environment_is_another_place(stage: Stage) -> None:
    place = stage.place()
    both = (place, replace(place, environment=PRODUCTION))

    assert stage.done("service.create", services.create, OPERATOR, new(stage, environments=both)).environments == both


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        *(
            pytest.param({"path_prefix": prefix}, "pathPrefix", id=f"prefix {prefix[:20]!r}")
            for prefix in ("", "cards", "/cards/", "//", "/a b", "/a/../b", "/..", "/%2e", "/a\n", "/ä", "/x" * 101)
        ),
        *(
            pytest.param({"path_prefix": prefix}, "pathPrefix", id=f"reserved {prefix}")
            for prefix in ("/oauth", "/oauth/token", "/sso", "/sso/oidc", "/.well-known", "/.well-known/x")
        ),
        *(
            pytest.param({"upstream": upstream}, "upstream", id=f"upstream {upstream[:20]!r}")
            for upstream in (
                "",
                "127.0.0.1:9000",
                "ftp://host",
                "http://",
                "http://user@host",
                "http://host?q",
                "http://host#f",
                "http://[::1",
                "http://host:99999",
                "http://host/" + "x" * 500,
            )
        ),
        *(pytest.param({"validity_months": months}, "validityMonths", id=f"{months} months") for months in (0, 40)),
        *(pytest.param({"validity_days": days}, "validityDays", id=f"{days} days") for days in (0, 1201)),
    ],
)
def test_a_place_is_refused_with_its_field(stage: Stage, columns: dict[str, Any], field: str) -> None:
    wanted = new(stage, environments=(stage.place(SANDBOX, **columns),))

    assert stage.refused("service.create", Code.INVALID, services.create, OPERATOR, wanted).field == field


@pytest.mark.parametrize("prefix", ["/", "/cards", "/cards/v1", "/a.b/~c_d-e", "/oauth2", "/ssothing"])
def test_other_prefixes_are_fine(stage: Stage, prefix: str) -> None:
    place = stage.place(path_prefix=prefix)

    stage.done("service.create", services.create, OPERATOR, new(stage, environments=(place,)))


def test_each_environment_is_named_once(stage: Stage) -> None:
    wanted = new(stage, environments=(stage.place(), stage.place()))

    stage.refused("service.create", Code.INVALID, services.create, OPERATOR, wanted)


def test_a_service_changes_its_places_and_never_its_authentication(stage: Stage) -> None:
    service = stage.done("service.create", services.create, OPERATOR, new(stage))
    wanted = new(stage, description="More about cards", environments=(stage.place(PRODUCTION),))

    changed = stage.done("service.change", services.change, OPERATOR, service.id, wanted)

    assert (changed.description, changed.environments) == ("More about cards", wanted.environments)
    assert stage.looked(services.list_live, OPERATOR) == (changed,)
    mtls = replace(wanted, authentication=AuthenticationType.MTLS)
    stage.refused("service.change", Code.PROJECT_TYPE, services.change, OPERATOR, service.id, mtls)


def test_a_retired_service_is_out_of_the_catalog(shop: Shop) -> None:
    stage = shop.stage
    (service,) = stage.looked(services.list_live, OPERATOR)

    retired = stage.done("service.change", services.retire, OPERATOR, service.id)

    assert retired.status is ServiceStatus.RETIRED
    assert stage.looked(services.list_live, OPERATOR) == ()
    shop.refused("environment.service.add", Code.SERVICE_NOT_FOUND, project_services.add, SANDBOX, service.id)


def test_a_service_that_does_not_exist(stage: Stage) -> None:
    stage.refused("service.change", Code.SERVICE_NOT_FOUND, services.change, OPERATOR, ServiceId(7), new(stage))
    stage.refused("service.change", Code.SERVICE_NOT_FOUND, services.retire, OPERATOR, ServiceId(7))


def test_a_service_says_what_a_token_may_be_narrowed_to(stage: Stage) -> None:
    scopes = frozenset({"cards:read", "cards:write"})

    made = stage.done("service.create", services.create, OPERATOR, new(stage, scopes=scopes))
    changed = stage.done(
        "service.change", services.change, OPERATOR, made.id, new(stage, scopes=frozenset({"cards:read"}))
    )

    assert (made.scopes, changed.scopes) == (scopes, {"cards:read"})
    assert stage.looked(services.list_live, OPERATOR) == (changed,)


def test_a_scope_opens_one_service(stage: Stage) -> None:
    scopes = frozenset({"cards:read"})
    stage.done("service.create", services.create, OPERATOR, new(stage, scopes=scopes))
    other = new(stage, name="Loans", scopes=scopes)

    stage.refused("service.create", Code.DUPLICATE_NAME, services.create, OPERATOR, other)


@pytest.mark.parametrize(
    "scope", ["", "cards", ":", "cards:", ":read", "a b:c", 'a":b', "a\\:b", "ä:b", "a:b\n", "a:" + "x" * 119]
)
def test_a_scope_is_service_colon_scope(stage: Stage, scope: str) -> None:
    wanted = new(stage, scopes=frozenset({scope}))

    assert stage.refused("service.create", Code.INVALID, services.create, OPERATOR, wanted).field == "scopes"


@pytest.mark.parametrize("scope", ["cards:read", "cards:read:own", "c!:#~", "Cards.v2:read-all"])
def test_other_scopes_are_fine(stage: Stage, scope: str) -> None:
    stage.done("service.create", services.create, OPERATOR, new(stage, scopes=frozenset({scope})))


def test_a_service_has_a_handful_of_scopes(stage: Stage) -> None:
    wanted = new(stage, scopes=frozenset(f"cards:{number}" for number in range(51)))

    stage.refused("service.create", Code.INVALID, services.create, OPERATOR, wanted)
