"""What a deployment applies to Kubernetes, for those who apply it themselves."""

import yaml
from rich.markup import escape

from ..desired import Release
from ..errors import DeployError
from .consoles import err
from .fleet import Fleet


def rendered(release: Release, fleet: Fleet) -> str:
    """The objects of a release as YAML; of its secrets, only how to make them is said, beside it.

    Raises:
        DeployError: the engine takes no such objects.
        EngineError: the cluster can't tell which ports are free.
        SettingsError: an instance's settings can't be read.
    """
    if fleet.render is None:
        raise DeployError("only what goes to Kubernetes can be printed", hint="--render --engine kubernetes")
    plans = release.plans()
    if release.settings is not None and release.settings.secrets:
        files = " ".join(f"--from-file={name}={path}" for name, path in release.settings.secrets)
        for plan in plans:
            err().print(f"[yellow]not printed:[/] {escape(f'kubectl create secret generic {plan.id} {files}')}")
    return yaml.safe_dump_all(fleet.render(plans, release.image), sort_keys=False, explicit_start=True, width=120)
