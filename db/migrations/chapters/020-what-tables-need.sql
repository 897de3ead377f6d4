/*
 * Why: types of columns, and functions that columns, checks, indexes and policies call.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include types/external_id.sql
--!include functions/attached_to.sql
--!include functions/caller_holds.sql
--!include functions/company_document.sql
--!include functions/ascii_digits.sql
--!include functions/calling_code.sql
--!include functions/phone_parts.sql
--!include functions/phone_plan.sql
--!include functions/phone_number.sql
--!include functions/contact_name_words.sql
--!include functions/currencies.sql
--!include functions/current_user_id.sql
--!include functions/deal_document.sql
--!include functions/fold.sql
--!include functions/has_duplicate_external_id.sql
--!include functions/has_duplicates.sql
--!include functions/has_long_external_id.sql
--!include functions/is_blank.sql
--!include functions/has_blank_element.sql
--!include functions/has_blank_external_id.sql
--!include functions/is_list.sql
--!include functions/pattern_extent.sql
--!include functions/is_pattern.sql
--!include functions/is_there.sql
--!include functions/merged_into.sql
--!include functions/is_readable.sql
--!include functions/keeps_rules.sql
--!include functions/longest_element.sql
--!include functions/name_skeleton.sql
--!include functions/contact_keys.sql
--!include functions/name_words.sql
--!include functions/plain_company_name.sql
--!include functions/company_keys.sql
--!include functions/unicode_labels.sql
--!include functions/plain_email.sql
--!include functions/unspaced_scripts.sql
--!include functions/search_words.sql
--!include functions/search_lexemes.sql
--!include functions/search_vector.sql
--!include functions/search_neighbours.sql
--!include functions/search_stems.sql
--!include functions/search_texts.sql
--!include functions/search_whole.sql
--!include functions/text_document.sql
--!include functions/search_name_vector.sql
--!include functions/contact_document.sql
