/* Undoes the migration of duplicates and merging. What was merged stays merged. */

drop function crm.merge_companies(uuid, uuid[], jsonb);
drop function crm.merge_contacts(uuid, uuid[], jsonb);
drop function crm_private.united_custom_fields(jsonb[]);
drop function crm_private.united(jsonb);
drop function crm_private.check_merge(regclass, uuid, uuid[], jsonb);
revoke execute on function crm_private.camel_case(text) from crm_member;
drop type crm.company_merge;
drop type crm.contact_merge;

drop function crm.duplicate_group_companies(crm.duplicate_group);
drop function crm.duplicate_group_contacts(crm.duplicate_group);
drop function crm.duplicate_groups(text, double precision);
drop function crm_private.components(integer, integer[], integer[]);
drop function crm_private.company_links(double precision);
drop function crm_private.contact_links(double precision);
drop function crm.find_duplicates(text, uuid, double precision);
drop function crm.companies_duplicates(crm.companies, double precision);
drop function crm_private.company_domains(crm.companies);
drop function crm.contacts_duplicates(crm.contacts, double precision);
drop function crm_private.compare_contacts(crm.contacts, crm.contacts);
drop function crm_private.duplicate(text, uuid, text, text, text, real);
drop function crm_private.duplicate_reasons(boolean, boolean, boolean, real);
drop function crm_private.duplicate_score(text, boolean, boolean, boolean, real);
drop function crm_private.refuse_absent(text, uuid[]);
drop function crm_private.refuse_entity_type(text);
drop type crm.duplicate_group;
drop type crm.duplicate;

drop index crm.companies_match_keys;
drop index crm.contacts_match_keys;
drop function crm_private.company_keys(text, jsonb);
drop function crm_private.contact_keys(text, text, text[], text[]);
drop function crm_private.same_phone(text, text);
drop function crm_private.phone_digits(text);
drop function crm_private.name_similarity(text, text);
drop function crm_private.name_skeleton(text);
drop function crm_private.plain_company_name(text);
drop function crm_private.plain_name(text);
drop function crm_private.domain_of(text);
drop function crm_private.shared_domains();

revoke execute on function extensions.similarity(text, text) from crm_reader;
revoke execute on function extensions.unaccent(regdictionary, text) from crm_reader;
revoke usage on schema crm_private from crm_reader;
