"""The services that projects use."""

from __future__ import annotations

from credenza.client.operations.answers import many, nothing, one
from credenza.client.operations.operation import Operation
from credenza.wire.services import NewService, Service


def list_services_in_detail() -> Operation[tuple[Service, ...]]:
    return Operation("GET", "/api/services", many(Service))


def create_service(new: NewService) -> Operation[Service]:
    return Operation("POST", "/api/services", one(Service), body=new)


def change_service(service_id: int, new: NewService) -> Operation[Service]:
    return Operation("PUT", f"/api/services/{service_id}", one(Service), body=new)


def retire_service(service_id: int) -> Operation[None]:
    return Operation("DELETE", f"/api/services/{service_id}", nothing)
