"""How secrets get into containers: never by the container's configuration, which anybody at its engine can read."""

import io
import tarfile
from collections.abc import Mapping

from docker import DockerClient
from docker.types import SecretReference

from ...packaging.container import USER_ID

_INSTANCE_LABEL = "astraea.instance"


def packed(secrets: Mapping[str, bytes]) -> bytes:
    """A tar of secrets as files, which instances may read and root alone may write."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, secret in secrets.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.gid = len(secret), 0o440, USER_ID
            tar.addfile(entry, io.BytesIO(secret))
    return content.getvalue()


def keep(client: DockerClient, instance_id: str, secrets: Mapping[str, bytes]) -> list[SecretReference]:
    """Put an instance's secrets into the swarm's own encrypted store; what it is started with to find them as files."""
    forget(client, instance_id)  # of a start that was cut short
    references = []
    for number, (name, secret) in enumerate(secrets.items()):
        kept = f"{instance_id}.{number}"
        made = client.secrets.create(name=kept, data=secret, labels={_INSTANCE_LABEL: instance_id})
        references.append(
            SecretReference(str(made.id), kept, filename=name, uid=str(USER_ID), gid=str(USER_ID), mode=0o400)
        )
    return references


def forget(client: DockerClient, instance_id: str) -> None:
    """Delete what the swarm keeps of an instance's secrets."""
    for secret in client.secrets.list(filters={"label": f"{_INSTANCE_LABEL}={instance_id}"}):
        secret.remove()
