"""Devices enrol, call, re-enrol and call again, with curl and openssl alone and with GlobalSign's estclient (RFC 7030):
over the gate's own TLS and behind nginx, until a person revokes."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from tests.actions.stage import OPERATOR
from tests.forked import ForkedServer
from tests.gate import test_terminator_recipes as recipes
from tests.gate.certificate_scene import server_of
from tests.gate.street import Upstream, served
from tests.gate.test_terminator_recipes import SECRET, SERVER
from tests.installation import PRODUCTION, SANDBOX, Installation, furnish, now, settings
from tests.journeys.test_mtls import HOST_NAME, PATIENCE_S, run

from credenza.actions import authorities, certificates, enrolment_secrets, projects, services
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.domain.model import AuthenticationType, ProjectId, ProjectType, ServiceEnvironment
from credenza.protocol import csr
from credenza.store import credentials
from credenza.store.engine import reading

SHORT_DAYS = 30
"""So that a certificate that was just enrolled has 90 days or less to go."""


@dataclass(frozen=True)
class Way:
    directory: Path
    installation: Installation
    port: int
    project_id: ProjectId

    @property
    def origin(self) -> str:
        return f"https://{HOST_NAME}:{self.port}"

    @property
    def est(self) -> str:
        return f"{self.origin}/.well-known/est"

    @property
    def trusted(self) -> Path:
        return self.directory / "trusted.pem"

    def secret(self, alias: str) -> str:
        at = self.installation
        named: dict[str, Any] = {"alias": alias, "environment": SANDBOX, "hours": 1, "now": now()}
        return enrolment_secrets.create(at.platform, at.actor, self.project_id, **named).secret

    def revoke(self, certificate: Path) -> None:
        at, der = self.installation, der_of(certificate)
        with reading(at.platform.database.records) as connection:
            held = credentials.find_by_certificate(connection, der)
        assert held is not None
        place = (at.platform, at.actor, self.project_id, held.id)
        certificates.revoke(*place, keep_last=False, reason="lost", now=now())

    def call(self, certificate: Path, key: Path) -> int:
        files = ("--cert", certificate, "--key", key, "--cacert", self.trusted, "-o", os.devnull)
        return int(run("curl", "-sS", *files, "-w", "%{http_code}", f"{self.origin}/vault/1"))


def der_of(certificate: Path) -> bytes:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)


@contextmanager
def opened(directory: Path, make: Callable[[Path, int], Any] | None) -> Iterator[Way]:
    made = server_of(SERVER)
    (directory / "server.pem").write_bytes(made.pem)
    (directory / "server.key").write_bytes(made.key_pem)
    (directory / "trusted.pem").write_bytes(SERVER.chain[0].public_bytes(Encoding.PEM))
    own = {"tls_certificate": directory / "server.pem", "tls_private_key": directory / "server.key"}
    with ExitStack() as stack:
        chosen = settings(directory, **(own if make is None else {"proxy_secret": SECRET}))
        changed = {} if make is None else {"proxy_secret": SECRET}
        gate = stack.enter_context(ForkedServer(chosen, **changed))
        upstream = stack.enter_context(served(Upstream()))
        installation = stack.enter_context(furnish(chosen, upstream=f"http://127.0.0.1:{upstream}"))
        project_id = tills(installation, f"http://127.0.0.1:{upstream}")
        front = gate if make is None else stack.enter_context(make(directory, gate.port))
        yield Way(directory, installation, front.port, project_id)


def tills(at: Installation, upstream: str) -> ProjectId:
    """A project whose certificates last for 30 days."""
    places = tuple(ServiceEnvironment(each, "/vault", upstream, 13, SHORT_DAYS) for each in (SANDBOX, PRODUCTION))
    new_service = NewService("Vault", AuthenticationType.MTLS, "", places)
    vault = services.create(at.platform, OPERATOR, new_service, now=now())
    first = NewRequest("first", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="first"))
    new = NewProject(ProjectType.MTLS, "Tills", "EU", vault.id, SANDBOX, first)
    return projects.create(at.platform, at.actor, at.organization_id, new, now=now()).project.id


@pytest.fixture(
    scope="module", params=[pytest.param(None, id="own TLS"), pytest.param(recipes.nginx, id="behind nginx")]
)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with opened(tmp_path_factory.mktemp("way"), request.param) as way:
        yield way


# ------------------------------------------------------------------------------------------------- curl and openssl

ENROL = """
set -euo pipefail
curl -sS --fail --cacert "$TRUSTED" "$EST/cacerts" |
    openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out ca.pem
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout till.key -subj "/O=Acme/CN=$NAME" \
    -outform DER 2>/dev/null | openssl base64 -out till.b64
printf 'user = "till:%s"\\n' "$SECRET" | curl -sS --fail --cacert "$TRUSTED" --config - \
    --data-binary @till.b64 -H 'Content-Type: application/pkcs10' -H 'Content-Transfer-Encoding: base64' \
    "$EST/simpleenroll" | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out till.pem
openssl verify -CAfile ca.pem till.pem
"""

RE_ENROL = """
set -euo pipefail
openssl ecparam -name prime256v1 -genkey -noout -out next.key
openssl x509 -x509toreq -in till.pem -signkey next.key | openssl req -outform DER | openssl base64 -out next.b64
curl -sS --fail --cacert "$TRUSTED" --cert till.pem --key till.key \
    --data-binary @next.b64 -H 'Content-Type: application/pkcs10' -H 'Content-Transfer-Encoding: base64' \
    "$EST/simplereenroll" | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out next.pem
openssl verify -CAfile ca.pem next.pem
"""


def script(text: str, way: Way, at: Path, **variables: str) -> str:
    environment = {**os.environ, "EST": way.est, "TRUSTED": str(way.trusted), **variables}
    ended = subprocess.run(
        ["bash", "-c", text], cwd=at, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 0, (ended.stdout, ended.stderr)
    return ended.stdout


def test_curl_alone_enrols_and_re_enrols(way: Way, tmp_path: Path) -> None:
    assert "till.pem: OK" in script(ENROL, way, tmp_path, NAME="till-7", SECRET=way.secret("till 7"))
    first, following = tmp_path / "till.pem", tmp_path / "next.pem"
    assert way.call(first, tmp_path / "till.key") == 200

    assert "next.pem: OK" in script(RE_ENROL, way, tmp_path)

    assert der_of(first) != der_of(following)
    assert [way.call(first, tmp_path / "till.key"), way.call(following, tmp_path / "next.key")] == [200, 200]
    way.revoke(following)
    assert [way.call(first, tmp_path / "till.key"), way.call(following, tmp_path / "next.key")] == [200, 422]
    way.revoke(first)
    assert way.call(first, tmp_path / "till.key") == 422
    assert status(way, tmp_path, "till", "till.b64") == "403"


def status(way: Way, at: Path, holder: str, body: str) -> str:
    """Of another re-enrolment."""
    files = ("--cert", at / f"{holder}.pem", "--key", at / f"{holder}.key", "--cacert", way.trusted, "-o", os.devnull)
    sent = ("--data-binary", f"@{at / body}", "-H", "Content-Type: application/pkcs10")
    return run("curl", "-sS", *files, *sent, "-w", "%{http_code}", f"{way.est}/simplereenroll")


# --------------------------------------------------------------------------------------------- a standard EST client


@pytest.fixture(scope="session")
def estclient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GlobalSign's client (RFC 7030), built from its source by the hashes of go.sum."""
    made = tmp_path_factory.mktemp("estclient") / "estclient"
    asked = ["go", "build", "-o", str(made), "github.com/globalsign/est/cmd/estclient"]
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -trimpath", "GOTOOLCHAIN": "local"}
    shutil.copytree(Path(__file__).parent / "estclient", made.parent / "module")
    built = subprocess.run(
        asked, cwd=made.parent / "module", env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert built.returncode == 0, built.stderr
    return made


@pytest.mark.timeout(1_200)  # on a busy machine it takes minutes to build
@pytest.mark.skipif(shutil.which("go") is None, reason="the client is built from source, which needs Go")
def test_a_standard_client_enrols_and_re_enrols(way: Way, estclient: Path, tmp_path: Path) -> None:
    server = ("-server", f"{HOST_NAME}:{way.port}", "-explicit", way.trusted)
    first, following, key, request = (tmp_path / name for name in ("till.pem", "next.pem", "till.key", "till.csr"))
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    run("openssl", "req", "-new", "-key", key, "-subj", "/O=Acme/CN=till-8", "-out", request)

    run(str(estclient), "cacerts", *server, "-out", tmp_path / "ca.pem")
    basic = ("-user", "till", "-pass", way.secret("till 8"))
    run(str(estclient), "enroll", *server, *basic, "-csr", request, "-out", first)
    assert way.call(first, key) == 200
    run(str(estclient), "reenroll", *server, "-certs", first, "-key", key, "-csr", request, "-out", following)

    run("openssl", "verify", "-CAfile", tmp_path / "ca.pem", following)
    assert der_of(first) != der_of(following)
    assert [way.call(first, key), way.call(following, key)] == [200, 200]
    way.revoke(following)
    assert way.call(following, key) == 422


# -------------------------------------------------------------------------------------------- a gate without a desk


def test_a_gate_alone_serves_it_where_it_has_the_key_encryption_key(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with ForkedServer(chosen), ForkedServer(chosen, role="gate") as gate, furnish(chosen) as installation:
        answer = httpx.get(f"{gate.origin}/.well-known/est/cacerts", timeout=PATIENCE_S)
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))

        wanted = authorities.chains(installation.platform, SANDBOX, now=now())

    assert {each.public_bytes(Encoding.DER) for each in found} == set(wanted)
