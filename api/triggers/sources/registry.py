"""The sources by name: each name of `TriggerSource` is a module of this folder."""

from collections.abc import Mapping
from importlib import import_module

from api.triggers.sources.source import Source
from db.tables.triggers import TriggerSource

SOURCES: Mapping[TriggerSource, Source] = {
    name: import_module(f"api.triggers.sources.{name}").SOURCE for name in TriggerSource
}
