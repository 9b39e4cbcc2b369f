"""A peer of P7: django-oauth-toolkit under uvicorn, giving Bearer tokens to one client for its secret.

It is treated well: its database is a file of its own whose writes nobody waits for, no middleware stands before it, and
the secret is kept as it is, because Django would else hash it anew, as slowly as a password, for every request.

PEER_DIRECTORY is where its database is made; PEER_CLIENT_ID and PEER_CLIENT_SECRET say whom it knows.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command

PATH = "/o/token/"

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["PEER_DIRECTORY"]) / "peer.db",
            "CONN_MAX_AGE": None,
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF"},
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    MIDDLEWARE=[],
    OAUTH2_PROVIDER={"ACCESS_TOKEN_EXPIRE_SECONDS": 3600, "SCOPES": {"read": "Read"}},
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
    USE_TZ=True,
)
django.setup()

# What follows needs Django to know its settings.
from django.urls import path  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402
from oauth2_provider.views import TokenView  # noqa: E402

urlpatterns = [path(PATH.strip("/") + "/", TokenView.as_view())]

call_command("migrate", verbosity=0)
_Application = get_application_model()
_Application.objects.create(
    client_id=os.environ["PEER_CLIENT_ID"],
    client_secret=os.environ["PEER_CLIENT_SECRET"],
    hash_client_secret=False,
    client_type=_Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=_Application.GRANT_CLIENT_CREDENTIALS,
)

app = ASGIHandler()
