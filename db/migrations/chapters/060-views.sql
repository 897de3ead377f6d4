/*
 * Why: the reports of analysts, the trash, and the history of stages.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include views/reporting/activity.sql
--!include views/reporting/data_quality.sql
--!include views/crm_private/dated_deals.sql
--!include views/crm_private/conversions.sql
--!include views/reporting/forecast.sql
--!include views/reporting/forecast_in_base.sql
--!include views/reporting/new_contacts.sql
--!include views/reporting/notes.sql
--!include views/reporting/open_tasks.sql
--!include views/reporting/pipeline.sql
--!include views/reporting/pipeline_in_base.sql
--!include views/crm/stage_history.sql
--!include views/reporting/stage_periods.sql
--!include views/reporting/stage_conversion.sql
--!include views/reporting/stage_moves.sql
--!include views/reporting/close_date_changes.sql
--!include views/reporting/value_changes.sql
--!include views/reporting/owner_changes.sql
--!include views/reporting/exchange_rates.sql
--!include views/reporting/closed_deals.sql
--!include views/reporting/lost_reasons.sql
--!include views/reporting/open_deals.sql
--!include views/reporting/new_deals.sql
--!include views/reporting/customers.sql
--!include views/reporting/pipeline_by_day.sql
--!include views/reporting/pipeline_by_day_in_base.sql
--!include views/reporting/forecast_accuracy.sql
--!include views/reporting/forecast_accuracy_in_base.sql
--!include views/reporting/tasks.sql
--!include views/crm/trash.sql
--!include views/reporting/win_rates.sql
--!include views/reporting/win_rates_in_base.sql
