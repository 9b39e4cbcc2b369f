"""Webhooks, and what became of what was sent. A webhook's secret is in one shape alone: the answer to its creation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from credenza.wire.shape import AnswerShape, Moment, RequestShape, Text


class NewWebhook(RequestShape):
    url: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    description: Annotated[Text, Field(max_length=120)] = ""


class Webhook(AnswerShape):
    id: str
    url: str
    description: str
    created_at: Moment


class AddedWebhook(Webhook):
    """`secret` is shown this once; libraries of Standard Webhooks take it as it is."""

    secret: Annotated[str, Field(repr=False)]


class Delivery(AnswerShape):
    """`id` is the webhook-id, or the left half of the Message-ID. `recipient` is a webhook's id, or a mail address."""

    id: str
    channel: Literal["mail", "webhook"]
    kind: Literal["expiry", "invitation", "password_reset", "test"]
    recipient: str
    state: Literal["waiting", "sent", "failed", "dropped"]
    attempts: int
    due_at: Moment
    created_at: Moment
    sent_at: Moment | None
    error: str
