/*
 * Locks everything of a person that an erasure touches, and gives their ids: the contact's, and those of
 * everybody who was merged into it. The id of somebody who was merged into another stands for that one.
 *
 * It has all of it or nothing. While it waits for somebody it holds nothing that they may wait for, so an
 * erasure is never part of a deadlock, whatever order others lock in: rows are tried, not waited for, and
 * what an attempt has locked is given back before the next one. What it waits for in line, and holds
 * meanwhile, only maintenance takes. lock_timeout bounds all attempts together.
 *
 * When it has returned nobody else has written anything of the person that is not committed, restores
 * or undoes anything, keeps an answer, or seals.
 */
create or replace function crm_private.lock_person(p_contact_id uuid)
returns uuid[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_timeout interval    := current_setting('lock_timeout')::interval;
  v_started timestamptz := clock_timestamp();
  v_ids     uuid[];
begin
  loop
    begin
      -- The statistics are made anew at the end, which takes this lock. A vacuum gives way to it.
      lock table crm.contacts, crm.tasks, crm.notes, crm_private.external_ids
        in share update exclusive mode;
      lock table crm.contacts, crm.deals, crm.tasks, crm.notes in row exclusive mode nowait;
      lock table crm_private.erasure_lock in access exclusive mode nowait;

      if not crm_private.lock_seals(p_waits => false) then
        raise lock_not_available;
      end if;

      v_ids := crm_private.merged_ids(
        'contact', coalesce(crm_private.merged_into('contact', p_contact_id), p_contact_id)
      );
      perform from crm.contacts where id = any (v_ids) for update nowait;

      -- Who was merged before the lock was had is found now.
      if v_ids <> crm_private.merged_ids(
        'contact', coalesce(crm_private.merged_into('contact', p_contact_id), p_contact_id)
      ) then
        raise lock_not_available;
      end if;

      perform from crm.deals where contact_id = any (v_ids) for update nowait;
      perform from crm.tasks where contact_id = any (v_ids) for update nowait;
      perform from crm.notes where contact_id = any (v_ids) for update nowait;
      exit;
    exception
      when lock_not_available then
        if v_timeout > interval '0' and clock_timestamp() > v_started + v_timeout then
          raise;
        end if;
    end;

    perform pg_sleep(0.02);
  end loop;

  return v_ids;
end
$$;

comment on function crm_private.lock_person(uuid) is
  'Locks everything of a person that an erasure touches, and gives the ids of their contacts.';

revoke all on function crm_private.lock_person(uuid) from public;
