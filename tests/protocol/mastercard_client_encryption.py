"""Encrypt and decrypt with the unmodified mastercard-client-encryption. Runs in the virtual environment of the client
libraries.

Reads one JSON line a message, with a configuration of the library in it; writes one JSON line: its body and headers.
"""

import json
import sys

from client_encryption.api_encryption import ApiEncryption


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        layer = ApiEncryption(asked["config"], asked["type"])
        headers = dict(asked["headers"])
        if asked["act"] == "encrypt":
            body = layer._encrypt_payload(headers, asked["body"])
        else:
            body = layer._decrypt_payload(headers, asked["body"])
        text = body.decode() if isinstance(body, bytes) else body
        print(json.dumps({"body": text, "headers": headers}), flush=True)


if __name__ == "__main__":
    main()
