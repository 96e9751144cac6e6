"""Kinds of setting that have bounds."""

from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0)]
