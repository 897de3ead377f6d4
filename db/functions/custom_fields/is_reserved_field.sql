/*
 * Returns true if a built-in field of an entity with custom fields has a name: in the row itself, in
 * its filters, orders and groups, or in its inputs. A custom field of that name is served under
 * another one, so that every name is unambiguous. Columns are read from the catalog; any other
 * field that is added to the product must be added to the list, and a test compares the list with
 * the API. The list also has the names of the members of every JavaScript object, which would seem
 * to be present in an input without them.
 */
create or replace function crm_private.is_reserved_field(p_field text)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return lower(p_field) = any (array[
      'address', 'and', 'closedate', 'closedat', 'company', 'companyexists', 'companyid',
      'companyname', 'contact', 'contactexists', 'contactfirstname', 'contactid', 'contactlastname',
      'contactname', 'contacts', 'contactsexist', 'count', 'createdat', 'createdby',
      'currency', 'customfields', 'deals', 'dealsexist', 'duplicates', 'emails', 'externalid',
      'externalids', 'fieldhistory', 'firstname', 'history', 'historyiscomplete', 'id', 'keys',
      'lastname', 'lostreason', 'name', 'natural', 'nodeid', 'not', 'notes', 'notesexist', 'or',
      'ownerid', 'phones', 'pipelinestage', 'primarykey', 'probability', 'probabilitygiven', 'relevance',
      'stage', 'stagehistory', 'stagehistoryexist', 'tasks', 'tasksexist', 'title', 'updatedat', 'updatedby',
      'value', 'version',
      'constructor', 'hasownproperty', 'isprototypeof', 'propertyisenumerable', 'tolocalestring',
      'tostring', 'valueof'
    ])
    -- Orders by related rows, such as DEALS_SUM_VALUE_DESC, and groups, such as
    -- CLOSE_DATE_TRUNCATED_TO_DAY.
    or lower(p_field) ~
      '^(contacts|deals|notes|stagehistory|tasks)(average|count|distinctcount|max|min|sum)'
    or lower(p_field) ~ 'truncatedto(day|hour|month|quarter|week|year)$'
    or exists (
      select
      from pg_attribute
      -- A list, so that the index on attrelid is used.
      where attrelid = any (
          array(select entity_table::oid from crm_private.entity_types where has_custom_fields)
        )
        and attnum > 0
        and not attisdropped
        and replace(attname, '_', '') = lower(p_field)
    );
end
$$;

comment on function crm_private.is_reserved_field(text) is
  'Returns true if a built-in field has the name, so that no custom field is served under it.';

revoke all on function crm_private.is_reserved_field(text) from public;
grant execute on function crm_private.is_reserved_field(text) to crm_reader;
