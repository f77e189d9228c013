"""API keys, devices and signing keys: made, checked, revoked, each step in the audit trail."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from astraea.protocol.broker_api import AuditEntry, Role

from ..errors import EnrolmentError, UnknownKeyError
from ..store import Collection, Key, Kind, Mirror, Store
from .roles import Principal
from .secrets import digest, matches, new_code, new_key, split_key, tidy_code
from .tokens import SigningKey, Token, Tokens

CODE_LIFETIME_S = 3600.0
ROTATION_S = 30 * 86400.0
BROKER = Principal("the broker", Role.ADMIN)


class ApiKey(BaseModel):
    """What is kept of an operator's or a node's key."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    hash: str
    created_at: datetime


class Device(BaseModel):
    """What is kept of an enrolled device."""

    model_config = ConfigDict(frozen=True)

    name: str
    services: tuple[str, ...] | None
    """Those that it may use; None for all."""
    hash: str
    enrolled_at: datetime


class Code(BaseModel):
    """What is kept of a one-time code, under its hash."""

    model_config = ConfigDict(frozen=True)

    name: str
    services: tuple[str, ...] | None
    expires_s: float


class Issued(NamedTuple):
    """A secret that is told once, and the id by which it can be revoked."""

    id: str
    secret: str


class Access:
    """Everything about who may do what; all of it written through to the store.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.keys = Collection(Kind.API_KEY, ApiKey)
        self.devices = Collection(Kind.DEVICE, Device)
        self.codes = Collection(Kind.CODE, Code)
        self.signing_keys = Collection(Kind.SIGNING_KEY, SigningKey)
        self.collections = (self.keys, self.devices, self.codes, self.signing_keys)
        self.tokens = Tokens(lambda: self.signing_keys.items, clock)
        self._clock = clock

    def keep_in(self, mirror: Mirror, store: Store) -> None:
        """Say where the records are written; once, before anything is changed."""
        self._mirror, self._store = mirror, store
        for collection in self.collections:
            collection.mirror = mirror

    def identify(self, bearer: str) -> Principal | None:
        """Whom a key belongs to; None for a wrong one."""
        key_id, secret = split_key(bearer)
        if (key := self.keys.items.get(key_id)) is not None and matches(secret, key.hash):
            return Principal(f"{key.name} ({key_id})", key.role)
        if (device := self.devices.items.get(key_id)) is not None and matches(secret, device.hash):
            return Principal(key_id, Role.DEVICE)
        return None

    async def make_key(self, actor: Principal, name: str, role: Role) -> Issued:
        """A new API key; its secret is told now and never again."""
        key_id, key, kept = new_key("k")
        self.note(actor, "make key", key_id, f"{name}: {role}")
        await self.keys.put(key_id, ApiKey(name=name, role=role, hash=kept, created_at=self._now()))
        return Issued(key_id, key)

    async def revoke(self, actor: Principal, record_id: str) -> None:
        """Make an API key or a device's worthless from now on.

        Raises:
            UnknownKeyError: there is none of this id.
        """
        collection = next((c for c in (self.keys, self.devices) if record_id in c.items), None)
        if collection is None:
            raise UnknownKeyError(f"there is no key or device {record_id!r}")
        self.note(actor, "revoke", record_id)
        await collection.remove(record_id)

    async def make_code(self, actor: Principal, name: str, services: tuple[str, ...] | None) -> str:
        """A code by which one device enrols within the hour."""
        code = new_code()
        self.note(actor, "make enrolment code", name, ", ".join(services) if services else "all services")
        kept = Code(name=name, services=services, expires_s=self._clock() + CODE_LIFETIME_S)
        await self.codes.put(digest(code), kept)
        return code

    async def enrol(self, typed: str) -> Issued:
        """Take a code, once, for a device's own key.

        Raises:
            EnrolmentError: it is wrong, used or too old; which of them isn't told.
        """
        code_id = digest(tidy_code(typed))
        code = self.codes.items.pop(code_id, None)
        taken = code is not None and await self._mirror.on_disk(lambda: self._store.take(Key(Kind.CODE, code_id)))
        if code is None or not taken or code.expires_s < self._clock():
            raise EnrolmentError("the code is not good: it is wrong, used, or older than an hour")
        device_id, key, kept = new_key("d")
        self.note(Principal(device_id, Role.DEVICE), "enrol", device_id, code.name)
        device = Device(name=code.name, services=code.services, hash=kept, enrolled_at=self._now())
        await self.devices.put(device_id, device)
        return Issued(device_id, key)

    def token(self, principal: Principal, service: str, roles: tuple[Role, ...] = ()) -> Token | None:
        """A token for whoever asks for one of a service; None if a device is not to use that one.

        It says nothing of what an operator may, unless it is to bring the rights of these `roles`.
        """
        device = self.devices.items.get(principal.name)
        if device is not None and device.services is not None and service not in device.services:
            return None
        return self.tokens.sign(service, principal.name, roles)

    def left_s(self, token: Token) -> float:
        """How long a token is good from now on."""
        return max(1.0, token.expires_s - self._clock())

    async def care_for_keys(self) -> None:
        """Make the first signing key, and a new one when the last is a month old; drop those that have had their time.

        Raises:
            StoreError: a key could not be written.
        """
        for outlived in list(self.tokens.outlived()):
            await self.signing_keys.remove(outlived)
        newest = max((key.created_at for key in self.signing_keys.items.values()), default=0.0)
        if newest + ROTATION_S < self._clock():
            await self.rotate(BROKER)
        for code_id in [code_id for code_id, code in self.codes.items.items() if code.expires_s < self._clock()]:
            await self.codes.remove(code_id)

    async def rotate(self, actor: Principal) -> str:
        """Publish a new signing key, which signs when edge servers have had time to read it; its id."""
        now_s = self._clock()
        key_id = f"s{token_hex(6)}"
        self.note(actor, "rotate signing key", key_id)
        await self.signing_keys.put(key_id, SigningKey.generate(now_s))
        return key_id

    def note(self, actor: Principal, action: str, subject: str, detail: str = "") -> None:
        """Write to the audit trail, with the change that follows."""
        entry = AuditEntry(at=self._now(), actor=actor.name, action=action, subject=subject[:256], detail=detail)
        self._mirror.note(entry)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
