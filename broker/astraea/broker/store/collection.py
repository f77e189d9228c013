"""Records of one kind as typed objects in memory, written through."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import StoreError
from .base import Key, Kind
from .mirror import Mirror

_T = TypeVar("_T", bound=BaseModel)


class Collection(Generic[_T]):
    """Objects by id. A keeper (see `mirror`); `mirror` is set by whoever owns both.

    Args:
        kind: of the records.
        model: what their documents say.
    """

    mirror: Mirror

    def __init__(self, kind: Kind, model: type[_T]) -> None:
        self.kind = kind
        self.items: dict[str, _T] = {}
        self._model = model

    async def put(self, record_id: str, item: _T) -> None:
        """Set one; returns when it is in the store.

        Raises:
            StoreError: it holds here and now, but a restart would lose it.
        """
        self.items[record_id] = item
        await self._write(record_id)

    async def remove(self, record_id: str) -> bool:
        """Forget one, and return whether it was there.

        Raises:
            StoreError: it is forgotten, but a restart would bring it back.
        """
        known = self.items.pop(record_id, None)
        await self._write(record_id)
        return known is not None

    def body(self, record_id: str) -> str | None:
        """See Keeper.body."""
        item = self.items.get(record_id)
        return None if item is None else item.model_dump_json()

    def apply(self, record_id: str, body: str | None) -> None:
        """See Keeper.apply."""
        if body is None:
            self.items.pop(record_id, None)
            return
        try:
            self.items[record_id] = self._model.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise StoreError(
                f"the store's {self.kind} {record_id!r} is not what a broker writes: {first['msg']}",
                hint="put a backup in its place, or delete that record",
            ) from None

    async def _write(self, record_id: str) -> None:
        key = Key(self.kind, record_id)
        self.mirror.mark(key)
        await self.mirror.settled(key)
