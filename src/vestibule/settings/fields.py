"""How a value that is written as text becomes what the code takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, SecretStr

from vestibule.clients.configured import ConfiguredClient
from vestibule.keys.key_file import key_file_path
from vestibule.policy import policy_from

__all__ = ["Clients", "Code", "Consent", "Keys", "Policy", "PrivateKey", "Secret", "Table", "Text", "TextList"]

_YES: Final = frozenset({"true", "1", "yes", "on"})
_NO: Final = frozenset({"false", "0", "no", "off"})


def read_list(value: object) -> object:
    """A JSON array, or texts parted by commas or spaces."""
    if not isinstance(value, str):
        return value
    return _json(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()


def read_table(value: object) -> object:
    """A JSON object, where a table cannot be written."""
    return _json(value) if isinstance(value, str) else value


def read_secret(value: object) -> object:
    """The secret itself, or what stands in the file that ``file:`` names, without the line break that editors add."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not value.startswith("file:"):
        return value
    path = Path(value.removeprefix("file:")).expanduser()
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {type(error).__name__}") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def read_keys(value: object) -> object:
    """One secret; as a JSON array, several, of which the first signs; or a file, which is read where it is used.

    Commas part nothing here, for a secret may have some.
    """
    if (path := key_file_path(value)) is not None:
        return path
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json(value)
    return [read_secret(item) for item in value] if isinstance(value, list | tuple) else read_secret(value)


def read_private_key(value: object) -> object:
    """PEM, or a JWK as a table or its JSON."""
    value = read_secret(value)
    return _json(value) if isinstance(value, str) and value.lstrip().startswith("{") else value


def read_consent(value: object) -> object:
    """Yes, no, or the name of a mode."""
    word = value.lower() if isinstance(value, str) else value
    return word in _YES if word in _YES | _NO else word


def read_clients(value: object) -> object:
    """Tables with the members of :class:`~vestibule.clients.configured.ConfiguredClient`."""
    items = _json(value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("must be a list of tables")
    return tuple(_client(item) for item in items)


def read_policy(value: object) -> object:
    """A function stays what it is; a table or its JSON is read."""
    if callable(value):
        return value
    return policy_from(read_table(value))


def _client(item: object) -> ConfiguredClient:
    if isinstance(item, ConfiguredClient):
        return item
    if not isinstance(item, Mapping):
        raise ValueError("each client is a table")
    try:
        return ConfiguredClient(**{**item, "client_secret": read_secret(item.get("client_secret"))})
    except TypeError as error:
        raise ValueError(str(error).partition("() ")[2]) from None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError("is not valid JSON") from None


Text = Annotated[str, BeforeValidator(str)]
"""Text, byte for byte; URL objects are taken too."""

TextList = Annotated[list[str], BeforeValidator(read_list)]
Secret = Annotated[SecretStr, BeforeValidator(read_secret)]
Table = Annotated[dict[str, Any], BeforeValidator(read_table)]
Keys = Annotated[Any, BeforeValidator(read_keys)]
PrivateKey = Annotated[Any, BeforeValidator(read_private_key)]
Consent = Annotated[Any, BeforeValidator(read_consent)]
Clients = Annotated[Any, BeforeValidator(read_clients)]
Policy = Annotated[Any, BeforeValidator(read_policy)]

Code = Annotated[Any, "code"]
"""An object that cannot be written as text: an argument only."""
