/*
 * Locks everything of a person that an erasure changes, and returns the ids of their contacts: the
 * contact's own, and those of every contact that was merged into it. The id of a merged contact
 * stands for its merge winner. Called by crm_private.erase_contact.
 *
 * It takes all locks or none. While it waits for another transaction, it holds no lock that the
 * other may need, so an erasure is never part of a deadlock, regardless of the order in which
 * others lock: rows are locked with nowait, and a failed attempt releases its locks before the next
 * one. The only locks that it waits for in a queue, and holds while it tries the others, conflict
 * only with maintenance. lock_timeout limits all attempts together; raises lock_not_available when
 * it is over.
 *
 * After it returns, no other transaction has uncommitted changes of the person, restores or undoes
 * anything, stores a response, or seals.
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
      -- The refresh of the statistics at the end takes this lock. An autovacuum yields to it.
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

      -- A merge that committed before the lock was granted is visible now.
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
          raise exception 'erase_contact: other transactions hold locks that it needs'
            using errcode    = 'lock_not_available',
                  schema     = 'crm', table = 'contacts',
                  constraint = 'erase_contact_lock_available',
                  hint       = 'Repeat the erasure later, or with a longer lock_timeout.';
        end if;
    end;

    perform pg_sleep(0.02);
  end loop;

  return v_ids;
end
$$;

comment on function crm_private.lock_person(uuid) is
  'Locks everything of a person that an erasure changes; returns the ids of their contacts.';

revoke all on function crm_private.lock_person(uuid) from public;
