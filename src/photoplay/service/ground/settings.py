"""The service's settings: from the environment (``PHOTOPLAY_…``), a YAML file, or the caller. Unsafe ones do not start.

The names, defaults and meanings are listed in docs/service/settings.md; a test holds that list to this file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)
from sqlalchemy.engine import URL
from yaml import YAMLError

from photoplay.errors import UnavailableError
from photoplay.safety.certificates import data_home
from photoplay.service.ground.safe_settings import kept_secret, make_private, reaches_others, unsafe

PREFIX = "PHOTOPLAY_"
FILE = "PHOTOPLAY_SETTINGS"
"""Environment variable that names a YAML file of settings; the environment wins over it."""
SECRETS = "PHOTOPLAY_SECRETS"
"""Environment variable that names a folder of files ``photoplay_<setting>``, as container platforms mount secrets."""


def _listed(value: object) -> object:
    """Names with commas between them, as an environment variable holds them."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _file_address(data: dict[str, Any]) -> str:
    """The address of the SQLite file in the data folder, whatever signs are in its name."""
    file = data.get("data", Path()) / "photoplay.db"
    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Settings(BaseSettings):
    """Everything that an installation can choose. Frozen; ``database_url`` and the secrets never show in a repr."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    data: Folder = Field(
        default_factory=lambda: data_home() / "service",
        description="Folder of everything that this machine keeps for the service.",
    )
    host: str = Field("127.0.0.1", description="Address to listen at.")
    port: int = Field(8188, ge=1, le=65535, description="Port to listen at.")
    public_url: str | None = Field(None, description="Where people reach the service, for links in answers.")
    allowed_hosts: Names = Field(
        (), description="Host names that requests may name. Default: loopback's and public_url's."
    )
    hosted: bool = Field(
        default_factory=lambda data: reaches_others(
            data.get("host", ""), data.get("public_url"), data.get("allowed_hosts", ())
        ),
        description="A service for strangers: consent needs a record of every person. Default: unless it goes by names of"
        " this machine alone (host, public_url, allowed_hosts).",
    )
    cookie_secure: bool = Field(
        default_factory=lambda data: bool(data.get("hosted", True)),
        description="Send cookies over https alone. Default: when hosted.",
    )
    secret: SecretStr | None = Field(
        None,
        description="At least 32 characters that sign links, forms and webhooks. On loopback one is made and kept.",
    )
    database_url: str = Field(
        default_factory=_file_address,
        repr=False,
        description="sqlite:///file or postgresql://user:password@host/name.",
    )
    storage_url: str = Field(
        default_factory=lambda data: str(data.get("data", Path()) / "store"),
        description="Folder of uploads and films, or s3://bucket/prefix.",
    )
    s3_endpoint: str | None = Field(None, description="Address of an S3 server that is not Amazon's.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_key: SecretStr | None = Field(None, description="Access key id. Default: the machine's own role.")
    s3_secret: SecretStr | None = Field(None, description="Secret access key.")
    work: Folder = Field(
        default_factory=lambda data: data.get("data", Path()) / "work",
        description="Folder of unfinished films: a film goes on from here after a crash.",
    )
    workers: int = Field(1, ge=0, le=64, description="Worker processes that `photoplay serve` starts.")
    gpus: int = Field(
        1,
        ge=1,
        le=64,
        description="GPUs that make one film together, where its model can be shared: all of one worker.",
    )
    backends: Names = Field(("pocket",), min_length=1, description="Backends that films can be made with here.")
    plans: Folder | None = Field(None, description="YAML file of plans instead of the built-in ones.")
    sign_up: bool = Field(False, description="Whether strangers can make an account.")
    sign_up_plan: str = Field("free", description="Plan of a new account.")
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://… Accounts then begin, and passwords"
        " are renewed, by a link in a mail.",
    )
    mail_from: str | None = Field(None, description="Sender of mails, such as photoplay <films@example.org>.")
    queue_limit: int = Field(500, ge=1, description="Jobs that may wait before new ones are turned away.")
    upload_days: float = Field(30, gt=0, description="Days that an upload is kept.")
    max_upload_mb: int = Field(32, ge=1, le=2048, description="Largest file that can be uploaded, in MB.")
    step_minutes: float = Field(
        30, gt=0, description="Minutes without any progress after which a film counts as stuck."
    )
    webhook_hosts: Names = Field((), description="Hosts that webhooks may call. Default: any that is public.")
    log_format: Literal["json", "text"] = Field("json", description="How the log is written.")
    metrics_host: str = Field("127.0.0.1", description="Address at which workers show their own figures.")
    metrics_port: int | None = Field(
        None, ge=1, le=65535 - 64, description="Port of it: each worker takes the first of 64 that is free."
    )
    otlp_endpoint: str | None = Field(None, repr=False, description="OTLP/HTTP collector that traces are sent to.")

    _keys: dict[str, bytes] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _none_is_default(cls, values: Any) -> Any:
        """None where a default is worked out means that default."""
        worked_out = ("hosted", "cookie_secure")
        return {name: value for name, value in values.items() if not (value is None and name in worked_out)}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The caller, then the environment, then mounted secrets, then the file."""
        sources = [init_settings, env_settings]
        if folder := os.environ.get(SECRETS):
            sources.append(SecretsSettingsSource(settings_cls, secrets_dir=folder))
        if file := os.environ.get(FILE):
            sources.append(YamlConfigSettingsSource(settings_cls, yaml_file=file))
        return tuple(sources)

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """The settings of this environment, ``given`` ones first.

        Raises:
            UnavailableError: ``settings_invalid`` with the names of those that cannot be read; no value is repeated.
        """
        if (file := os.environ.get(FILE)) and not Path(file).is_file():
            raise _invalid("the settings file itself")
        try:
            return cls(**given)
        except ValidationError as error:
            names = (".".join(str(part) for part in one["loc"]) or "settings" for one in error.errors())
            raise _invalid(", ".join(dict.fromkeys(names))) from None
        except (SettingsError, OSError, ValueError, YAMLError):
            raise _invalid("the environment or the settings file") from None  # their texts repeat what was set

    def checked(self) -> Settings:
        """These settings, when they are safe to start with; makes the data folder and, on loopback, the secret.

        Raises:
            UnavailableError: ``settings_unsafe`` with everything that is wrong.
        """
        if found := unsafe(self):
            raise UnavailableError(
                "settings_unsafe",
                f"The service does not start with these settings: {'; '.join(found)}.",
                "Change them (docs/service/settings.md) and start it again.",
            )
        for folder in (self.data, self.work):
            make_private(folder)
        self.key("start")
        return self

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose, drawn from the secret (HKDF, RFC 5869): knowing one tells nothing of another.

        Raises:
            UnavailableError: ``settings_unsafe``: there is no secret and this is no service on loopback.
        """
        if purpose not in self._keys:
            secret = self.secret.get_secret_value() if self.secret else None
            if secret is None and self.hosted:
                raise UnavailableError(
                    "settings_unsafe", "The service has no secret.", "Set PHOTOPLAY_SECRET to 32 random characters."
                )
            material = (secret if secret is not None else kept_secret(self.data)).encode()
            derived = HKDF(SHA256(), 32, salt=b"photoplay service", info=purpose.encode()).derive(material)
            self._keys[purpose] = derived
        return self._keys[purpose]


def _invalid(what: str) -> UnavailableError:
    return UnavailableError(
        "settings_invalid", f"These settings cannot be used: {what}.", "Look them up in docs/service/settings.md."
    )
