"""Who signs: your own certificate, a callback (a key that never leaves its vault), or a local development certificate."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from photoplay.errors import SealError
from photoplay.safety.private import write_new

Algorithm: TypeAlias = Literal["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "ED25519"]
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

DEVELOPMENT = "photoplay development certificate"
"""Organisation in the name of every development certificate; no other signer may call itself so."""
LIFETIME = timedelta(days=3650)
_CURVES: dict[int, tuple[Algorithm, hashes.HashAlgorithm]] = {
    256: ("ES256", hashes.SHA256()),
    384: ("ES384", hashes.SHA384()),
    521: ("ES512", hashes.SHA512()),
}


@dataclass(frozen=True)
class Signer:
    """Makes signatures. ``chain`` is PEM, leaf first; ``sign`` maps the bytes to a raw signature (ECDSA: r and s, not DER).

    ``anchors`` is the PEM of the roots under which films of this signer are trusted. A key in a vault is a ``Signer`` whose
    ``sign`` calls that vault: :func:`signer_from_vault`. ``tsa_url`` is an RFC 3161 time-stamp authority that is asked
    about each seal (empty: none, nothing leaves the machine), ``tsa_anchors`` the PEM of its roots.
    """

    chain: str
    anchors: str
    algorithm: Algorithm
    sign: Callable[[bytes], bytes]
    tsa_url: str = ""
    tsa_anchors: str = ""


def data_home() -> Path:
    """Where photoplay keeps its own files: ``$PHOTOPLAY_HOME``, or ``photoplay`` in the user's data folder."""
    if home := os.environ.get("PHOTOPLAY_HOME"):
        return Path(home)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "photoplay"


def default_signer() -> Signer:
    """The certificate of ``PHOTOPLAY_SIGN_CERT`` and ``PHOTOPLAY_SIGN_KEY``, or else the development certificate.

    ``PHOTOPLAY_TSA_URL`` adds a time-stamp authority, ``PHOTOPLAY_TSA_ANCHOR`` names a PEM file of its roots.

    Raises:
        SealError: only one of the two is set, or what they name cannot be used.
    """
    return replace(_own_signer(), tsa_url=os.environ.get("PHOTOPLAY_TSA_URL", ""), tsa_anchors=stamp_anchors())


def stamp_anchors() -> str:
    """PEM of the roots of time-stamp authorities that this machine trusts: the file of ``PHOTOPLAY_TSA_ANCHOR``.

    They vouch for times only, never for films: public authorities issue certificates of other kinds under the same roots.

    Raises:
        SealError: ``certificate_unusable``: the file cannot be read.
    """
    return _roots("PHOTOPLAY_TSA_ANCHOR")


def _roots(setting: str) -> str:
    """The PEM file of certificates that an environment variable names; empty where it names none."""
    named = os.environ.get(setting)
    if not named:
        return ""
    try:
        text = Path(named).read_text()
        x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError) as error:
        raise SealError(
            "certificate_unusable",
            "A file of trusted roots cannot be read.",
            f"{setting} names a PEM file of certificates.",
        ) from error
    return text if text.endswith("\n") else text + "\n"


def _own_signer() -> Signer:
    cert, key = os.environ.get("PHOTOPLAY_SIGN_CERT"), os.environ.get("PHOTOPLAY_SIGN_KEY")
    if not cert and not key:
        return development_signer()
    if not cert or not key:
        raise SealError(
            "sign_settings_incomplete",
            "Only one of the two settings for your own certificate is there.",
            "Set both PHOTOPLAY_SIGN_CERT and PHOTOPLAY_SIGN_KEY, or neither.",
        )
    anchor = os.environ.get("PHOTOPLAY_SIGN_ANCHOR")
    return signer_from_files(Path(cert), Path(key), Path(anchor) if anchor else None)


def signer_from_files(cert: Path, key: Path, anchor: Path | None = None) -> Signer:
    """A signer whose PEM chain (leaf first) and unencrypted PEM key lie in files.

    Args:
        cert: the chain. key: the leaf's private key (EC P-256/384/521, RSA or Ed25519).
        anchor: PEM of the root; without it the last certificate of the chain is the anchor.

    Raises:
        SealError: ``certificate_unusable``.
    """
    try:
        chain, private = cert.read_text(), serialization.load_pem_private_key(key.read_bytes(), None)
        certificates = x509.load_pem_x509_certificates(chain.encode())
        if not isinstance(private, PrivateKey) or certificates[0].public_key() != private.public_key():
            raise ValueError("the key does not belong to the certificate")
        anchors = anchor.read_text() if anchor else _pem(certificates[-1])
        algorithm, sign = _algorithm(private)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise SealError(
            "certificate_unusable",
            "The certificate or its key cannot be used for signing.",
            "Give a PEM chain with the signing certificate first, and its unencrypted PEM key (EC, RSA or Ed25519).",
        ) from error
    return Signer(chain, anchors, algorithm, sign)


def signer_from_vault(chain: str, sign: Callable[[bytes], bytes], anchors: str = "") -> Signer:
    """A signer whose key stays in a vault (a key management service, a smart card).

    Args:
        chain: PEM, the signing certificate first; its key says which algorithm the vault has to use: ECDSA on P-256/384/521
            with SHA-256/384/512, RSASSA-PSS with SHA-256, or Ed25519.
        sign: takes the bytes to be signed and returns the signature. For ECDSA both forms are taken: DER, as most vaults
            give it, and r and s at full length.
        anchors: PEM of the root; without it the last certificate of the chain.

    Raises:
        SealError: ``certificate_unusable``.
    """
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        public = certificates[0].public_key()
        if isinstance(public, ec.EllipticCurvePublicKey):
            algorithm, size = _CURVES[public.curve.key_size][0], (public.curve.key_size + 7) // 8
            return Signer(chain, anchors or _pem(certificates[-1]), algorithm, lambda data: _plain(sign(data), size))
        kinds: dict[type, Algorithm] = {rsa.RSAPublicKey: "PS256", ed25519.Ed25519PublicKey: "ED25519"}
        algorithm = next(name for kind, name in kinds.items() if isinstance(public, kind))
    except (ValueError, LookupError, StopIteration) as error:
        raise SealError(
            "certificate_unusable",
            "The vault's certificate cannot be used for signing.",
            "Give a PEM chain with the signing certificate first (EC, RSA or Ed25519).",
        ) from error
    return Signer(chain, anchors or _pem(certificates[-1]), algorithm, sign)


def _plain(signature: bytes, size: int) -> bytes:
    """An ECDSA signature as r and s of ``size`` bytes each, whichever form it came in."""
    if len(signature) == 2 * size:
        return signature
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def trusted_anchors() -> str:
    """PEM of every root under which films are trusted here: that of this machine's development certificate, of the
    configured certificate, and those in the file of ``PHOTOPLAY_TRUST`` (whose films you want to be able to believe).

    Raises:
        SealError: ``certificate_unusable``: the file of ``PHOTOPLAY_TRUST`` cannot be read.
    """
    anchors = [_roots("PHOTOPLAY_TRUST")]
    with suppress(OSError):
        anchors.append((_development_folder() / "root.pem").read_text())
    if os.environ.get("PHOTOPLAY_SIGN_CERT"):
        with suppress(SealError):
            anchors.append(default_signer().anchors)
    return "".join(anchors)


def development_signer() -> Signer:
    """The development certificate of this user, made on first use.

    Root and leaf are new for every user and the root's key is forgotten at once, so that nothing else can be issued
    under it. The folder appears in one rename: of several first runs at the same time one wins and all use its files.

    Raises:
        SealError: ``certificate_unusable`` or ``certificate_not_writable``.
    """
    folder = _development_folder()
    if not folder.is_dir():
        try:
            _make_development_certificate(folder)
        except OSError as error:
            raise SealError(
                "certificate_not_writable",
                "The development certificate could not be stored.",
                "Set PHOTOPLAY_HOME to a folder that can be written.",
            ) from error
    return signer_from_files(folder / "chain.pem", folder / "key.pem", folder / "root.pem")


def _development_folder() -> Path:
    return data_home() / "development-certificate"


def _make_development_certificate(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Root", "Root", root_key, root_key.public_key(), authority=True)
    leaf = _certificate("Signer", "Root", root_key, key.public_key(), authority=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    making = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}")
    making.mkdir(mode=0o700)
    try:
        for name, text in (("root.pem", _pem(root)), ("chain.pem", _pem(leaf)), ("key.pem", private)):
            write_new(making / name, text.encode("ascii"))
        try:
            making.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _certificate(
    subject: str,
    issuer: str,
    signing_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    *,
    authority: bool,
) -> x509.Certificate:
    """An X.509 v3 certificate with what C2PA 2.x, section 14.5 asks of signing credentials."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(_key_usage(authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, DEVELOPMENT),
            x509.NameAttribute(NameOID.COMMON_NAME, f"photoplay development {common}"),
        ]
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _algorithm(key: PrivateKey) -> tuple[Algorithm, Callable[[bytes], bytes]]:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ED25519", key.sign
    if isinstance(key, rsa.RSAPrivateKey):
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return "PS256", lambda data: key.sign(data, salted, hashes.SHA256())
    algorithm, hashed = _CURVES[key.curve.key_size]
    size = (key.curve.key_size + 7) // 8
    return algorithm, lambda data: _plain(key.sign(data, ec.ECDSA(hashed)), size)
