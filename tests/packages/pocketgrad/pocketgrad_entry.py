"""What levelfield may know of pocketgrad without loading it."""

from backends.registry import Entry

ENTRY = Entry(
    name="pocketgrad",
    module="pocketgrad_backend",
    modes=("eager",),
    framework="pocketgrad",
    distributions=("pocketgrad",),
    install="pip install pocketgrad",
)
