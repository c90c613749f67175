"""A folder of a job's files is compared with its statement."""

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from typer.testing import CliRunner, Result

from tests.signing import pem, public_pem
from worker.jobs.signature import read_signer, sign_statement
from zpruner.cli.commands.main import app

FILES = {"config.json": b"{}", "nested/weights.bin": b"weights", "report.json": b"[]"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a job, with a statement of them."""
    subject = []
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        subject.append({"name": name, "digest": {"sha256": sha256(content).hexdigest()}})
    definition: dict[str, Any] = {
        "externalParameters": {"model": "org/model"},
        "resolvedDependencies": [],
    }
    document: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": definition, "runDetails": {"builder": {}}},
    }
    (tmp_path / "provenance.json").write_text(json.dumps(document))
    (tmp_path / "SHA256SUMS").write_text("")
    return tmp_path


def verify(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["verify", str(folder), *words])


def text(result: Result) -> str:
    """Return the text on standard error, whose lines are wrapped in a box."""
    return " ".join(result.stderr.replace("│", " ").split())


def test_files_as_the_job_wrote_them_are_verified(folder: Path) -> None:
    result = verify(folder)
    assert (result.exit_code, result.stderr) == (0, "all files are as the job wrote them\n")
    rows = [line.split("\t")[:2] for line in result.stdout.splitlines()]
    assert rows == [[name, "equal"] for name in FILES]


@pytest.mark.parametrize("link", ["config.json", "extra", "nested/extra"])
@pytest.mark.parametrize("target", ["file", "folder", "nothing"])
def test_a_folder_with_links_is_not_verified(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, link: str, target: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").write_bytes(FILES["config.json"])
    (folder / link).unlink(missing_ok=True)
    (folder / link).symlink_to(elsewhere if target == "folder" else elsewhere / target)
    result = verify(folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"links, pipes or devices: {link}. Copy the folder" in result.stderr


@pytest.mark.parametrize(
    "control", ["\x1b]0;pwn\x07", "\x1b[31m", "\x9b31m", "\u202e", "\r", "\x7f"], ids=ascii
)
@pytest.mark.parametrize("words", [(), ("--json",)], ids=["table", "json"])
def test_a_name_with_control_characters_cannot_change_what_a_terminal_shows(
    folder: Path, control: str, words: tuple[str, ...]
) -> None:
    statement = json.loads((folder / "provenance.json").read_text())
    statement["subject"].append({"name": f"a{control}b", "digest": {"sha256": "0" * 64}})
    (folder / "provenance.json").write_text(json.dumps(statement))
    result = verify(folder, *words)
    assert result.exit_code == 1
    shown = (result.stdout + result.stderr).replace("\n", "").replace("\t", "")
    assert shown.isprintable()
    assert "not the same: a" in result.stderr


def test_a_file_that_is_different_missing_or_new_is_named(folder: Path) -> None:
    (folder / "report.json").write_text("[1]")
    (folder / "config.json").unlink()
    (folder / "other.txt").touch()
    result = verify(folder, "--json")
    assert result.exit_code == 1
    assert result.stderr == "not the same: config.json, other.txt, report.json\n"
    outcomes = {one["name"]: one["outcome"] for one in json.loads(result.stdout)}
    assert outcomes.pop("nested/weights.bin") == "equal"
    expected = {"config.json": "missing", "other.txt": "new", "report.json": "different"}
    assert outcomes == expected


def test_a_folder_without_a_statement_cannot_be_verified(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)


@pytest.fixture
def signed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder with a signed statement, and the file with the public key."""
    keys, key = tmp_path_factory.mktemp("keys"), Ed25519PrivateKey.generate()
    (keys / "key.pem").write_bytes(pem(key))
    (keys / "key.pub").write_bytes(public_pem(key))
    sign_statement(folder / "provenance.json", read_signer(keys / "key.pem"))
    return folder, keys / "key.pub"


def test_a_signature_is_verified_with_its_public_key(signed: tuple[Path, Path]) -> None:
    folder, public_key = signed
    result = verify(folder, "--public-key", str(public_key))
    assert (result.exit_code, result.stderr.splitlines()[1:]) == (
        0,
        [f"signed with the key in {public_key}"],
    )


def test_a_changed_statement_is_not_the_signed_one(signed: tuple[Path, Path]) -> None:
    folder, public_key = signed
    changed = (folder / "provenance.json").read_text().replace("org/model", "org/other")
    (folder / "provenance.json").write_text(changed)
    result = verify(folder, "--public-key", str(public_key))
    assert (result.exit_code, "not the statement that was signed" in result.stderr) == (1, True)


def test_a_changed_payload_does_not_fit_its_signature(signed: tuple[Path, Path]) -> None:
    folder, public_key = signed
    changed = (folder / "provenance.json").read_bytes().replace(b"org/model", b"org/other")
    (folder / "provenance.json").write_bytes(changed)
    envelope = json.loads((folder / "provenance.intoto.jsonl").read_text())
    envelope["payload"] = b64encode(changed).decode()
    (folder / "provenance.intoto.jsonl").write_text(json.dumps(envelope))
    result = verify(folder, "--public-key", str(public_key))
    assert (result.exit_code, "is not signed with the key" in result.stderr) == (1, True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"payload": 1}'])
def test_a_malformed_envelope_is_no_signature(content: str, signed: tuple[Path, Path]) -> None:
    folder, public_key = signed
    (folder / "provenance.intoto.jsonl").write_text(content)
    result = verify(folder, "--public-key", str(public_key))
    assert (result.exit_code, "is not signed with the key" in result.stderr) == (1, True)


def test_another_key_and_a_missing_signature_are_named(signed: tuple[Path, Path]) -> None:
    folder, public_key = signed
    public_key.write_bytes(public_pem(Ed25519PrivateKey.generate()))
    result = verify(folder, "--public-key", str(public_key))
    assert (result.exit_code, "is not signed with the key" in result.stderr) == (1, True)
    (folder / "provenance.intoto.jsonl").unlink()
    result = verify(folder, "--public-key", str(public_key))
    assert (result.exit_code, "a job has it if its worker signs" in result.stderr) == (1, True)


def test_a_public_key_that_cannot_be_used_is_a_wrong_option(signed: tuple[Path, Path]) -> None:
    folder, public_key = signed
    for content in (b"no key", public_pem(X25519PrivateKey.generate())):
        public_key.write_bytes(content)
        result = verify(folder, "--public-key", str(public_key))
        assert (result.exit_code, "does not hold a public key" in text(result)) == (2, True)
    result = verify(folder, "--public-key", str(public_key.with_name("gone")))
    assert (result.exit_code, "No such file" in text(result)) == (2, True)
