/*
 * Phase 100: brings values that can be written in several ways into one form. Conditions on the
 * triggers spare common rows a function call.
 *
 * - A custom field that is set to null is removed.
 * - Custom fields that are set to {"$merge": {…}} keep their values, except for these members. No
 *   custom field can have the name $merge.
 * - A part of an address that is set to null is removed.
 * - The value of a deal gets two decimals. A value with more keeps them, and the check refuses it.
 * - A deal gets closed_at, and a probability that was not given, from its stage.
 * - A new pipeline stage without a position is added at the end.
 */

create or replace function crm_private.normalise_custom_fields()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(new.custom_fields -> '$merge') = 'object'
    and new.custom_fields - '$merge' = '{}'
  then
    new.custom_fields := new.custom_fields -> '$merge';
    if tg_op = 'UPDATE' then
      new.custom_fields := old.custom_fields || new.custom_fields;
    end if;
  end if;

  new.custom_fields := jsonb_strip_nulls(new.custom_fields);
  return new;
end
$$;

comment on function crm_private.normalise_custom_fields() is
  'Removes custom fields that are set to null, and carries out $merge.';

revoke all on function crm_private.normalise_custom_fields() from public;

select crm_private.compile_custom_field_trigger(entity_table)
from crm_private.entity_types
where has_custom_fields;

create or replace function crm_private.normalise_address()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.address := jsonb_strip_nulls(new.address);
  return new;
end
$$;

comment on function crm_private.normalise_address() is
  'Removes parts of an address that are set to null.';

revoke all on function crm_private.normalise_address() from public;

create or replace trigger _100_normalise_address
  before insert or update of address on crm.companies
  for each row when (jsonb_path_exists(new.address, 'strict $.*?(@ == null)', silent => true))
  execute function crm_private.normalise_address();

create or replace function crm_private.normalise_deal_value()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if scale(trim_scale(new.value)) <= 2 then
    new.value := round(new.value, 2);
  end if;
  return new;
end
$$;

comment on function crm_private.normalise_deal_value() is
  'Stores the value of a deal with two decimals.';

revoke all on function crm_private.normalise_deal_value() from public;

create or replace trigger _100_normalise_value
  before insert or update on crm.deals
  for each row when (scale(new.value) <> 2)
  execute function crm_private.normalise_deal_value();

-- Between the two triggers, null means that this write gives the probability. A form that sends back
-- the values it has read does not give it, because the probability and the stage are unchanged.
create or replace function crm_private.mark_given_probability()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.probability_given := null;
  return new;
end
$$;

comment on function crm_private.mark_given_probability() is
  'Marks that an update sets the probability of a deal.';

revoke all on function crm_private.mark_given_probability() from public;

-- The trigger fires for the columns that a statement names, even if their values do not change: a
-- deal with probability 20 that is moved with an explicit probability of 20 keeps it.
create or replace trigger _100_mark_given_probability
  before update of probability on crm.deals
  for each row when (
    new.probability is not null
    and (new.probability is distinct from old.probability or new.stage is distinct from old.stage)
  )
  execute function crm_private.mark_given_probability();

/*
 * Sets the fields of a deal that follow from its stage.
 *
 * - A probability that is not given is that of the stage: 100 for a won stage, 0 for a lost stage.
 *   A given probability remains until the deal enters a won or lost stage; the same write may give
 *   another.
 * - An undo restores a probability that was given. One that followed follows the current stage.
 * - closed_at is when the deal entered a won or lost stage. A session that imports may set it for a
 *   new deal (crm_private.imported_stamp); otherwise crm_private.imported_close estimates it. A
 *   value that the owner writes is accepted, since no other role can write the column.
 * - lost_reason is removed when the deal is no longer lost.
 *
 * Raises a check violation if an imported closed_at is in the future, or the stage is open. If the
 * old name of the stage no longer exists, the stage was renamed, and the deal did not move.
 */
create or replace function crm_private.follow_stage()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_kind        text;
  v_was         text;
  v_probability integer;
  v_plan        jsonb;
  v_enters      boolean;
begin
  select
    stage.kind,
    case stage.kind when 'won' then 100 when 'lost' then 0 else stage.probability end,
    former.kind
  into v_kind, v_probability, v_was
  from crm.pipeline_stages as stage
  left join crm.pipeline_stages as former on former.name = old.stage
  where stage.name = new.stage;

  -- If the stage does not exist, only the stage is reported as a fault.
  if not found then
    new.probability       := coalesce(new.probability, 0);
    new.probability_given := coalesce(new.probability_given, false);
    return new;
  end if;

  -- An undo runs as the owner. Any other role that sets the setting has no plan.
  if coalesce(current_setting('crm.reversing', true) = pg_current_xact_id()::text, false)
    and has_function_privilege('crm_private.planned_reversal(uuid)', 'execute')
  then
    v_plan := (crm_private.planned_reversal(new.id)).before;
  end if;

  if tg_op = 'INSERT' then
    if v_plan ? 'id' then
      if not new.probability_given then
        new.probability := v_probability;
      end if;
    else
      new.probability_given := new.probability is not null;
      new.probability       := coalesce(new.probability, v_probability);
      new.closed_at := crm_private.imported_stamp('closed_at', new.closed_at::text)::timestamptz;
      if v_kind = 'open' and new.closed_at is not null then
        raise exception 'a deal in the open stage % cannot have closed_at', new.stage
          using errcode    = 'check_violation',
                schema     = 'crm', table = 'deals', column = 'closed_at',
                constraint = 'deals_closed_at_closed',
                detail     = '{"closedAt": ["can be given in a won or lost stage only"]}',
                hint       = 'Leave closed_at out, or give the deal a won or lost stage.';
      elsif new.closed_at > now() then
        raise exception 'deals: closed_at % is in the future', new.closed_at
          using errcode    = 'check_violation',
                schema     = 'crm', table = 'deals', column = 'closed_at',
                constraint = 'deals_closed_at_past',
                detail     = '{"closedAt": ["must be in the past"]}',
                hint       = 'Leave closed_at out to have it set.';
      end if;
    end if;
    new.closed_at := case
      when v_kind <> 'open' then coalesce(new.closed_at, crm_private.imported_close(new), now())
    end;
    return new;
  end if;

  v_enters := v_kind <> 'open' and (old.closed_at is null or coalesce(v_kind <> v_was, false));

  new.probability_given := case
    when v_plan ? 'probability_given' then (v_plan ->> 'probability_given')::boolean
    when v_plan is not null and old.probability_given and not v_enters then true
    when v_plan is not null then v_plan ? 'probability' and old.probability_given
    when new.probability_given is null then true
    else new.probability_given and new.probability is not null and not v_enters
  end;
  if not new.probability_given then
    new.probability := v_probability;
  end if;

  new.closed_at := case
    when v_kind = 'open' then null
    when new.closed_at is distinct from old.closed_at and new.closed_at is not null
    then new.closed_at
    when v_enters then greatest(clock_timestamp(), old.created_at)
    else old.closed_at
  end;

  if v_was = 'lost' and v_kind <> 'lost' and new.lost_reason is not distinct from old.lost_reason then
    new.lost_reason := null;
  end if;

  return new;
end
$$;

comment on function crm_private.follow_stage() is
  'Sets the fields of a deal that follow from its stage: a probability that was not given, and the '
  'time at which it closed.';

revoke all on function crm_private.follow_stage() from public;

create or replace trigger _100_normalise_stage
  before insert or update of stage, probability on crm.deals
  for each row execute function crm_private.follow_stage();

create or replace function crm_private.normalise_stage_position()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.position := (select coalesce(max(stage.position) + 1, 0) from crm.pipeline_stages as stage);
  return new;
end
$$;

comment on function crm_private.normalise_stage_position() is
  'Adds a new pipeline stage at the end.';

revoke all on function crm_private.normalise_stage_position() from public;

create or replace trigger _100_normalise_position
  before insert on crm.pipeline_stages
  for each row when (new.position is null)
  execute function crm_private.normalise_stage_position();
