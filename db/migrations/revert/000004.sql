/* Undoes the fourth migration. Nothing is lost: views hold no rows. */

drop view reporting.activity, reporting.data_quality, reporting.forecast, reporting.new_contacts,
  reporting.open_tasks, reporting.pipeline, reporting.stage_conversion, reporting.stage_periods,
  reporting.win_rates;
