"""Every operation of the management API as a value: what to send, and how to read the answer. No I/O.

    client.send(operations.add_credential(project_id, AddSigningCredential(type="SIGNING", alias="billing", csr=pem)))

Names are the operationIds of the OpenAPI document in snake case. A file holds those of one resource; here they all are.
"""

# It would write an import for every name.
# ruff: isort: skip_file

from credenza.client.operations.access import (
    add_api_key as add_api_key,
    create_access_token as create_access_token,
    list_access_tokens as list_access_tokens,
    list_api_keys as list_api_keys,
    revoke_access_token as revoke_access_token,
    revoke_api_key as revoke_api_key,
)
from credenza.client.operations.api_credentials import (
    activate_api_credential as activate_api_credential,
    create_api_credential as create_api_credential,
    deactivate_api_credential as deactivate_api_credential,
    delete_api_credential as delete_api_credential,
    delete_client_secret as delete_client_secret,
    edit_api_credential as edit_api_credential,
    get_api_credential as get_api_credential,
    issue_client_secret as issue_client_secret,
    list_api_choices as list_api_choices,
    list_api_credentials as list_api_credentials,
)
from credenza.client.operations.audit import (
    export_audit_log as export_audit_log,
    get_audit_head as get_audit_head,
    list_audit_entries as list_audit_entries,
)
from credenza.client.operations.authorities import (
    add_trusted_authority as add_trusted_authority,
    ask_certificate_status as ask_certificate_status,
    disable_trusted_authority as disable_trusted_authority,
    get_any_authority_certificate as get_any_authority_certificate,
    get_authority as get_authority,
    get_authority_certificate as get_authority_certificate,
    get_authority_chain as get_authority_chain,
    get_certificate_status as get_certificate_status,
    get_revocation_list as get_revocation_list,
    get_trusted_authority as get_trusted_authority,
    import_authority as import_authority,
    list_authorities as list_authorities,
    list_trusted_authorities as list_trusted_authorities,
    make_authority as make_authority,
    roll_over_authority as roll_over_authority,
    set_revocation_check as set_revocation_check,
)
from credenza.client.operations.credentials import (
    add_certificate as add_certificate,
    add_credential as add_credential,
    check_csr as check_csr,
    create_enrolment_secret as create_enrolment_secret,
    get_certificate as get_certificate,
    get_credential as get_credential,
    get_key as get_key,
    list_certificates as list_certificates,
    list_credentials as list_credentials,
    list_enrolment_secrets as list_enrolment_secrets,
    list_keys as list_keys,
    release_certificate_subject as release_certificate_subject,
    renew_credential as renew_credential,
    revoke_credential as revoke_credential,
    revoke_enrolment_secret as revoke_enrolment_secret,
    rotate_credential as rotate_credential,
)
from credenza.client.operations.developer import (
    add_certificate_to_project as add_certificate_to_project,
    add_credential_to_project as add_credential_to_project,
    add_credential_to_service as add_credential_to_service,
    add_environment_to_project as add_environment_to_project,
    add_service_to_environment as add_service_to_environment,
    create_project as create_project,
    delete_project as delete_project,
    get_project as get_project,
    get_service_credential as get_service_credential,
    list_projects as list_projects,
    list_services as list_services,
    revoke_project_credential as revoke_project_credential,
    revoke_service_credential as revoke_service_credential,
    update_project as update_project,
    update_service_credential_status as update_service_credential_status,
)
from credenza.client.operations.health import (
    get_health as get_health,
    get_metrics as get_metrics,
)
from credenza.client.operations.notices import (
    add_webhook as add_webhook,
    count_expiring_by_month as count_expiring_by_month,
    count_unread as count_unread,
    get_calendar as get_calendar,
    get_delivery as get_delivery,
    list_calendar_feeds as list_calendar_feeds,
    list_deliveries as list_deliveries,
    list_expiring as list_expiring,
    list_inbox as list_inbox,
    list_webhooks as list_webhooks,
    make_calendar_feed as make_calendar_feed,
    mark_read as mark_read,
    remove_webhook as remove_webhook,
    revoke_calendar_feed as revoke_calendar_feed,
    test_webhook as test_webhook,
)
from credenza.client.operations.operation import (
    Operation as Operation,
    Page as Page,
    Reached as Reached,
    Result as Result,
)
from credenza.client.operations.organizations import (
    create_organization as create_organization,
    create_user as create_user,
    get_me as get_me,
    get_organization as get_organization,
    invite_member as invite_member,
    list_invitations as list_invitations,
    list_members as list_members,
    list_organizations as list_organizations,
    list_users as list_users,
    remove_member as remove_member,
    set_member as set_member,
    set_project_limit as set_project_limit,
    withdraw_invitation as withdraw_invitation,
)
from credenza.client.operations.projects import (
    get_project_details as get_project_details,
    get_tls_client_name as get_tls_client_name,
    leave_project as leave_project,
    list_project_members as list_project_members,
    list_projects_of_organization as list_projects_of_organization,
    register_tls_client_name as register_tls_client_name,
    remove_project_member as remove_project_member,
    remove_tls_client_name as remove_tls_client_name,
    set_project_member as set_project_member,
    upgrade_project as upgrade_project,
)
from credenza.client.operations.service_keys import (
    activate_service_key as activate_service_key,
    add_service_key as add_service_key,
    get_service_key as get_service_key,
    list_service_keys as list_service_keys,
    list_service_keys_of_project as list_service_keys_of_project,
    revoke_service_key as revoke_service_key,
)
from credenza.client.operations.services import (
    change_service as change_service,
    create_service as create_service,
    list_services_in_detail as list_services_in_detail,
    retire_service as retire_service,
)
from credenza.client.operations.traffic import (
    get_oauth1_use as get_oauth1_use,
    get_refusal as get_refusal,
    list_callers as list_callers,
    list_refusals as list_refusals,
)
from credenza.client.operations.tree import (
    archive_account as archive_account,
    archive_workspace as archive_workspace,
    create_account as create_account,
    create_role as create_role,
    create_workspace as create_workspace,
    edit_role as edit_role,
    list_accounts as list_accounts,
    list_roles as list_roles,
    list_workspaces as list_workspaces,
    move_workspace as move_workspace,
    remove_role as remove_role,
    rename_account as rename_account,
    rename_workspace as rename_workspace,
)
