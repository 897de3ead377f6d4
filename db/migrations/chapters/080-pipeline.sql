/*
 * Why: a typical pipeline to start with. It is data, which administrators can change.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

insert into crm.pipeline_stages (name, position, probability, kind) values
  ('Prospecting',   0,  10, 'open'),
  ('Qualification', 1,  25, 'open'),
  ('Proposal',      2,  50, 'open'),
  ('Negotiation',   3,  75, 'open'),
  ('Won',           4, 100, 'won'),
  ('Lost',          5,   0, 'lost');
