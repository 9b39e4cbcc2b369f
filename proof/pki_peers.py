"""openssl and GnuTLS, asked about what our authorities have made: whole batches, from files, without a network."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proof.claim import hold

_PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate, the status answer (DER) about it, and whether it was revoked."""

    name: str
    certificate: x509.Certificate
    answer: bytes
    revoked: bool


class Peers:
    """Knows the authorities of an environment: the one that issues, and its root."""

    def __init__(self, directory: Path, issuer: x509.Certificate, root: x509.Certificate) -> None:
        self._directory = directory
        self._issuer = self._write("issuer.pem", issuer.public_bytes(Encoding.PEM))
        self._root = self._write("root.pem", root.public_bytes(Encoding.PEM))

    def agree(self, batch: list[Made], listed: x509.CertificateRevocationList) -> None:
        """Raises Broken where one of them says otherwise of a certificate, the list or an answer."""
        crl = self._write("list.pem", listed.public_bytes(Encoding.PEM))
        checked = self._run("certtool", "--verify-crl", "--infile", crl, "--load-ca-certificate", self._issuer)
        hold("Verified." in checked, f"certtool of the list: {checked}")
        leaves = [self._write(each.name, each.certificate.public_bytes(Encoding.PEM)) for each in batch]
        lists = ("-crl_check", "-CRLfile", crl)
        told = self._run("openssl", "verify", "-CAfile", self._root, "-untrusted", self._issuer, *lists, *leaves)
        for each in batch:
            self._same(each, "openssl verify", told, f"error {each.name}: verification failed", f"{each.name}: OK")
            self._ask_gnutls(each, crl)
            self._ask_ocsp(each)
        # RFC 5280 5.3.1: each failure is a revocation, and nothing else that is wrong.
        reasons = set(re.findall(r"lookup: (.*)", told))
        hold(reasons <= {"certificate revoked"}, f"openssl verify: {reasons}")

    def _ask_gnutls(self, made: Made, crl: str) -> None:
        chain = self._write("chain.pem", made.certificate.public_bytes(Encoding.PEM) + self._read(self._issuer))
        trust = ("--load-ca-certificate", self._root, "--load-crl", crl)
        told = self._run("certtool", "--verify", "--infile", chain, *trust)
        verdict = told.rpartition("Chain verification output: ")[2]
        self._same(
            made, "certtool", verdict, "The certificate chain is revoked.", "Verified. The certificate is trusted."
        )

    def _ask_ocsp(self, made: Made) -> None:
        answer = self._write("answer.der", made.answer)
        about = ("-issuer", self._issuer, "-cert", made.name, "-CAfile", self._root, "-verify_other", self._issuer)
        told = self._run("openssl", "ocsp", "-respin", answer, *about)
        hold("Response verify OK" in told, f"openssl ocsp of {made.name}: {told}")
        self._same(made, "openssl ocsp", told, f"{made.name}: revoked", f"{made.name}: good")
        checked = self._run("ocsptool", "--verify-response", "--load-response", answer, "--load-trust", self._issuer)
        hold("Success" in checked, f"ocsptool of {made.name}: {checked}")

    def _same(self, made: Made, who: str, told: str, revoked: str, good: str) -> None:
        hold((revoked in told, good in told) == (made.revoked, not made.revoked), f"{who} of {made.name}: {told}")

    def _write(self, name: str, content: bytes) -> str:
        (self._directory / name).write_bytes(content)
        return name

    def _read(self, name: str) -> bytes:
        return (self._directory / name).read_bytes()

    def _run(self, *command: str) -> str:
        ran = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self._directory, timeout=_PATIENCE_S
        )
        return ran.stdout + ran.stderr
