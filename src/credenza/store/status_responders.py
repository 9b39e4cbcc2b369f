"""Who answers for an authority (RFC 6960 4.2.2.2): the newest certificate that it gave for that, and its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from credenza.domain.model import PLATFORM, AuthorityId
from credenza.store.schema import status_responders
from credenza.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class StatusResponder:
    authority_id: AuthorityId
    certificate_der: bytes = field(repr=False)
    wrapped_private_key: bytes = field(repr=False)
    not_after: datetime


def find(connection: Connection, authority_id: AuthorityId) -> StatusResponder | None:
    row = connection.execute(
        select(
            status_responders.c.authority_id,
            status_responders.c.certificate_der,
            status_responders.c.wrapped_private_key,
            status_responders.c.not_after,
        ).where(status_responders.c.authority_id == authority_id)
    ).one_or_none()
    return None if row is None else StatusResponder(*row)


def replace(connection: Connection, responder: StatusResponder) -> None:
    """Put it in the place of the one before, whose answers stay good for as long as they say."""
    facts = {
        "certificate_der": responder.certificate_der,
        "wrapped_private_key": responder.wrapped_private_key,
        "not_after": responder.not_after,
    }
    row = {"organization_id": PLATFORM, "authority_id": responder.authority_id, **facts}
    statement = insert_into(connection, status_responders).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=["authority_id"], set_=facts))
