"""What levelfield may know of pocketgrad without loading it: name, module, modes, framework, who brings it, and how."""

from backends.registry import Entry

ENTRY = Entry("pocketgrad", "pocketgrad_backend", ("eager",), "pocketgrad", ("pocketgrad",), "pip install pocketgrad")
