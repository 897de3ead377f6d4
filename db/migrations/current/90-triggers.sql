/*
 * Why: what is compiled from tables and definitions follows from all of the above: the stamps and
 *      the journal pass over generated columns, an undo tells the journal what it undoes.
 * Locks: the tables of entities against writers, for a moment.
 * Undone by: revert/000003.sql.
 */

--!include functions/bind_journal.sql
--!include functions/bind_rules.sql
--!include functions/bind_stamps.sql
--!include triggers/100_normalise.sql
--!include triggers/110_stamp.sql
--!include triggers/200_validate.sql
--!include triggers/500_definitions.sql
--!include triggers/900_journal.sql
