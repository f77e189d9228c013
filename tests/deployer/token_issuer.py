"""The issuer of a registry's tokens, on loopback.

https://distribution.github.io/distribution/spec/auth/token/ says how it is asked, and .../auth/jwt/ what it signs.
"""

import base64
import json
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl

import jwt

from tests.edge_server.test_tls import write_certificate

from .registry_server import PASSWORD, USER

IDENTITY = "identity-of-ada"
"""What `docker login` keeps instead of a password where an issuer gives it."""
LEEWAY_S = 60
"""For so long the registry takes a token that is over."""


class TokenIssuer(ThreadingHTTPServer):
    """Gives the user above what they ask for, and whoever brings no name what is for reading.

    Args:
        folder: for its key and certificate.
        life_s: seconds after which the registry takes a token no more, or one second less.
    """

    def __init__(self, folder: Path, life_s: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.certificate, key = write_certificate(folder)
        self.life_s = life_s
        self.key = key.read_bytes()
        self.chain = [base64.b64encode(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).decode()]
        self.asked: list[dict[str, set[str]]] = []
        """For each request for a token, what is to be done with which repositories."""

    @property
    def configuration(self) -> dict[str, str]:
        """What the registry's says of it."""
        realm = f"http://127.0.0.1:{self.server_port}/token"
        return {"realm": realm, "service": "registry", "issuer": "test", "rootcertbundle": str(self.certificate)}

    def token(self, user: str, scopes: list[str]) -> str:
        """A token for these scopes; for reading alone if the user is nobody."""
        wanted = [scope.split(":") for scope in scopes]
        self.asked.append({name: set(actions.split(",")) for _, name, actions in wanted})
        access = [
            {"type": kind, "name": name, "actions": actions.split(",") if user else ["pull"]}
            for kind, name, actions in wanted
        ]
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + self.life_s - LEEWAY_S}
        who = {"iss": "test", "sub": user, "aud": "registry", "jti": uuid.uuid4().hex}
        return jwt.encode({**who, **times, "access": access}, self.key, algorithm="ES256", headers={"x5c": self.chain})


class _Handler(BaseHTTPRequestHandler):
    server: TokenIssuer

    def do_GET(self) -> None:
        basic = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        brought = self.headers["authorization"]
        user = USER if brought == basic else "" if brought is None else None
        self._answer(user, parse_qs(self.path.partition("?")[2])["scope"])

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        known = (form["grant_type"], form["refresh_token"]) == ("refresh_token", IDENTITY)
        self._answer(USER if known else None, form["scope"].split(" "))

    def _answer(self, user: str | None, scopes: list[str]) -> None:
        if user is None:
            self.send_error(401)
            return
        name = "token" if self.command == "GET" else "access_token"
        answer = {name: self.server.token(user, scopes), "expires_in": self.server.life_s - 1}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests ask what was asked."""


@contextmanager
def issuing_tokens(folder: Path, life_s: int = 300) -> Iterator[TokenIssuer]:
    """An issuer, while it runs."""
    with TokenIssuer(folder, life_s) as issuer:
        thread = threading.Thread(target=issuer.serve_forever)
        thread.start()
        try:
            yield issuer
        finally:
            issuer.shutdown()
            thread.join()
