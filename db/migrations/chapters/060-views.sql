/*
 * Why: what analysts read, and the trash and the stages' history.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include views/activity.sql
--!include views/data_quality.sql
--!include views/dated_deals.sql
--!include views/conversions.sql
--!include views/forecast.sql
--!include views/forecast_in_base.sql
--!include views/new_contacts.sql
--!include views/notes.sql
--!include views/open_tasks.sql
--!include views/pipeline.sql
--!include views/pipeline_in_base.sql
--!include views/stage_history.sql
--!include views/stage_periods.sql
--!include views/stage_conversion.sql
--!include views/stage_moves.sql
--!include views/close_date_changes.sql
--!include views/value_changes.sql
--!include views/owner_changes.sql
--!include views/exchange_rates.sql
--!include views/closed_deals.sql
--!include views/lost_reasons.sql
--!include views/open_deals.sql
--!include views/new_deals.sql
--!include views/customers.sql
--!include views/pipeline_by_day.sql
--!include views/pipeline_by_day_in_base.sql
--!include views/forecast_accuracy.sql
--!include views/forecast_accuracy_in_base.sql
--!include views/tasks.sql
--!include views/trash.sql
--!include views/win_rates.sql
--!include views/win_rates_in_base.sql
