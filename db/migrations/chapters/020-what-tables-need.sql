/*
 * Why: the types of columns, and the functions that columns, checks, indexes and policies call.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include types/external_id.sql
--!include functions/audit_log/attached_to.sql
--!include functions/access/caller_is_authenticated.sql
--!include functions/search/company_document.sql
--!include functions/normalization/ascii_digits.sql
--!include functions/normalization/calling_code.sql
--!include functions/normalization/phone_parts.sql
--!include functions/normalization/phone_plan.sql
--!include functions/normalization/phone_number.sql
--!include functions/search/contact_name_words.sql
--!include functions/deals/currencies.sql
--!include functions/access/current_user_id.sql
--!include functions/search/named_document.sql
--!include functions/normalization/fold.sql
--!include functions/external_ids/has_duplicate_external_id.sql
--!include functions/validation/has_duplicates.sql
--!include functions/external_ids/has_long_external_id.sql
--!include functions/validation/white_characters.sql
--!include functions/validation/hidden_characters.sql
--!include functions/validation/unprintable_characters.sql
--!include functions/validation/legible_pattern.sql
--!include functions/validation/is_blank.sql
--!include functions/validation/is_legible.sql
--!include functions/validation/is_printable.sql
--!include functions/validation/has_illegible_element.sql
--!include functions/validation/has_unprintable_member.sql
--!include functions/external_ids/has_illegible_external_id.sql
--!include functions/validation/has_blank_element.sql
--!include functions/external_ids/has_blank_external_id.sql
--!include functions/validation/is_list.sql
--!include functions/custom_fields/pattern_extent.sql
--!include functions/custom_fields/is_pattern.sql
--!include functions/merge/merged_into.sql
--!include functions/audit_log/is_readable.sql
--!include functions/custom_fields/satisfies_rules.sql
--!include functions/validation/longest_element.sql
--!include functions/duplicates/name_skeleton.sql
--!include functions/duplicates/contact_keys.sql
--!include functions/search/name_words.sql
--!include functions/normalization/plain_company_name.sql
--!include functions/duplicates/company_keys.sql
--!include functions/normalization/unicode_labels.sql
--!include functions/normalization/plain_email.sql
--!include functions/search/unspaced_scripts.sql
--!include functions/search/search_words.sql
--!include functions/search/search_lexemes.sql
--!include functions/search/search_vector.sql
--!include functions/search/search_neighbours.sql
--!include functions/search/search_stems.sql
--!include functions/search/search_texts.sql
--!include functions/search/search_whole.sql
--!include functions/search/text_document.sql
--!include functions/search/search_name_vector.sql
--!include functions/search/contact_document.sql
