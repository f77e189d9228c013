"""What was deployed of each service, in a file of lines that only grows: the way back."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from astraea.protocol.instance import Label
from astraea.protocol.service import ServiceName

from .errors import DeployError
from .files import state_folder
from .settings import SettingsSource


class Record(BaseModel):
    """A deployment that came about."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    service: ServiceName
    revision: Label
    image: str
    """Its reference: in this user's layout for processes, in a registry for containers."""
    engine: str
    broker: str
    nodes: tuple[Label, ...]
    settings: SettingsSource | None = None


class History:
    """The deployments of one service that were made from this machine.

    Args:
        service: its name.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self._path = state_folder() / "history" / f"{service}.jsonl"

    def add(self, **known: object) -> None:
        """Note a deployment that has just come about."""
        record = Record.model_validate({"at": datetime.now(UTC), "service": self.service, **known})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{record.model_dump_json()}\n")

    def all(self) -> list[Record]:
        """The deployments, the oldest first. A line that doesn't read, of a full disk for instance, is passed over."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [record for line in lines if (record := _read(line)) is not None]

    def before(self, revision: str | None = None) -> Record:
        """The deployment to go back to: the newest of this revision, or of the one before the newest.

        Raises:
            DeployError: there is none.
        """
        records = self.all()
        for record in reversed(records):
            if record.revision == revision or (revision is None and record.revision != records[-1].revision):
                return record
        raise DeployError(
            f"{self.service!r} was never deployed from here"
            + (f" as {revision}" if revision else " with another revision"),
            hint=f"`astraea history {self.service}` lists what was; `astraea deploy IMAGE` takes any image",
        )


def _read(line: str) -> Record | None:
    try:
        return Record.model_validate_json(line)
    except ValidationError:
        return None
