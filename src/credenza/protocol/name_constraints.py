"""Name constraints (RFC 5280 4.2.1.10) on what stands in a subject: its directory name, and mail addresses in it.

`cryptography`'s verifier applies constraints to alternative names alone, and gives up at a critical constraint of a
form that it cannot compare; a client, though, is known by its subject.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from credenza.protocol import distinguished_name
from credenza.protocol.errors import Malformed, Refused


def check(path: tuple[x509.Certificate, ...]) -> None:
    """Raise Refused("name_constraints") unless every subject is one that all the authorities above may name.

    `path` begins with the leaf; each certificate is constrained by those after it.
    """
    for depth, authority in enumerate(path):
        constraints = _constraints(authority)
        if constraints is None:
            continue
        for below, certificate in enumerate(path[:depth]):
            # RFC 5280 6.1.4 (b): an authority that issued itself is not constrained; a leaf always is.
            if below == 0 or certificate.subject != certificate.issuer:
                _check_directory_name(certificate, constraints, authority)
                _check_mail_addresses(certificate, constraints, authority)


def are_understood(authority: x509.Certificate) -> bool:
    """Whether the verifier can apply what the authority's constraints say, where it may not pass them over."""
    constraints = _constraints(authority)
    if constraints is None or not authority.extensions.get_extension_for_class(x509.NameConstraints).critical:
        return True
    forms = (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ()))
    return all(isinstance(each, x509.DNSName | x509.IPAddress | x509.RFC822Name) for each in forms)


def _constraints(authority: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _check_directory_name(
    certificate: x509.Certificate, constraints: x509.NameConstraints, authority: x509.Certificate
) -> None:
    subject = certificate.subject
    permitted = [each.value for each in constraints.permitted_subtrees or () if isinstance(each, x509.DirectoryName)]
    excluded = [each.value for each in constraints.excluded_subtrees or () if isinstance(each, x509.DirectoryName)]
    if permitted and not any(_is_within(subject, each) for each in permitted):
        raise _refused(authority, subject.rfc4514_string())
    if any(_is_within(subject, each) for each in excluded):
        raise _refused(authority, subject.rfc4514_string())


def _check_mail_addresses(
    certificate: x509.Certificate, constraints: x509.NameConstraints, authority: x509.Certificate
) -> None:
    permitted = [each.value for each in constraints.permitted_subtrees or () if isinstance(each, x509.RFC822Name)]
    excluded = [each.value for each in constraints.excluded_subtrees or () if isinstance(each, x509.RFC822Name)]
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        address = str(attribute.value)
        if permitted and not any(_is_mail_within(address, each) for each in permitted):
            raise _refused(authority, address)
        if any(_is_mail_within(address, each) for each in excluded):
            raise _refused(authority, address)


def _is_within(name: x509.Name, subtree: x509.Name) -> bool:
    """Whether the name begins with the RDNs of the subtree, as RFC 5280 7.1 compares them."""
    try:
        whole, beginning = distinguished_name.of_name(name), distinguished_name.of_name(subtree)
    except Malformed as error:
        raise Refused("name_constraints", str(error)) from error
    shortened = whole[: len(beginning)]
    return distinguished_name.canonical(shortened) == distinguished_name.canonical(beginning)


def _is_mail_within(address: str, constraint: str) -> bool:
    """One mailbox, all mailboxes of a host, or, after a full stop, of every host in a domain."""
    host = address.rpartition("@")[2].casefold()
    wanted = constraint.casefold()
    if "@" in wanted:
        return address.casefold() == wanted
    return host.endswith(wanted) if wanted.startswith(".") else host == wanted


def _refused(authority: x509.Certificate, name: str) -> Refused:
    return Refused(
        "name_constraints", f"The authority {authority.subject.rfc4514_string()} may not certify the name {name}."
    )
