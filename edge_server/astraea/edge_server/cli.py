"""`astraea serve`."""

import logging
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import AnyHttpUrl, SecretStr, TypeAdapter, ValidationError

from astraea.models.cpus import available_cpus
from astraea.protocol import Instance, Location, ServiceSpec, load_service_spec
from astraea.protocol.serving.certificate import certificate_files
from astraea.protocol.serving.logs import LogFormat, LogLevel, configure_logging

from .auth import check_key, read_key
from .errors import OptionError
from .limits import Limits
from .listen import listen, url_of
from .revisions import label
from .server import Security, Serving, run
from .streams.sources import Sources
from .webrtc.ice import IceServers

app = typer.Typer(add_completion=False)

_QUEUE = 64  # a burst of as many devices; who can't wait for so long says so with a deadline


@app.callback()
def _root() -> None:
    """Keeps `serve` a word of the command line: Typer drops the name of a lone command."""


@app.command(epilog="Example: astraea serve demos/services/plates --port 8000 --broker http://127.0.0.1:8600")
def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The service's folder, with its astraea.yaml.")],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.", show_default="the template's"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Requests answered at once.", show_default="the CPUs it may use")
    ] = None,
    queue: Annotated[
        int,
        typer.Option(min=0, max=10_000, help="Requests that may wait; more are refused."),
    ] = _QUEUE,
    batch: Annotated[
        int, typer.Option(min=1, max=1024, help="Inputs that may be computed in one call; 1 for one by one.")
    ] = Limits.batch,
    broker: Annotated[
        str | None, typer.Option(envvar="ASTRAEA_BROKER", help="URL of the broker to register with; none without it.")
    ] = None,
    broker_key_file: Annotated[
        Path | None,
        typer.Option(help="File with a node's key for that broker; ASTRAEA_BROKER_KEY may be the key itself."),
    ] = None,
    node: Annotated[str | None, typer.Option(help="Name of this node.", show_default="the host's name")] = None,
    region: Annotated[str | None, typer.Option(help="Region of this node.", show_default="the template's")] = None,
    lat: Annotated[float | None, typer.Option(help="Where this node is: latitude in degrees.")] = None,
    lon: Annotated[float | None, typer.Option(help="Where this node is: longitude in degrees.")] = None,
    advertise: Annotated[
        str | None, typer.Option(help="URL at which devices reach it.", show_default="the address it listens on")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="What tells this build from others.", show_default="the template's version")
    ] = None,
    instance: Annotated[
        str | None, typer.Option(help="Id of this instance.", show_default="made of node and service, and random")
    ] = None,
    price_per_hour: Annotated[float, typer.Option(help="What this instance costs, busy or not.")] = 0.0,
    price_per_gb: Annotated[float, typer.Option(help="What a GB of traffic from devices to it costs.")] = 0.0,
    log_format: Annotated[LogFormat, typer.Option(help="How a line of the log looks.")] = LogFormat.PLAIN,
    log_level: Annotated[LogLevel, typer.Option(help="The least important lines to log.")] = LogLevel.INFO,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="File with the key that requests must bring; ASTRAEA_API_KEY may be the key itself."),
    ] = None,
    jwks: Annotated[
        str | None,
        typer.Option(help="File or URL of the keys that the broker signs tokens with.", metavar="FILE|URL"),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain, PEM; with it the server speaks TLS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.")] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Origin of web pages that may ask; may be repeated.", metavar="URL")
    ] = None,
    swap: Annotated[
        bool,
        typer.Option("--swap", help="Upgrade by releasing the old version first, where memory holds only one."),
    ] = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="Load handler, template and model again when they change; for development.")
    ] = False,
    ice_server: Annotated[
        list[str] | None,
        typer.Option(help="STUN or TURN server for WebRTC behind NATs; may be repeated.", metavar="URL"),
    ] = None,
    turn_secret_file: Annotated[
        Path | None, typer.Option(help="File with the secret that the TURN server shares (static-auth-secret).")
    ] = None,
    allow_source: Annotated[
        list[str] | None,
        typer.Option(help="Videos that POST /streams may ask for, as rtsp://HOST; may be repeated.", metavar="URL"),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine, though callers are not authenticated.")
    ] = False,
) -> None:
    """Answer requests to one service: POST /predict runs its handler on the body.

    /readyz says when it is ready, /metrics how it fares.

    SIGTERM or Ctrl-C lets it finish what it has begun. SIGHUP lets what is in the folder now take the place of what it
    serves, and loses no request.
    """
    configure_logging(log_format, log_level)
    spec = load_service_spec(folder)
    broker_url = _broker(broker)
    workers = workers or available_cpus()
    limits = Limits(workers, queue, batch)
    security = Security(_key(api_key_file), _jwks(jwks), tuple(cors_origin or ()), certificate_files(tls_cert, tls_key))
    ice_servers = IceServers(tuple(ice_server or ()), _secret(turn_secret_file))
    sources = Sources(tuple(allow_source or ()))
    open_to_network = insecure or security.authenticates
    with listen(host, spec.port if port is None else port, open_to_network=open_to_network) as listener:
        scheme = "https" if security.tls else "http"
        described = _instance(
            spec,
            node=node or label(socket.gethostname()),
            id=instance,
            url=advertise or url_of(listener, registering=broker is not None, scheme=scheme),
            revision=revision or label(spec.version),
            region=region or spec.region,
            location=_location(lat, lon),
            price={"per_hour": price_per_hour, "per_gb": price_per_gb},
        )
        serving = Serving(
            folder,
            spec,
            described,
            limits,
            broker_url,
            security,
            _key(broker_key_file, "--broker-key-file", "ASTRAEA_BROKER_KEY", "broker-key"),
            ice_servers=ice_servers,
            sources=sources,
            swap=swap,
            reload=reload,
        )
        finished = run(serving, listener)
    if not finished:  # a thread in foreign code can't be stopped, and must not run while the interpreter is taken down
        logging.shutdown()
        os._exit(0)


def _key(
    file: Path | None,
    option: str = "--api-key-file",
    variable: str = "ASTRAEA_API_KEY",
    credential: str = "api-key",
) -> SecretStr | None:
    """A key, of a file, the environment, or the secrets given to this server: never an option, which all could see.

    Secrets are files in `CREDENTIALS_DIRECTORY`: https://systemd.io/CREDENTIALS/.
    """
    if file is not None:
        return read_key(file, option)
    if key := os.environ.get(variable):
        return check_key(key)
    given = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""), credential)
    return read_key(given, f"the secret {credential}") if given.is_absolute() and given.is_file() else None


def _jwks(source: str | None) -> str | None:
    if source is not None and not source.startswith(("http://", "https://")) and not Path(source).is_file():
        raise OptionError(f"--jwks: there is no file {source}", hint="a URL begins with http:// or https://")
    return source


def _secret(file: Path | None) -> SecretStr | None:
    return None if file is None else read_key(file, "--turn-secret-file")


def _instance(spec: ServiceSpec, **options: Any) -> Instance:
    """What the instance tells the broker of itself.

    Raises:
        OptionError: An option's value can't be what it is meant to be.
    """
    if options["id"] is None:
        options["id"] = label(f"{options['node'][:24]}-{spec.name[:30]}-{secrets.token_hex(4)}")
    try:
        return Instance(service=spec.name, **options)
    except ValidationError as error:
        raise _option_error(error, {"id": "instance", "url": "advertise"}) from None


def _location(lat: float | None, lon: float | None) -> Location | None:
    if lat is None and lon is None:
        return None
    try:
        return Location.model_validate({"lat": lat, "lon": lon})
    except ValidationError as error:
        raise _option_error(error, {}) from None


def _broker(url: str | None) -> str | None:
    try:
        return None if url is None else str(TypeAdapter(AnyHttpUrl).validate_python(url))
    except ValidationError as error:
        raise _option_error(error, {"": "broker"}) from None


def _option_error(error: ValidationError, names: Mapping[str, str]) -> OptionError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    found = "none" if first["input"] is None else repr(first["input"])
    return OptionError(f"--{names.get(field, field)}: {first['msg']}, found {found}")
