"""pkilint over what authorities make: certificates, revocation lists and OCSP answers."""

from collections.abc import Sequence
from functools import cache

from pkilint import loader, pkix, validation
from pkilint.pkix import certificate, crl, extension, name, ocsp

_WORTH_A_WORD = validation.ValidationFindingSeverity.NOTICE  # the lower, the graver


def certificate_findings(der: bytes) -> list[str]:
    return _findings(_certificates(), loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate"))


def list_findings(der: bytes) -> list[str]:
    return _findings(_lists(), loader.RFC5280CertificateListDocumentLoader().load_der_document(der, "list"))


def answer_findings(der: bytes) -> list[str]:
    return _findings(_answers(), loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der, "answer"))


def _findings(checks: validation.Validator, document) -> list[str]:
    return [
        finding.finding.code
        for result in checks.validate(document.root)
        for finding in result.finding_descriptions
        if finding.finding.severity <= _WORTH_A_WORD
    ]


def _decoders() -> Sequence[validation.Validator]:
    return [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ]


@cache
def _certificates() -> validation.Validator:
    """The set of checks that `lint_pkix_cert lint` runs."""
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


@cache
def _lists() -> validation.Validator:
    return crl.create_pkix_crl_validator_container(
        _decoders(),
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )


@cache
def _answers() -> validation.Validator:
    return ocsp.create_pkix_ocsp_response_validator_container([ocsp.create_response_decoder(), *_decoders()], [])
