"""A PKCS#11 token in software (SoftHSM), with a PIN and keys of one's own."""

import os
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PIN = "493817"
MODULE = next(
    path
    for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"))
    if path.exists()
)


class SoftToken:
    """`directory` is where its module keeps it; the environment names it, because nothing else can."""

    label = "credenza"

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "tokens"
        self.directory.mkdir(parents=True)
        configuration = directory / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.directory}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        self.pin_file = directory / "pin"
        self.pin_file.write_text(PIN + "\n")
        self.pin_file.chmod(0o600)
        self._run("--init-token", "--free", "--label", self.label, "--so-pin", "112233", "--pin", PIN)

    def put(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, label: str, identity: str = "01") -> str:
        """Put a key into the token; the answer is its URI."""
        pkcs8 = self.directory.parent / "key.pem"
        pkcs8.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._run("--import", str(pkcs8), "--token", self.label, "--label", label, "--id", identity, "--pin", PIN)
        pkcs8.unlink()
        return f"pkcs11:token={self.label};object={label}"

    def remove(self) -> None:
        self.directory.rename(self.directory.with_name("gone"))
        self.directory.mkdir()

    def bring_back(self) -> None:
        self.directory.rmdir()
        self.directory.with_name("gone").rename(self.directory)

    def _run(self, *arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
