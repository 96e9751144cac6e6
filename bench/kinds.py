"""Kinds of value that several parts share."""

from typing import Annotated, Literal

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0)]
Format = Literal["markdown", "csv", "json", "latex", "html", "parquet"]
