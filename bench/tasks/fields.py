"""Types of settings that several modules share. A value outside its range is rejected when it is decoded."""

from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0)]
