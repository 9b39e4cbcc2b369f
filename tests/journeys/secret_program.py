"""Fetch a token with a client secret and call with it, through unmodified libraries. Runs in the virtual environment of
the client libraries.

Reads one JSON line that says who, how and what; writes one: the token response, and what each call was answered.
"""

import json
import sys

from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session


def requests_oauthlib(who: dict):
    session = OAuth2Session(client=BackendApplicationClient(client_id=who["client_id"]))
    if who["form"] == "basic":
        proof = {"auth": HTTPBasicAuth(who["client_id"], who["secret"])}
    else:
        proof = {"client_secret": who["secret"], "include_client_id": True}
    token = session.fetch_token(who["token_url"], verify=who["authority"], audience=who["audience"], **proof)
    return session, token


def authlib(who: dict):
    method = f"client_secret_{who['form']}"
    session = AuthlibSession(who["client_id"], who["secret"], token_endpoint_auth_method=method)
    session.verify = who["authority"]
    token = session.fetch_token(who["token_url"], grant_type="client_credentials", audience=who["audience"])
    return session, token


def main() -> None:
    who = json.loads(sys.stdin.readline())
    session, token = {"requests-oauthlib": requests_oauthlib, "authlib": authlib}[who["library"]](who)
    answers = [session.request(method, url, verify=who["authority"]) for method, url in who["calls"]]
    told = [
        {"status": each.status_code, "headers": {name.lower(): value for name, value in each.headers.items()}}
        for each in answers
    ]
    sys.stdout.write(json.dumps({"token": dict(token), "answers": told}))


main()
