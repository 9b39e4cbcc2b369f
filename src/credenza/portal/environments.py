"""The page of one environment of a project: its keys, its certificates, or both, as the project's type has them."""

from __future__ import annotations

from starlette.responses import Response

from credenza.domain.model import ProjectType
from credenza.portal import certificates, keys, project_frame
from credenza.portal.project_frame import environment_of
from credenza.portal.visit import Visit


def show(visit: Visit) -> Response:
    sight, name = project_frame.enter(visit), environment_of(visit)
    if sight.project.type is ProjectType.MTLS:
        return certificates.show_environment(visit)
    has_both = sight.project.type is ProjectType.OAUTH2_FAPI
    return keys.show_environment(visit, **(certificates.beside_keys(visit, sight, name) if has_both else {}))
