"""SHA-256 of the SubjectPublicKeyInfo of keys whose private halves are printed in RFCs and on jwt.io.

They are pasted from examples into production more often than one would think. The public halves these were
computed from are in `tests/vectors/published_public_keys.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PUBLISHED_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "6fd13c2435a361e7c588cd17f55f5ad3df0177a66c1727a6a200845f4d7ab88c": "RFC 7515 A.2",
        "2bd1bb0c44a897c30a7aa0991cde38d8062fe441de50da0f46825344f602e827": "RFC 7515 A.3",
        "bf0a7a74f9afb6edda89ebabe824241bfdb281db2da50daae9973c6cbe99fe95": "RFC 7516 A.1",
        "c1de70b4f5ae92a53b86f6a7175e3b9b88b2f810d55aba53aca334c59fc2ea60": "RFC 7516 A.2",
        "ad32320cf6c596d884b05381ba573aba8ddd5749b4de8f4a23a79f9a89ddaeb2": "RFC 7517 A.1",
        "51b944cdfa544d4c3273aa6bf350625a7dd53bbb6a71723274f538b19a207760": "RFC 7517 A.1",
        "a4109e6bac8043ec089a57064aeb14d0b5fd5025b95810541c52a168aa565344": "RFC 7517 C.1",
        "36ada7a1c77e32830848b347126d4da6de59f1c30536c53750dc9ec8931349fb": "RFC 7518 C (Alice)",
        "19818232a1dd313f53b5d5b95ae3d32570e178ba58d6d5906989fc299b00e32f": "RFC 7518 C (Bob)",
        "627771f25da426d1f9ae315e42106d700b1529850eee1592acf39603959d795d": "RFC 7520 3.3",
        "c8579d8d878fb8eab2a6f1e714c92118b9960e1478ed906496255ed405db1636": "RFC 7520 5.2",
        "5a7a78cca4a0f420d9bc62bb669c3c2759e39f723d3ae10dcbe0f0815a07ecd4": "RFC 6979 A.2.5",
        "2f95601fa82060b909bfc6b979dbd303d34d34e0afb27ea496beac362f242a4b": "RFC 6979 A.2.6",
        "7b5aa630ea909c4740ed82d2444262b3ec965d945d544320a5e1b2c04ce27ee2": "RFC 9449 4.1",
        "c73eecd318bd3813f2402a660d8a90010ca35d609d19377d5ee7af200713229f": "RFC 9421 B.1.1",
        "72859cbaf21a0b398b1f25712bbed148b1d85a0c6b824176eb306405caa6f0b2": "RFC 9421 B.1.2",
        "55f96361b78cbb84f1fc604b0718e82bd91abb46d8fc25ae871b35fbbf8b7974": "RFC 9421 B.1.3",
        "8fb6bad671cfe698393c453357da61b56d757ab8c0f3fb9c87f2849e63131878": "RFC 9500 2.1 testRSA2048",
        "96465ea5dc9bb2da7b351d808a7196e5761f2412a5040131c68d719aaba28fb9": "RFC 9500 2.1 testRSA4096",
        "b2b04340cfaee616ec9c2c62d261b208e54bb197498df52e8cadede23ac0ba5e": "RFC 9500 2.3 testECCP256",
        "c4c10105a0be0ed4dd3354428dc38a9bfee64da141ce16e75c94eda272f9dd3a": "RFC 9500 2.3 testECCP384",
        "d9eba436fe2c372caedf0d3093edc5057346cde613fa246af5ea0e3635438868": "RFC 9635 sample client key",
        "88a78427ed6f9343fd066502cdfd2e69926ec6a100b79b6967b17427e677f944": "jwt.io RS256 sample",
    }
)
