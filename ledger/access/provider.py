"""An identity provider: where people sign in and programs get their tokens (OpenID Connect).

What it says of someone is believed because it is signed by a key that it publishes, meant for this
server, and young; and, when people sign in, because it answers the very question that was asked.
https://openid.net/specs/openid-connect-core-1_0.html; RFC 7636, 9068 and 9207.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry, Token
from pydantic import SecretStr
from requests import RequestException

from ledger.access.roles import Role
from ledger.errors import IdentityProviderUnavailable, SignInFailed, TokenRefused

Claims = dict[str, Any]

_SIGNED_BY = JWSRegistry(
    algorithms=["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
                "EdDSA", "Ed25519"],
    strict_check_header=False,
)  # fmt: skip
"""By a private key only: never unsigned, never by a secret that this server has, too."""

_KEY_TYPES = ("RSA", "EC", "OKP")
_ACCESS_TOKENS = ("", "jwt", "at+jwt", "application/at+jwt")
_LEEWAY_SECONDS = 60
_TIMEOUT_SECONDS = 5
_FRESH_SECONDS = 300

_log = logging.getLogger(__name__)


class Started(NamedTuple):
    """A question to the provider who someone is: where to send them, and what stays secret."""

    address: str
    state: str
    nonce: str
    code_verifier: str


class _Published(NamedTuple):
    """What a provider says of itself, and its keys."""

    metadata: Mapping[str, Any]
    keys: KeySet
    read_at: float


class Provider:
    """One provider, by the name and secret that this server has there."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: SecretStr,
        *,
        scopes: str = "openid",
        comes_back_to: str,
        roles_claim: str = "",
        roles: Mapping[str, Role] | None = None,
    ) -> None:
        """`roles`: which values of the claim, or which scopes, give which roles."""
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._comes_back_to = comes_back_to
        self._roles_claim = roles_claim
        self._roles = roles or {}
        self._read: _Published | None = None
        self._silent_until = 0.0

    # --- people sign in -------------------------------------------------------------------

    def start(self) -> Started:
        """A new question. Raises `IdentityProviderUnavailable`."""
        metadata = self._published().metadata
        nonce, code_verifier = generate_token(43), generate_token(64)
        with self._client(metadata) as client:
            address, state = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=generate_token(43),
                nonce=nonce,
                code_verifier=code_verifier,
            )
        return Started(address, state, nonce, code_verifier)

    def finish(self, started: Started, answer: Mapping[str, str]) -> tuple[Claims, str]:
        """Who came back with an answer: the claims about them, and the ID token with these.

        Raises `SignInFailed` and `IdentityProviderUnavailable`.
        """
        if not _same(answer.get("state", ""), started.state):
            raise SignInFailed()
        if answer.get("iss", self.issuer) != self.issuer or "code" not in answer:
            raise SignInFailed("The identity provider did not let you sign in. Start again.")
        token = self._token(answer["code"], started)
        id_token, access_token = token.get("id_token"), token.get("access_token")
        return self.read_id_token(id_token, access_token, started.nonce), str(id_token)

    def _token(self, code: str, started: Started) -> Mapping[str, Any]:
        metadata = self._published().metadata
        try:
            with self._client(metadata) as client:
                token: Mapping[str, Any] = client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=started.code_verifier
                )
        except OAuthError as error:
            _log.warning("%s refused to say who signed in: %s", self.issuer, error.error)
            raise SignInFailed() from None
        except (RequestException, ValueError) as error:
            raise self._unavailable(error) from None
        return token

    def read_id_token(self, id_token: object, access_token: object, nonce: str) -> Claims:
        """The claims of an ID token that answers the question with this nonce, and no other.

        Raises `SignInFailed` and `IdentityProviderUnavailable`.
        """
        try:
            token = self._verified(id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                },
                {"client_id": self.client_id, "access_token": access_token},
            )
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError) as error:
            _log.warning("An ID token of %s was refused: %s", self.issuer, type(error).__name__)
            raise SignInFailed() from None
        if not _same(claims.get("nonce"), nonce) or not isinstance(claims["sub"], str):
            raise SignInFailed()
        return dict(claims)

    def sign_out_address(self, id_token: str, comes_back_to: str) -> str:
        """Where someone ends their session at the provider; empty if it has no such place.

        https://openid.net/specs/openid-connect-rpinitiated-1_0.html
        """
        try:
            ends_at = self._published().metadata.get("end_session_endpoint")
        except IdentityProviderUnavailable:
            return ""
        asked = {
            "id_token_hint": id_token,
            "client_id": self.client_id,
            "post_logout_redirect_uri": comes_back_to,
        }
        return str(add_params_to_uri(ends_at, asked)) if ends_at else ""

    # --- programs come with a token -------------------------------------------------------

    def read_access_token(self, access_token: str, audience: str) -> Claims:
        """The claims of an access token (RFC 9068) that is meant for this audience.

        Raises `TokenRefused` and `IdentityProviderUnavailable`.
        """
        rules = JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            token = self._verified(access_token)
            rules.validate(token.claims)
        except (JoseError, ValueError):
            raise TokenRefused() from None
        kind, subject = token.header.get("typ", ""), token.claims["sub"]
        if str(kind).lower() not in _ACCESS_TOKENS or not isinstance(subject, str):
            raise TokenRefused()
        return token.claims

    # --- what both need -------------------------------------------------------------------

    def roles_in(self, claims: Claims) -> tuple[Role, ...]:
        """The roles that the settings give for what the provider says of someone or a program."""
        said = claims.get(self._roles_claim)
        if said is None:
            said = claims
            for part in self._roles_claim.split("."):
                said = said.get(part) if isinstance(said, dict) else None
        values = said if isinstance(said, list) else [said]
        scopes = str(claims.get("scope", "")).split()
        return tuple(
            sorted(
                {role for value, role in self._roles.items() if value in values or value in scopes}
            )
        )

    def _verified(self, token: object) -> Token:
        """A token, once it is certain who signed it: keys change, and a new one is then read."""
        if not isinstance(token, str):
            raise ValueError("there is no token")
        try:
            return jwt.decode(token, self._published().keys, registry=_SIGNED_BY)
        except InvalidKeyIdError:
            self._read = None
            return jwt.decode(token, self._published().keys, registry=_SIGNED_BY)

    def _published(self) -> _Published:
        """What the provider publishes, not older than five minutes."""
        read, now = self._read, time.monotonic()
        if read is None or read.read_at + _FRESH_SECONDS < now:
            if now < self._silent_until:  # not everybody who asks waits for it
                raise IdentityProviderUnavailable()
            place = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                metadata = self._get(place)
                if metadata["issuer"] != self.issuer:
                    raise ValueError(f"it calls itself {metadata['issuer']}")
                keys = [key for key in self._get(metadata["jwks_uri"])["keys"] if _signs(key)]
                read = _Published(metadata, KeySet.import_key_set({"keys": keys}), now)
            except (RequestException, JoseError, ValueError, TypeError, KeyError) as error:
                self._silent_until = now + _TIMEOUT_SECONDS
                raise self._unavailable(error) from None
            self._read = read
        return read

    def _get(self, address: str) -> Any:
        with OAuth2Session() as client:
            answer = client.request(
                "GET", address, withhold_token=True, timeout=_TIMEOUT_SECONDS, allow_redirects=False
            )
        if answer.status_code != 200:
            raise ValueError(f"{address} answered with {answer.status_code}")
        return answer.json()

    def _client(self, metadata: Mapping[str, Any]) -> OAuth2Session:
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        basic = "client_secret_basic"
        return OAuth2Session(
            self.client_id,
            self._client_secret.get_secret_value(),
            token_endpoint_auth_method=basic if basic in methods else "client_secret_post",
            scope=self._scopes,
            redirect_uri=self._comes_back_to,
            code_challenge_method="S256",
            default_timeout=_TIMEOUT_SECONDS,
        )

    def _unavailable(self, error: Exception) -> IdentityProviderUnavailable:
        _log.warning("The identity provider %s did not answer: %s", self.issuer, error)
        return IdentityProviderUnavailable()


def _signs(key: Mapping[str, Any]) -> bool:
    return key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig"


def _same(given: object, expected: str) -> bool:
    return hmac.compare_digest(str(given).encode(), expected.encode())
