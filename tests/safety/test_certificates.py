from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from photoplay.errors import SealError
from photoplay.safety.certificates import (
    DEVELOPMENT,
    PrivateKey,
    data_home,
    default_signer,
    development_signer,
    signer_from_files,
    signer_from_vault,
    trusted_anchors,
)
from photoplay.safety.reading import read_seal
from photoplay.safety.verify import verify
from tests.safety.conftest import SealIt


def own_chain(
    folder: Path,
    key: PrivateKey,
    *,
    days: int = 30,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> tuple[Path, Path, Path]:
    """Leaf, key and root files of somebody's own authority; ``days`` may be negative: expired."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def certificate(name: str, public: object, authority: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Film House"),
                                     x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Film House"),
                                    x509.NameAttribute(NameOID.COMMON_NAME, "Root")]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
        )  # fmt: skip
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        return builder.sign(root_key, hashes.SHA256())

    root, leaf = certificate("Root", root_key.public_key(), True), certificate("Signer", key.public_key(), False)
    cert, secret, anchor = folder / "cert.pem", folder / "key.pem", folder / "root.pem"
    cert.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    anchor.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, secret, anchor


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_the_development_key_is_for_its_owner_only(home: Path) -> None:
    development_signer()
    folder = home / "development-certificate"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["chain.pem", "key.pem", "root.pem"]


def test_it_is_made_once_and_names_itself() -> None:
    first, second = development_signer(), development_signer()
    assert first.chain == second.chain
    leaf = x509.load_pem_x509_certificate(first.chain.encode())
    root = x509.load_pem_x509_certificate(first.anchors.encode())
    leaf.verify_directly_issued_by(root)
    assert leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == DEVELOPMENT
    assert leaf.public_key() != root.public_key()


def test_first_runs_at_the_same_time_agree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "new"))
    with ThreadPoolExecutor(8) as pool:
        chains = {signer.chain for signer in pool.map(lambda _: development_signer(), range(16))}
    assert len(chains) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["development-certificate"]


def test_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "file"))
    with pytest.raises(SealError) as caught:
        development_signer()
    assert caught.value.code == "certificate_not_writable"
    assert str(tmp_path) not in str(caught.value)


def test_home_follows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOTOPLAY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert data_home() == Path("/data/photoplay")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_home() == Path.home() / ".local" / "share" / "photoplay"


def test_a_spoilt_development_certificate_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path))
    development_signer()
    (tmp_path / "development-certificate" / "key.pem").write_text("nonsense")
    with pytest.raises(SealError) as caught:
        development_signer()
    assert caught.value.code == "certificate_unusable"


@pytest.mark.parametrize(
    "key",
    [p256(), ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1()),
     rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"],
)  # fmt: skip
def test_your_own_certificate_signs(
    key: PrivateKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seal_it: SealIt
) -> None:
    cert, secret, anchor = own_chain(tmp_path, key)
    monkeypatch.setenv("PHOTOPLAY_SIGN_CERT", str(cert))
    monkeypatch.setenv("PHOTOPLAY_SIGN_KEY", str(secret))
    monkeypatch.setenv("PHOTOPLAY_SIGN_ANCHOR", str(anchor))
    found = verify(seal_it().path)
    assert (found.state, found.signer, found.development) == ("trusted", "Signer, Film House", False)


def test_the_root_may_end_the_chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cert, secret, anchor = own_chain(tmp_path, p256())
    cert.write_text(cert.read_text() + anchor.read_text())
    assert signer_from_files(cert, secret).anchors == anchor.read_text()


@pytest.mark.parametrize("missing", ["PHOTOPLAY_SIGN_CERT", "PHOTOPLAY_SIGN_KEY"])
def test_half_a_setting(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cert, secret, _ = own_chain(tmp_path, p256())
    monkeypatch.setenv("PHOTOPLAY_SIGN_CERT", str(cert))
    monkeypatch.setenv("PHOTOPLAY_SIGN_KEY", str(secret))
    monkeypatch.delenv(missing)
    with pytest.raises(SealError) as caught:
        default_signer()
    assert caught.value.code == "sign_settings_incomplete"


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    cert, secret, _ = own_chain(tmp_path, p256())
    stranger = tmp_path / "other"
    stranger.mkdir()
    with pytest.raises(SealError) as caught:
        signer_from_files(cert, own_chain(stranger, p256())[1])
    assert caught.value.code == "certificate_unusable"
    assert str(tmp_path) not in str(caught.value)
    assert signer_from_files(cert, secret).algorithm == "ES256"


@pytest.mark.parametrize(
    ("days", "purpose"),
    [(-1, ExtendedKeyUsageOID.EMAIL_PROTECTION), (30, ExtendedKeyUsageOID.SERVER_AUTH)],
    ids=["expired", "for web servers"],
)
def test_a_certificate_that_may_not_sign_leaves_no_film(
    days: int, purpose: x509.ObjectIdentifier, tmp_path: Path, seal_it: SealIt
) -> None:
    signer = signer_from_files(*own_chain(tmp_path, p256(), days=days, purpose=purpose))
    before = set(os.listdir(tmp_path))
    with pytest.raises(SealError) as caught:
        seal_it(signer=signer)
    assert caught.value.code in ("seal_not_trusted", "seal_failed")
    assert set(os.listdir(tmp_path)) == before


def in_a_vault(key: PrivateKey, der: bool) -> Callable[[bytes], bytes]:
    """What a key management service does: its answer is DER or, where asked for, r and s."""

    def sign(data: bytes) -> bytes:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        if isinstance(key, rsa.RSAPrivateKey):
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return key.sign(data, salted, hashes.SHA256())
        hashed = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
        signature = key.sign(data, ec.ECDSA(hashed))
        if der:
            return signature
        size = (key.curve.key_size + 7) // 8
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))

    return sign


@pytest.mark.parametrize("der", [True, False], ids=["DER", "r and s"])
@pytest.mark.parametrize(
    "key",
    [p256(), ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 2048),
     ed25519.Ed25519PrivateKey.generate()],
    ids=["P-256", "P-521", "RSA", "Ed25519"],
)  # fmt: skip
def test_a_key_in_a_vault_signs(
    key: PrivateKey, der: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seal_it: SealIt
) -> None:
    cert, _, anchor = own_chain(tmp_path, key)
    signer = signer_from_vault(cert.read_text(), in_a_vault(key, der), anchor.read_text())
    assert read_seal(seal_it(signer=signer).path, "mp4", anchor.read_text()).state == "trusted"


def down(_: bytes) -> bytes:
    raise ConnectionError("vault.example refused")


FAULTY_VAULTS: dict[str, Callable[[bytes], bytes]] = {
    "down": down, "empty": lambda _: b"", "short": lambda _: b"\1" * 10, "long": lambda _: b"\1" * 100_000,
    "another key's": in_a_vault(p256(), der=True), "no bytes": lambda _: "signature",  # type: ignore[dict-item, return-value]
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTY_VAULTS)
def test_a_vault_that_fails_leaves_no_film(fault: str, tmp_path: Path, seal_it: SealIt) -> None:
    cert, _, anchor = own_chain(tmp_path, p256())
    signer = signer_from_vault(cert.read_text(), FAULTY_VAULTS[fault], anchor.read_text())
    before = set(os.listdir(tmp_path))
    with pytest.raises(SealError) as caught:
        seal_it(signer=signer)
    assert caught.value.code in ("seal_failed", "seal_not_trusted")
    assert "vault.example" not in str(caught.value)
    assert set(os.listdir(tmp_path)) == before


def test_a_vault_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seal_it: SealIt
) -> None:
    cert, _, anchor = own_chain(tmp_path, p256())
    answer, before = threading.Event(), set(os.listdir(tmp_path))
    signer = signer_from_vault(cert.read_text(), lambda _: b"late" if answer.wait(20) else b"", anchor.read_text())
    monkeypatch.setattr("photoplay.safety.provenance.PATIENCE", 0.2)
    with pytest.raises(SealError) as caught:
        seal_it(signer=signer)
    assert set(os.listdir(tmp_path)) == before
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "seal":
            thread.join(10)
    assert caught.value.code == "seal_timed_out"
    assert set(os.listdir(tmp_path)) == before  # and what comes late leaves nothing either


def test_a_vault_without_a_certificate(tmp_path: Path) -> None:
    for chain in ("", "nonsense"):
        with pytest.raises(SealError) as caught:
            signer_from_vault(chain, lambda data: data)
        assert caught.value.code == "certificate_unusable"


def test_the_films_of_others_are_believed_under_a_root_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seal_it: SealIt
) -> None:
    cert, secret, anchor = own_chain(tmp_path, p256())
    path = seal_it(signer=signer_from_files(cert, secret, anchor)).path
    assert verify(path).state == "untrusted"
    monkeypatch.setenv("PHOTOPLAY_TRUST", str(anchor))
    assert (verify(path).state, verify(path).signer) == ("trusted", "Signer, Film House")
    anchor.write_text("nonsense")
    with pytest.raises(SealError) as caught:
        verify(path)
    assert caught.value.code == "certificate_unusable"


def test_nothing_is_trusted_before_there_is_a_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "empty"))
    assert trusted_anchors() == ""
    assert not (tmp_path / "empty").exists()
