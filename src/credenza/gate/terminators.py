"""What terminates TLS before the gate, and when its word for a client certificate is believed (security.md, threat 4).

A certificate is public: whoever may name one in a header field may be anybody. So the field counts only from a proxy
that has proven to be one in the same request, and for nobody else: by a secret, by a certificate of its own, or because
it alone can open the socket. Which field a client sends, and how it spells the name, then makes no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hmac import compare_digest

from credenza.protocol import client_cert_header
from credenza.protocol.errors import Malformed
from credenza.protocol.errors import Refused as Disproven

CLIENT_CERT = b"client-cert"
PROXY_SECRET = b"credenza-proxy-secret"

PRESENTED = "credenza.client_certificate"
"""Where a scope has the certificate (DER) that came in the listener's own handshake."""


class Unreadable(Exception):  # noqa: N818 - a verdict on the request, not an error of ours
    """A believed proxy names a certificate in a way that two programs could read differently."""


@dataclass(frozen=True, slots=True)
class Terminators:
    """Who is believed: whoever sends `secret`, presents one of `certificates` (DER), or has come by the socket when
    `socket` is set. By default nobody is."""

    secret: bytes = field(default=b"", repr=False)
    certificates: frozenset[bytes] = frozenset()
    socket: bool = False

    def certificate(self, named: Sequence[bytes], secrets: Sequence[bytes], presented: bytes) -> bytes:
        """Say which certificate a request was made with, of those that its fields name and the one that TLS has proven.
        Raises Unreadable."""
        if not self._believe(secrets, presented):
            return presented
        # The proxy's own certificate is not the client's: what counts is what it says, and that it says it once.
        if len(named) > 1:
            raise Unreadable("The proxy has to set Client-Cert to one value; see the recipes.")
        return _parsed(named[0]) if named else b""

    def _believe(self, secrets: Sequence[bytes], presented: bytes) -> bool:
        if self.socket or (presented and presented in self.certificates):
            return True
        return bool(self.secret) and len(secrets) == 1 and compare_digest(secrets[0], self.secret)


NOBODY = Terminators()


# A client's calls come with the same certificate, and its spelling takes longer to read than the rest of the head.
@lru_cache(maxsize=1024)
def _parsed(value: bytes) -> bytes:
    try:
        return client_cert_header.parse(value.decode("latin-1"))
    except (Malformed, Disproven) as failure:
        raise Unreadable(str(failure)) from failure
