"""Files in which the kernel tells about the machine: /proc, /sys and control groups. One that is missing is empty."""

from __future__ import annotations

from pathlib import Path


def text_in(path: Path) -> str:
    """Return the text of a file without spaces around it; empty if it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number_in(path: Path) -> int | None:
    """Return the whole number in a file; None if it cannot be read or holds something else."""
    text = text_in(path)
    return int(text) if text.lstrip("-").isdecimal() else None
