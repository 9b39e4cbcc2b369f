"""The form that a new key comes with, wherever one is made: with a project, an environment, beside others or after one.

Three ways lead to the same form: a key made in this browser, a request that is uploaded, and one that is pasted. In all
of them a name and a certification request is what arrives here. Certificates have a fourth (`new_certificate`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from credenza.actions.issuing import NewKey
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import ProjectType
from credenza.portal import repeats, texts
from credenza.portal.visit import Visit


class Method(StrEnum):
    """How the key comes. A certificate that somebody else has issued comes for TLS clients alone, a bare public key for
    payloads."""

    GENERATE = "generate"
    UPLOAD = "upload"
    PASTE = "paste"
    CERTIFICATE = "certificate"
    PUBLIC_KEY = "public_key"


class Thing(StrEnum):
    """What the form is for. With a new project it depends on the service that is chosen in it."""

    KEY = "key"
    CERTIFICATE = "certificate"
    EITHER = "either"
    SERVICE_KEY = "service_key"


RSA_KINDS = ("RSA-2048", "RSA-3072", "RSA-4096")
EC_KINDS = ("EC-P256",)


def form(
    visit: Visit, here: str, action: str, project_type: ProjectType, thing: Thing = Thing.KEY, **more: Any
) -> dict[str, Any]:
    """What the template of the form needs. `here` is the page's own address, `action` where the form goes."""
    return {
        "thing": thing,
        "anchors": None,
        "subject": {},
        "here": here,
        "here_more": "",
        "form_action": action,
        "method": method_of(visit),
        "kinds": RSA_KINDS if project_type is ProjectType.OAUTH10A else (*RSA_KINDS, *EC_KINDS),
        "project_type": project_type,
        "once": repeats.key(visit),
        **more,
    }


def method_of(visit: Visit) -> Method:
    asked = visit.fields.get("method") or visit.query("method")
    return Method(asked) if asked in set(Method) else Method.GENERATE


def read(visit: Visit) -> NewKey:
    """Read alias and request. What the request is worth is for the action to say."""
    wrong = Refusal(Code.INVALID, "Give the key a name of 1 to 120 characters, none of them invisible.", field="alias")
    return NewKey(texts.read_name(visit, wrong), read_request(visit))


def read_request(visit: Visit) -> bytes:
    request = visit.files.get("file", b"") or visit.fields.get("csr", "").encode()
    if not request.strip():
        raise Refusal(Code.INVALID_CSR, _MISSING[method_of(visit)], field="csr")
    return request


_MISSING = {
    Method.GENERATE: "No request arrived. A key is made by the page's script: allow it, or send a request of your own.",
    Method.UPLOAD: "Choose the file with the certification request.",
    Method.PASTE: "Paste the certification request.",
    Method.PUBLIC_KEY: "Choose to upload or to paste the certification request.",
    Method.CERTIFICATE: "A key is added by its certification request: choose to upload or to paste that.",
}
