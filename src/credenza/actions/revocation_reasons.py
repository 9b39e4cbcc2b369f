"""Why a credential was revoked, from the words of whoever did it to the codes that X.509 knows (RFC 5280 5.3.1)."""

from __future__ import annotations

from typing import Final

from credenza.protocol.crl import Reason

# The first that fits wins. Words nobody has foreseen say nothing: the code is left out, which is never wrong.
_WORDS: Final = (
    ("compromis", Reason.KEY_COMPROMISE),
    ("leak", Reason.KEY_COMPROMISE),
    ("stolen", Reason.KEY_COMPROMISE),
    ("exposed", Reason.KEY_COMPROMISE),
    ("lost", Reason.KEY_COMPROMISE),
    ("supersed", Reason.SUPERSEDED),
    ("replac", Reason.SUPERSEDED),
    ("rotat", Reason.SUPERSEDED),
    ("successor", Reason.SUPERSEDED),
    ("no longer", Reason.CESSATION_OF_OPERATION),
    ("not used", Reason.CESSATION_OF_OPERATION),
    ("unused", Reason.CESSATION_OF_OPERATION),
    ("deleted", Reason.CESSATION_OF_OPERATION),
    ("left", Reason.AFFILIATION_CHANGED),
)


def reason_of(words: str) -> Reason:
    said = words.casefold()
    return next((reason for word, reason in _WORDS if word in said), Reason.UNSPECIFIED)
