/*
 * Phase 100: one way to write what can be written in several. Conditions keep the common row from
 * paying for a call.
 *
 * - A custom field set to null is removed.
 * - Custom fields set to {"$merge": {…}} are what they were, with these members set. No custom field can
 *   be called $merge.
 * - A deal's value has two decimals; one with more keeps them, for the check to refuse.
 * - A new deal without a probability gets its stage's.
 * - A new pipeline stage without a position goes to the end.
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
  'Removes custom fields that are set to null; merges those that are to be merged.';

revoke all on function crm_private.normalise_custom_fields() from public;

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.contacts
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.companies
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields();

create or replace trigger _100_normalise_custom_fields
  before insert or update on crm.deals
  for each row when (
    new.custom_fields ? '$merge'
    or jsonb_path_exists(new.custom_fields, 'strict $.* ? (@ == null)', silent => true)
  )
  execute function crm_private.normalise_custom_fields();

create or replace function crm_private.normalise_deal_value()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.value := round(new.value, 2);
  return new;
end
$$;

comment on function crm_private.normalise_deal_value() is
  'Writes a deal''s value with two decimals.';

revoke all on function crm_private.normalise_deal_value() from public;

create or replace trigger _100_normalise_value
  before insert or update on crm.deals
  for each row when (scale(new.value) <> 2 and scale(trim_scale(new.value)) <= 2)
  execute function crm_private.normalise_deal_value();

create or replace function crm_private.normalise_deal_probability()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Where there is no such stage, the stage is at fault and not the probability.
  new.probability := coalesce(
    (select stage.probability from crm.pipeline_stages as stage where stage.name = new.stage), 0
  );
  return new;
end
$$;

comment on function crm_private.normalise_deal_probability() is
  'Gives a new deal the probability of its stage.';

revoke all on function crm_private.normalise_deal_probability() from public;

create or replace trigger _100_normalise_probability
  before insert on crm.deals
  for each row when (new.probability is null)
  execute function crm_private.normalise_deal_probability();

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
  'Puts a new pipeline stage at the end.';

revoke all on function crm_private.normalise_stage_position() from public;

create or replace trigger _100_normalise_position
  before insert on crm.pipeline_stages
  for each row when (new.position is null)
  execute function crm_private.normalise_stage_position();
