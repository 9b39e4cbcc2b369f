"""Who may do what: the whole table, every action for every role, on the own and on somebody else's."""

from itertools import product
from typing import Any

import pytest

from credenza.domain import access
from credenza.domain.access import PERMISSIONS, Action, Scope, Standing
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, OrganizationId, OrganizationRole, ProjectRole, UserId

# action, scope a token needs, organization roles, project roles; "person" where no account-level key may ask.
TABLE = """
organization.create      people
organization.limit       people
user.create              people
user.disable             people
user.list                people
user.enable              people
user.sessions            people
user.sign_out            people
session.link             people
password.reset.link      people
service.create           catalog
service.change           catalog
resource_server.add      catalog
resource_server.list     catalog
resource_server.remove   catalog
token_key.list           catalog
token_key.rotate         catalog
token_key.retire         catalog
token.revoke             credentials
certificate.subject.release credentials
authority.list           catalog
authority.make           catalog
authority.import         catalog
authority.sign           catalog
trust.list               catalog
trust.add                catalog
trust.change             catalog
trust.disable            catalog
database.restore         credentials
database.release         credentials

session.begin            people       anybody                                   | person
session.list             read         anybody                                   | person
session.end              people       anybody                                   | person
password.set             people       anybody                                   | person
password.reset.ask       people       anybody                                   | person
password.reset           people       anybody                                   | person
proofs.view              read         anybody                                   | person
authenticator.enrol      people       anybody                                   | person
authenticator.confirm    people       anybody                                   | person
authenticator.remove     people       anybody                                   | person
recovery_codes.new       people       anybody                                   | person
invitation.accept        people       anybody                                   | person
passkey.add              people       anybody                                   | person
passkey.list             read         anybody                                   | person
passkey.remove           people       anybody                                   | person
passkey.rename           people       anybody                                   | person
identity.list            read         anybody                                   | person
identity.unlink          people       anybody                                   | person
identity.link            people       anybody                                   | person
organization.list        read         anybody
service.list             read         anybody
csr.check                read         anybody

organization.view        read         admin compliance_admin user read_only custom
account.list             read         admin compliance_admin user read_only custom
account.create           projects     admin
account.rename           projects     admin
account.archive          projects     admin
workspace.list           read         admin compliance_admin user read_only custom
workspace.create         projects     admin
workspace.rename         projects     admin
workspace.move           projects     admin
workspace.archive        projects     admin
role.list                read         admin compliance_admin user read_only custom
role.create              people       admin                                     | person
role.edit                people       admin                                     | person
role.remove              people       admin                                     | person
member.list              read         admin compliance_admin user read_only custom
member.set               people       admin                                     | person
member.remove            people       admin                                     | person
invitation.send          people       admin                                     | person
invitation.list          read         admin compliance_admin user read_only custom
invitation.withdraw      people       admin                                     | person
access_token.create      people       admin compliance_admin user read_only custom     | person
access_token.list        read         admin compliance_admin user read_only custom
access_token.revoke      people       admin compliance_admin user read_only custom
account_key.add          credentials  admin compliance_admin user               | person
account_key.list         read         admin compliance_admin user read_only custom
account_key.revoke       credentials  admin compliance_admin user read_only custom
api_credential.list      read         admin compliance_admin
api_credential.view      read         admin compliance_admin
api_credential.create    credentials  admin compliance_admin
api_credential.edit      credentials  admin compliance_admin
api_credential.activate  credentials  admin compliance_admin
api_credential.deactivate credentials admin compliance_admin
api_credential.delete    credentials  admin compliance_admin
api_secret.issue         credentials  admin compliance_admin
api_secret.delete        credentials  admin compliance_admin
project.create           projects     admin compliance_admin user
project.list             read         admin compliance_admin user read_only custom
audit.view               audit        admin compliance_admin
expiry.view              read         admin compliance_admin user read_only custom
calendar_feed.make       credentials  admin compliance_admin user read_only custom     | person
calendar_feed.list       read         admin compliance_admin user read_only custom
calendar_feed.revoke     credentials  admin compliance_admin user read_only custom
webhook.add              credentials  admin                                     | person
webhook.list             read         admin compliance_admin
webhook.remove           credentials  admin
webhook.test             credentials  admin
delivery.list            read         admin compliance_admin
inbox.list               read         anybody
inbox.mark               people       anybody

project.view             read         admin compliance_admin  / owner admin read_only
project.member.list      read         admin compliance_admin  / owner admin read_only
key.list                 read         admin compliance_admin  / owner admin read_only
key.view                 read         admin compliance_admin  / owner admin read_only
certificate.list         read         admin compliance_admin  / owner admin read_only
certificate.view         read         admin compliance_admin  / owner admin read_only
service_key.list         read         admin compliance_admin  / owner admin read_only
service_key.view         read         admin compliance_admin  / owner admin read_only
service_key.add          credentials  admin                   / owner admin
service_key.activate     credentials  admin                   / owner admin
service_key.revoke       credentials  admin                   / owner admin
refusal.view             read         admin compliance_admin  / owner admin read_only
usage.view               read         admin compliance_admin  / owner admin read_only
project.change           projects     admin                   / owner admin
project.delete           projects     admin                   / owner admin
project.upgrade          projects     admin                   / owner admin
environment.add          projects     admin                   / owner admin
environment.service.add  projects     admin                   / owner admin
project.member.set       people       admin                   / owner admin
project.member.remove    people       admin                   / owner admin
key.add                  credentials  admin                   / owner admin
key.rotate               credentials  admin                   / owner admin
key.revoke               credentials  admin                   / owner admin
key.renew                credentials  admin                   / owner admin     | person
certificate.add          credentials  admin                   / owner admin
certificate.revoke       credentials  admin                   / owner admin
tls_client_name.view     read         admin compliance_admin  / owner admin read_only
tls_client_name.register credentials  admin                   / owner admin
tls_client_name.remove   credentials  admin                   / owner admin
enrolment_secret.list    read         admin compliance_admin  / owner admin read_only
enrolment_secret.create  credentials  admin                   / owner admin
enrolment_secret.revoke  credentials  admin                   / owner admin
certificate.enrol        credentials                          /
certificate.reenrol      credentials                          /
project.leave            people                               / owner admin read_only
"""
ROWS = {Action(line.split()[0]): line for line in TABLE.split("\n") if line}

ORGANIZATION_ROLES = [None, *OrganizationRole]
PROJECT_ROLES = [None, *ProjectRole]
STANDINGS = [Standing(*roles) for roles in product(ORGANIZATION_ROLES, PROJECT_ROLES)]
FOREIGN = Standing()
KINDS = ["person", "token with every scope", "token to read", "account-level key"]

USER = UserId("u")
OPERATOR = Actor(ActorKind.OPERATOR, "root")
PERSON = Actor(ActorKind.SESSION, "s", USER)


def with_token(*scopes: Scope) -> Actor:
    return Actor(ActorKind.ACCESS_TOKEN, "t", USER, OrganizationId("o"), frozenset(scopes))


def with_account_key() -> Actor:
    return Actor(ActorKind.ACCOUNT_KEY, "k", USER, OrganizationId("o"))


def expected(
    action: Action, standing: Standing, *, scopes: frozenset[Scope] = frozenset(), machine: bool = False
) -> bool:
    """Read the table's line the way its header says."""
    words, _, person = ROWS[action].partition("|")
    organization, _, project = words.partition("/")
    _, scope, *roles = organization.split()
    if (scopes and scope not in scopes) or (machine and person):
        return False
    return roles == ["anybody"] or standing.organization_role in roles or standing.project_role in project.split()


@pytest.mark.parametrize("action", Action)
def test_an_operator_may_do_everything(action: Action) -> None:
    access.check(OPERATOR, action, FOREIGN)


@pytest.mark.parametrize("action", Action)
def test_who_has_not_signed_in_does_what_concerns_itself_alone(action: Action) -> None:
    """Whatever roles the user holds whom a visitor says to be."""
    visitor = Actor(ActorKind.VISITOR, "password", USER)
    all_roles = Standing(OrganizationRole.ADMIN, ProjectRole.OWNER)

    assert access.allowed(visitor, action, all_roles) is (PERMISSIONS[action].on is access.On.SELF)


DEVICES = {
    ActorKind.ENROLMENT_SECRET: Action.CERTIFICATE_ENROL,
    ActorKind.CERTIFICATE: Action.CERTIFICATE_REENROL,
}


@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_gets_or_follows_up_its_certificate_and_does_nothing_else(kind: ActorKind) -> None:
    """Whatever roles the maker of its secret holds."""
    device = Actor(kind, "d", USER, OrganizationId("o"))
    all_roles = Standing(OrganizationRole.ADMIN, ProjectRole.OWNER)

    assert [each for each in Action if access.allowed(device, each, all_roles)] == [DEVICES[kind]]
    access.check(device, DEVICES[kind], FOREIGN)


@pytest.mark.parametrize("action", Action)
def test_the_permission_matrix(action: Action) -> None:
    def may(actor: Actor) -> set[Standing]:
        return {each for each in STANDINGS if access.allowed(actor, action, each)}

    def should(**limits: Any) -> set[Standing]:
        return {each for each in STANDINGS if expected(action, each, **limits)}

    assert may(PERSON) == should()
    assert may(with_account_key()) == should(machine=True)
    for scope in Scope:
        token = with_token(scope)
        assert may(token) == should(scopes=token.scopes)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("actor", [PERSON, with_token(*Scope), with_token(Scope.READ), with_account_key()], ids=KINDS)
def test_a_refusal_is_made_exactly_where_the_matrix_says_no(action: Action, actor: Actor) -> None:
    for standing in STANDINGS:
        if access.allowed(actor, action, standing) and may_see(action, standing):
            access.check(actor, action, standing)
            continue
        with pytest.raises(Refusal) as refused:
            access.check(actor, action, standing)
        assert refused.value.code is code_of(action, standing)


def may_see(action: Action, standing: Standing) -> bool:
    on = PERMISSIONS[action].on
    if on is access.On.PROJECT:
        return standing.project_role is not None or standing.organization_role in ("admin", "compliance_admin")
    return on is not access.On.ORGANIZATION or standing.organization_role is not None


def code_of(action: Action, standing: Standing) -> Code:
    """An outsider is not told that the thing exists; an insider is told that the role does not do."""
    on_project = PERMISSIONS[action].on is access.On.PROJECT
    if may_see(action, standing):
        return Code.PROJECT_FORBIDDEN if on_project else Code.FORBIDDEN
    return Code.PROJECT_NOT_FOUND if on_project else Code.NOT_FOUND


@pytest.mark.parametrize("action", [each for each in Action if PERMISSIONS[each].on is access.On.PROJECT])
def test_somebody_else_s_project_does_not_exist(action: Action) -> None:
    with pytest.raises(Refusal) as refused:
        access.check(PERSON, action, Standing(OrganizationRole.USER))

    assert (refused.value.code, refused.value.field) == (Code.PROJECT_NOT_FOUND, "projectId")


@pytest.mark.parametrize("action", [each for each in Action if PERMISSIONS[each].on is access.On.ORGANIZATION])
def test_somebody_else_s_organization_does_not_exist(action: Action) -> None:
    with pytest.raises(Refusal) as refused:
        access.check(PERSON, action, FOREIGN)

    assert (refused.value.code, refused.value.field) == (Code.NOT_FOUND, "organizationId")


@pytest.mark.parametrize(
    ("actor", "action", "standing", "words"),
    [
        pytest.param(
            PERSON,
            Action.PROJECT_DELETE,
            Standing(OrganizationRole.USER, ProjectRole.READ_ONLY),
            "Your role does not allow project.delete; it needs one of: admin, owner.",
            id="caller lacks role (read-only member deleting)",
        ),
        pytest.param(
            with_token(Scope.READ),
            Action.KEY_REVOKE,
            Standing(OrganizationRole.ADMIN),
            "This access token lacks the scope credentials; key.revoke needs it. Make a token that has it.",
            id="scope missing",
        ),
        pytest.param(
            with_account_key(),
            Action.KEY_RENEW,
            Standing(OrganizationRole.ADMIN),
            "key.renew needs a person: use a personal access token instead of an account-level API key.",
            id="renew never for an account-level API key",
        ),
        pytest.param(
            PERSON,
            Action.USER_CREATE,
            Standing(OrganizationRole.ADMIN),
            "user.create is for the platform's operators: use the credenza command on the server.",
            id="operators only",
        ),
    ],
)
def test_a_refusal_names_the_cure(actor: Actor, action: Action, standing: Standing, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        access.check(actor, action, standing)

    assert refused.value.message == words


def carried(action: Action) -> bool:
    """What some role of an organization may, and not every member; of API credentials the sight alone."""
    if action.startswith(("api_credential.", "api_secret.")) and not action.endswith((".list", ".view")):
        return False
    organization = ROWS[action].partition("|")[0].partition("/")[0].split()[2:]
    return bool({*organization} - {"anybody"}) and "custom" not in organization


@pytest.mark.parametrize("action", Action)
def test_a_custom_role_of_one_action_allows_it_and_what_every_member_may(action: Action) -> None:
    """Or nothing more than every member may, where the action is none that such a role carries."""
    standing = Standing(OrganizationRole.CUSTOM, None, frozenset({action}))
    everybody = Standing(OrganizationRole.CUSTOM)
    own = {action} if carried(action) else set()

    assert (action in access.CARRIED) is carried(action)
    assert standing.granted == own
    for actor, machine in ((PERSON, False), (with_token(*Scope), False), (with_account_key(), True)):
        may = {each for each in Action if access.allowed(actor, each, standing)}
        usual = {each for each in Action if expected(each, everybody, machine=machine)}
        assert may - usual == {each for each in own if not (machine and "person" in ROWS[each])}
        assert usual <= may


def test_a_custom_role_sees_projects_exactly_where_it_may_view_them() -> None:
    viewing = Standing(OrganizationRole.CUSTOM, None, frozenset({Action.PROJECT_VIEW}))
    revoking = Standing(OrganizationRole.CUSTOM, None, frozenset({Action.KEY_REVOKE}))
    on_it = Standing(OrganizationRole.CUSTOM, ProjectRole.READ_ONLY, frozenset({Action.KEY_REVOKE}))

    assert (viewing.sees_project, viewing.oversees) == (True, True)
    assert (revoking.sees_project, revoking.oversees) == (False, False)
    with pytest.raises(Refusal) as refused:
        access.check(PERSON, Action.KEY_REVOKE, revoking)
    assert refused.value.code is Code.PROJECT_NOT_FOUND
    access.check(PERSON, Action.KEY_REVOKE, on_it)


@pytest.mark.parametrize("role", OrganizationRole)
def test_nobody_gives_away_more_than_they_have(role: OrganizationRole) -> None:
    held = frozenset({Action.KEY_REVOKE}) if role is OrganizationRole.CUSTOM else frozenset()
    standing = Standing(role, ProjectRole.OWNER, held)
    own = access.granted(role, held) | access.granted_on_project(ProjectRole.OWNER)

    access.check_gives(PERSON, standing, own)
    access.check_gives(OPERATOR, FOREIGN, access.CARRIED)
    for action in access.CARRIED - own:
        with pytest.raises(Refusal) as refused:
            access.check_gives(PERSON, standing, own | {action})
        assert (refused.value.code, refused.value.field) == (Code.FORBIDDEN, "role")


def test_every_action_stands_in_the_table_once() -> None:
    assert set(ROWS) == set(PERMISSIONS) == set(Action)
    assert len([line for line in TABLE.split("\n") if line]) == len(ROWS)
