"""What our authorities publish is what the standards want, and a crash while a list is signed costs nothing."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from tests import pki_linters
from tests.installation import NOWHERE, SANDBOX, Installation, full_settings, furnish, now

from credenza.actions import account_keys, authorities, certificates, projects, revocation_lists
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.certificate_status import CertificateStatus
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.cli import local
from credenza.client import operations
from credenza.domain.model import AuthenticationType, Credential, ProjectId, ProjectType
from credenza.protocol import csr
from credenza.store import migrate
from proof import stage, workload
from proof.claim import Claim, Progress, hold
from proof.pki_peers import Made, Peers
from proof.stage import Stage

_FAILPOINTS = ("list_number_taken", "list_signed", "before_list_commit", "after_list_commit")
_REPOSITORY = Path(__file__).parents[2]
_PATIENCE_S = 120
_NAMES = ("Orders", "Ordres é", "注文", "<script>", 'O\'Brien, "quoted"')
_LISTS_EVERY = 20


def lint(volume: int) -> str:
    """Certificates, half of them revoked; an answer about each, and lists in between."""
    progress, lists, started = Progress("profiles", volume), 0, now()
    with _installation() as installation:
        status = CertificateStatus(installation.platform)
        for number in range(volume):
            made = _certify(installation, number)
            _lint_certificate(made)
            if number % 2:
                account_keys.revoke(
                    installation.platform, installation.actor, installation.organization_id, made.id, now=now()
                )
            _lint_answer(installation, status, made, nonce=number % 3 == 0)
            if number % _LISTS_EVERY == 0:
                lists += _lint_lists(installation, started + timedelta(hours=13) * (number + 1))
            progress.add()
    return f"{volume} certificates, {volume} answers and {lists} lists without a finding of pkilint"


@contextmanager
def _installation() -> Iterator[Installation]:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        # RFC 5280 4.2.1.6: a URI has a fully qualified name, which localhost is not.
        chosen = full_settings(Path(directory), manage_origin="https://manage.example.com")
        chosen.data_dir.mkdir(mode=0o700)
        with local.database(chosen) as opened:
            migrate.upgrade(opened)
        with furnish(chosen) as installation:
            yield installation


def _certify(installation: Installation, number: int) -> Credential:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = _NAMES[number % len(_NAMES)]
    new = NewKey(f"key {number}", csr.build(key, common_name=f"{name} {number}", organization="Acme"))
    return account_keys.add(installation.platform, installation.actor, installation.organization_id, new, now=now())


def _lint_certificate(made: Credential) -> None:
    found = pki_linters.certificate_findings(made.certificate_der)
    hold(not found, f"certificate {made.id}: {found}")


def _lint_answer(installation: Installation, status: CertificateStatus, made: Credential, *, nonce: bool) -> None:
    leaf = x509.load_der_x509_certificate(made.certificate_der)
    issuer = _issuer(installation, leaf)
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA256() if nonce else SHA1())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(secrets.token_bytes(32)), critical=False)
    answer = status.answer(builder.build().public_bytes(Encoding.DER), now=now())
    found = pki_linters.answer_findings(answer.der)
    hold(not found, f"answer about {made.id}: {found}")


def _issuer(installation: Installation, leaf: x509.Certificate) -> x509.Certificate:
    views = authorities.list_all(installation.platform, local.OPERATOR, now=now())
    known = [x509.load_der_x509_certificate(each.authority.certificate_der) for each in views]
    return next(each for each in known if each.subject == leaf.issuer)


def _lint_lists(installation: Installation, moment: datetime) -> int:
    signed = revocation_lists.sign_due(installation.platform, now=moment)
    for each in signed:
        found = pki_linters.list_findings(each.der)
        hold(not found, f"list {each.number} of {each.authority_id}: {found}")
    return len(signed)


def agree_with_peers(volume: int) -> str:
    """Certificates of TLS clients, every other one revoked, in batches with a list each."""
    progress, batches = Progress("what peers say", volume), 0
    with _installation() as installation, TemporaryDirectory(prefix="credenza-proof-") as directory:
        at, status = installation.platform, CertificateStatus(installation.platform)
        project_id, tills = _open_project(installation), count()
        issuer, root = (
            x509.load_der_x509_certificate(authorities.certificate_of(at, SANDBOX, role))
            for role in (authorities.Role.ISSUING, authorities.Role.ROOT)
        )
        peers, left = Peers(Path(directory), issuer, root), volume
        while left > 0:
            batch = [_till(installation, project_id, next(tills)) for _ in range(min(left, _LISTS_EVERY))]
            for each in batch[::2]:
                certificates.revoke(
                    at, installation.actor, project_id, each.id, keep_last=False, reason="lost", now=now()
                )
            made = [_answered(status, issuer, each, revoked=each in batch[::2]) for each in batch]
            peers.agree(made, _list_with(installation, issuer, {each.certificate for each in made if each.revoked}))
            progress.add(len(batch))
            left, batches = left - len(batch), batches + 1
    return f"{volume} certificates with as many answers, and {batches} lists: openssl, GnuTLS and pkilint agree"


def _open_project(installation: Installation) -> ProjectId:
    service = installation.add_service("Vault", "/vault", AuthenticationType.MTLS, NOWHERE)
    new = NewProject(ProjectType.MTLS, "Tills", "EU", service.id, SANDBOX, _asked("first"))
    return projects.create(
        installation.platform, installation.actor, installation.organization_id, new, now=now()
    ).project.id


def _till(installation: Installation, project_id: ProjectId, number: int) -> Credential:
    new = _asked(f"{_NAMES[number % len(_NAMES)]} {number}")
    made = certificates.add_by_csr(installation.platform, installation.actor, project_id, new, SANDBOX, now=now())
    _lint_certificate(made)
    return made


def _asked(common_name: str) -> NewRequest:
    key = ec.generate_private_key(ec.SECP256R1())
    return NewRequest("till", csr.build(key, common_name=common_name, organization="Acme"))


def _answered(status: CertificateStatus, issuer: x509.Certificate, made: Credential, *, revoked: bool) -> Made:
    leaf = x509.load_der_x509_certificate(made.certificate_der)
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA1()).build().public_bytes(Encoding.DER)
    answer = status.answer(asked, now=now()).der
    found = pki_linters.answer_findings(answer)
    hold(not found, f"answer about {made.id}: {found}")
    return Made(f"{made.id}.pem", leaf, answer, revoked)


def _list_with(
    installation: Installation, issuer: x509.Certificate, revoked: set[x509.Certificate]
) -> x509.CertificateRevocationList:
    """Sign what is due; the list that is published then, and that has these."""
    for each in revocation_lists.sign_due(installation.platform, now=now()):
        found = pki_linters.list_findings(each.der)
        hold(not found, f"list {each.number} of {each.authority_id}: {found}")
    views = authorities.list_all(installation.platform, local.OPERATOR, now=now())
    (signs,) = [each for each in views if each.state == "signs" and each.authority.environment is SANDBOX]
    listed = x509.load_der_x509_crl(revocation_lists.get(installation.platform, signs.authority.id, now=now()).der)
    hold(listed.issuer == issuer.subject, "another authority's list")
    hold({each.serial_number for each in revoked} <= {each.serial_number for each in listed}, "one is not listed")
    return listed


def die_while_signing(kills: int) -> str:
    """All failpoints at once, each on a server of its own."""
    with ThreadPoolExecutor(len(_FAILPOINTS)) as pool:
        said = list(pool.map(_die_at, _FAILPOINTS, [kills] * len(_FAILPOINTS)))
    return "; ".join(said)


def _die_at(failpoint: str, kills: int) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        armed = Path(directory) / "armed"
        environment = {"PROOF_ARMED": str(armed), "PYTHONPATH": f"{_REPOSITORY}:{':'.join(filter(None, sys.path))}"}
        with stage.on_sqlite(program="proof.crashing", environment=environment) as where:
            progress, revoked, number = Progress(failpoint, kills), set[int](), 0
            for _ in range(kills):
                serial = _certify_through(where)
                _await_list(where, revoked, above=0)
                armed.write_text(failpoint)
                revoked.add(_revoke_last(where, serial))
                _await(lambda: not armed.exists(), "the failpoint was not passed")
                where.manage.kill()
                where.manage.start()
                number = _await_list(where, revoked, above=number)
                progress.add()
            return f"{kills} kills at {failpoint}, numbers only grew and {len(revoked)} revocations were published"


def _certify_through(where: Stage) -> tuple[str, str, int]:
    """Add a key by the API; its project, id and serial number."""
    project = workload.open_project(where.installation)
    with where.installation.client(where.manage) as client:
        added = client.send(operations.add_credential(project.id, workload.new_credential(secrets.token_hex(8))))
    return project.id, added.id, x509.load_pem_x509_certificate(added.certificate.encode()).serial_number


def _revoke_last(where: Stage, made: tuple[str, str, int]) -> int:
    project_id, key_id, serial = made
    with where.installation.client(where.manage) as client:
        client.send(operations.revoke_credential(project_id, key_id))
    return serial


def _await_list(where: Stage, revoked: set[int], *, above: int) -> int:
    """Wait until the list that is served has all that was revoked; return its number, which must have grown."""
    views = authorities.list_all(where.installation.platform, local.OPERATOR, now=now())
    (signs,) = [each for each in views if each.state == "signs" and each.authority.environment is SANDBOX]
    place = f"{where.manage.manage_origin}/pki/authorities/{signs.authority.id}.crl"
    found: list[int] = []

    def is_there() -> bool:
        listed = x509.load_der_x509_crl(client.get(place).content)
        number = listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        hold(number >= above, f"the number went back from {above} to {number}")
        found[:] = [number]
        return revoked <= {each.serial_number for each in listed}

    with httpx.Client(timeout=30) as client:  # one: each reads all certificates of the system first
        _await(is_there, "a revocation was not published")
    return found[0]


def _await(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not happened():
        hold(time.monotonic() < deadline, what)
        time.sleep(0.2)


CLAIMS = (
    Claim(
        "C5, profiles",
        "certificates, revocation lists and OCSP answers have no finding of pkilint",
        1_000,
        "certificates and answers, and lists",
        lint,
        20,
    ),
    Claim(
        "C5, peers",
        "openssl, GnuTLS' tools and pkilint agree with every certificate, list and answer, revoked or not",
        1_000,
        "certificates of TLS clients and answers, and lists",
        agree_with_peers,
        20,
    ),
    Claim(
        "R5, lists",
        "a server killed while it signs a revocation list leaves the one before; numbers never go back",
        20,
        "kills at each of 4 failpoints",
        die_while_signing,
    ),
)
