"""The catalog as a YAML file, in the words of the API: services with their environments, permissions and routes.

A file is read whole or not at all. Keys that stand twice and keys that nobody knows are refused with their line; so
are aliases, which hide what a reviewer reads, and tags.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from credenza.actions.services import NewService
from credenza.api import catalog_entries
from credenza.api.services import read_new
from credenza.cli.failure import CommandFailed
from credenza.domain.model import Service, ServiceEnvironment
from credenza.wire import services as wire
from credenza.wire.shape import RequestShape

LARGEST_BYTES = 1_000_000
MOST_PROBLEMS = 20


class CatalogFile(RequestShape):
    services: Annotated[tuple[wire.NewService, ...], Field(max_length=1000)]


class _Loader(yaml.SafeLoader):
    """Reads what stands there, once."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(None, None, "aliases are not read: write it out", self.get_mark())
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge keys are keys like any other, and unknown."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                problem = "a key that stands twice, or is no word"
                raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path) -> tuple[NewService, ...]:
    """Read a file. Ends the command with the lines that are wrong."""
    node, content = _load(path)
    try:
        found = CatalogFile.model_validate(content, strict=False)
    except ValidationError as error:
        problems = [f"{path}:{_line(node, each['loc'])}: {_sentence(each)}" for each in error.errors()]
        raise CommandFailed("\n".join(problems[:MOST_PROBLEMS])) from error
    return tuple(map(read_new, found.services))


def write(services: Iterable[Service]) -> str:
    """Write services as `read` reads them."""
    document = {"services": [_written(each) for each in services]}
    text: str = yaml.dump(document, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000)
    return text


def _load(path: Path) -> tuple[yaml.Node | None, Any]:
    try:
        text = _text(path)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return node, loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else 1
        raise CommandFailed(f"{path}:{line}: {error.problem or 'this is no YAML'}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CommandFailed(f"{path} is no YAML file that can be read.") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}.") from error
    if len(content) > LARGEST_BYTES:
        raise CommandFailed(f"{path} is larger than {LARGEST_BYTES:,} bytes.")
    return content.decode("utf-8")


def _line(node: yaml.Node | None, location: Iterable[str | int]) -> int:
    """Find the line of what is wrong, or of the nearest thing around it that stands in the file."""
    line = 1 if node is None else node.start_mark.line + 1
    for step in location:
        found = _child(node, step)
        if found is None:
            return line
        line, node = found
    return line


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line + 1, value) for key, value in node.value if key.value == step), None)
    return None


def _sentence(error: Any) -> str:
    named = ".".join(str(each) for each in error["loc"] if not isinstance(each, int))
    problem = "nobody knows this key" if error["type"] == "extra_forbidden" else error["msg"]
    return f"{named or 'the file'}: {problem}"


def _written(service: Service) -> dict[str, Any]:
    entry = catalog_entries.shown(service.entry)
    plain = {} if entry is None else entry.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    found: dict[str, Any] = {"name": service.name, "authenticationType": service.authentication.value}
    found |= {"description": service.description} if service.description else {}
    found |= {"environments": [_place(each) for each in service.environments]}
    found |= {"scopes": sorted(service.scopes)} if service.scopes else {}
    return found | ({"catalogEntry": _listed(plain)} if plain else {})


def _place(place: ServiceEnvironment) -> dict[str, Any]:
    given = wire.NewServicePlace(
        name=place.environment.value,
        pathPrefix=place.path_prefix,
        upstream=place.upstream,
        validityMonths=place.validity_months,
        validityDays=place.validity_days,
        payloadRules=None if place.payload_rules is None else json.loads(place.payload_rules),
    )
    return given.model_dump(by_alias=True, exclude_none=True)


def _listed(plain: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists, which YAML has."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
