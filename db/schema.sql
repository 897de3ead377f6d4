-- The present schema as pg_dump 15 writes it, without functions and comments, which stand in functions/ and
-- tables/. npm run schema:dump writes it, and CI compares it. It is to be read and compared, not to be run:
-- npx pgcrm migrate makes the schema.

CREATE SCHEMA crm;

CREATE SCHEMA crm_custom;

CREATE SCHEMA crm_private;

CREATE SCHEMA extensions;

CREATE SCHEMA reporting;

CREATE COLLATION crm_private.folding (provider = icu, locale = 'und');

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA extensions;

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA extensions;

CREATE TYPE crm.audit_log_verdict AS (
	intact boolean,
	fault text,
	entry_id bigint,
	"timestamp" timestamp with time zone,
	message text,
	entries bigint,
	archived bigint,
	unsealed bigint,
	kept_since timestamp with time zone,
	digest text
);

CREATE TYPE crm.company_merge AS (
	company_id uuid,
	transaction_id bigint,
	contacts_moved integer,
	deals_moved integer,
	tasks_moved integer,
	notes_moved integer
);

CREATE TYPE crm.conflict_resolution AS ENUM (
    'REFUSE',
    'SKIP',
    'FORCE'
);

CREATE TYPE crm.contact_merge AS (
	contact_id uuid,
	transaction_id bigint,
	deals_moved integer,
	tasks_moved integer,
	notes_moved integer
);

CREATE TYPE crm.custom_field_fault AS (
	entity_id uuid,
	value jsonb,
	message text
);

CREATE TYPE crm.custom_field_index AS (
	name text,
	method text,
	is_valid boolean,
	size bigint,
	scans bigint
);

CREATE TYPE crm.duplicate AS (
	entity_type text,
	entity_id uuid,
	contact_id uuid,
	company_id uuid,
	score double precision,
	reasons text[],
	email text,
	phone text,
	domain text,
	name_similarity double precision
);

CREATE TYPE crm.duplicate_group AS (
	entity_type text,
	size integer,
	score double precision,
	reasons text[],
	ids uuid[]
);

CREATE TYPE crm.external_id AS (
	source text,
	id text
);

CREATE TYPE crm.field_value AS (
	value jsonb,
	valid_from timestamp with time zone,
	valid_until timestamp with time zone,
	set_by text,
	source text,
	entry_id bigint,
	erased boolean
);

CREATE TABLE crm.api_keys (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    prefix text NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    CONSTRAINT api_keys_expires_at_range CHECK (((expires_at > created_at) AND (expires_at <= (created_at + '100 years'::interval)))),
    CONSTRAINT api_keys_name_format CHECK ((name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'::text)),
    CONSTRAINT api_keys_name_length CHECK ((char_length(name) <= 100)),
    CONSTRAINT api_keys_role_known CHECK ((role = ANY (ARRAY['reader'::text, 'member'::text, 'admin'::text])))
);

CREATE TYPE crm.issued_api_key AS (
	key text,
	api_key crm.api_keys
);

CREATE TYPE crm.new_deal AS (
	title text,
	company_id uuid,
	contact_id uuid,
	value numeric,
	currency text,
	stage text,
	probability integer,
	close_date date,
	owner_id text,
	custom_fields jsonb,
	external_ids crm.external_id[],
	lost_reason text
);

CREATE TYPE crm.new_task AS (
	description text,
	due_date date,
	assigned_to text,
	status text,
	external_ids crm.external_id[]
);

CREATE TYPE crm.pipeline_stage_total AS (
	stage text,
	"position" integer,
	count bigint,
	value numeric,
	value_by_currency jsonb,
	value_in_base_currency numeric,
	stage_id uuid,
	stage_then text
);

CREATE TYPE crm.reversal AS (
	transaction_id bigint,
	restored bigint,
	changed bigint,
	deleted bigint,
	kept jsonb,
	kept_count bigint
);

CREATE TYPE crm.search_hit AS (
	entity_type text,
	entity_id uuid,
	rank double precision,
	"extract" text,
	contact_id uuid,
	company_id uuid,
	deal_id uuid,
	task_id uuid,
	note_id uuid,
	place integer
);

CREATE TYPE crm_private.bulk_row AS (
	place integer,
	id uuid,
	operation text,
	item jsonb
);

CREATE TYPE crm_private.row_fault AS (
	place integer,
	code text,
	fields jsonb,
	readable boolean
);

CREATE TYPE crm_private.written_row AS (
	place integer,
	id uuid,
	operation text,
	changed boolean
);

CREATE TYPE crm_private.bulk_outcome AS (
	rows crm_private.bulk_row[],
	written crm_private.written_row[],
	faults crm_private.row_fault[],
	is_undone boolean
);

CREATE TYPE crm_private.bulk_result AS (
	created integer,
	updated integer,
	deleted integer,
	unchanged integer,
	faults jsonb,
	ids uuid[]
);

CREATE TYPE crm_private.current_row AS (
	id uuid,
	version integer,
	external_ids crm.external_id[]
);

CREATE TABLE crm.audit_logs (
    id bigint NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    action text NOT NULL,
    user_id text NOT NULL,
    changes jsonb NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    transaction_id bigint NOT NULL,
    source text NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT audit_logs_user_id_blank CHECK ((NOT crm_private.is_blank(user_id))),
    CONSTRAINT audit_logs_user_id_legible CHECK (crm_private.is_legible(user_id)),
    CONSTRAINT audit_logs_user_id_length CHECK ((char_length(user_id) <= 255))
)
PARTITION BY RANGE ("timestamp");
ALTER TABLE ONLY crm.audit_logs ALTER COLUMN changes SET STATISTICS 0;

CREATE TABLE crm.companies (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    address jsonb,
    owner_id text,
    custom_fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    search_document tsvector GENERATED ALWAYS AS (crm_private.company_document(name, address, custom_fields)) STORED,
    external_ids crm.external_id[] DEFAULT '{}'::crm.external_id[] NOT NULL,
    match_keys text[] GENERATED ALWAYS AS (crm_private.company_keys(name, custom_fields)) STORED,
    CONSTRAINT companies_address_keys CHECK (
CASE
    WHEN (jsonb_typeof(address) = 'object'::text) THEN ((address - ARRAY['street'::text, 'city'::text, 'state'::text, 'postalCode'::text, 'country'::text]) = '{}'::jsonb)
    ELSE NULL::boolean
END),
    CONSTRAINT companies_address_legible CHECK (
CASE
    WHEN ((jsonb_typeof(address) = 'object'::text) AND ((address)::text ~ '[^ -~]|\\u|\\[bf]'::text)) THEN (NOT crm_private.has_unprintable_member(address))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_address_length CHECK (
CASE
    WHEN ((jsonb_typeof(address) = 'object'::text) AND (char_length((address)::text) > 255)) THEN (NOT jsonb_path_exists(address, 'strict $.*?(@ like_regex "^.{255}." flag "s")'::jsonpath))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_address_object CHECK ((jsonb_typeof(address) = 'object'::text)),
    CONSTRAINT companies_address_values CHECK (
CASE
    WHEN (jsonb_typeof(address) = 'object'::text) THEN (NOT jsonb_path_exists(address, 'strict $.*?(@.type() != "string")'::jsonpath))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_custom_fields_object CHECK ((jsonb_typeof(custom_fields) = 'object'::text)),
    CONSTRAINT companies_external_ids_blank CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_blank_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_external_ids_distinct CHECK (
CASE
    WHEN (cardinality(external_ids) > 1) THEN (NOT crm_private.has_duplicate_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_external_ids_legible CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_illegible_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_external_ids_length CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_long_external_id(external_ids, 100, 255))
    ELSE NULL::boolean
END),
    CONSTRAINT companies_external_ids_list CHECK (((cardinality(external_ids) <= 20) AND (COALESCE(array_ndims(external_ids), 1) = 1) AND (array_position(external_ids, NULL::crm.external_id) IS NULL))),
    CONSTRAINT companies_name_blank CHECK ((NOT crm_private.is_blank(name))),
    CONSTRAINT companies_name_legible CHECK (crm_private.is_legible(name)),
    CONSTRAINT companies_name_length CHECK ((char_length(name) <= 255)),
    CONSTRAINT companies_owner_id_blank CHECK ((NOT crm_private.is_blank(owner_id))),
    CONSTRAINT companies_owner_id_legible CHECK (crm_private.is_legible(owner_id)),
    CONSTRAINT companies_owner_id_length CHECK ((char_length(owner_id) <= 255))
);

CREATE TABLE crm.contacts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    emails text[] DEFAULT '{}'::text[] NOT NULL,
    phones text[] DEFAULT '{}'::text[] NOT NULL,
    company_id uuid,
    owner_id text,
    custom_fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    search_document tsvector GENERATED ALWAYS AS (crm_private.contact_document(first_name, last_name, emails, phones, custom_fields)) STORED,
    external_ids crm.external_id[] DEFAULT '{}'::crm.external_id[] NOT NULL,
    match_keys text[] GENERATED ALWAYS AS (crm_private.contact_keys(first_name, last_name, emails, phones)) STORED,
    CONSTRAINT contacts_custom_fields_object CHECK ((jsonb_typeof(custom_fields) = 'object'::text)),
    CONSTRAINT contacts_emails_format CHECK ((NOT jsonb_path_exists(to_jsonb(emails), '$[*]?(!(@ like_regex "^[A-Za-z0-9!#$%&''*+/=?^_`{|}~¡-¬®-͎͐-؛؝-ᅞᅡ-ᙿᚁ-ឳា-᠊᠐-῿‐-‧‰-⁞⁰-⟿⠁-⿿、-ㅣㅥ-퟿豈-﷿︐-﻾ｦ-ﾟﾡ-￯𐀀-󟿿-]+(?:\\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~¡-¬®-͎͐-؛؝-ᅞᅡ-ᙿᚁ-ឳា-᠊᠐-῿‐-‧‰-⁞⁰-⟿⠁-⿿、-ㅣㅥ-퟿豈-﷿︐-﻾ｦ-ﾟﾡ-￯𐀀-󟿿-]+)*@(?:[A-Za-z0-9·À-ÖØ-öø-͎͐-ؚؠ-ᅞᅡ-ᙿᚁ-ឳា-᠊᠐-῿Ⰰ-ⷿ々-〇〡-〯〱-〵〸-〼ぁ-ㅣㅥ-퟿豈-﷿ﹰ-﻾ｦ-ﾟ𐀀-𞿿𠀀-𿿿]+(?:-+[A-Za-z0-9·À-ÖØ-öø-͎͐-ؚؠ-ᅞᅡ-ᙿᚁ-ឳា-᠊᠐-῿Ⰰ-ⷿ々-〇〡-〯〱-〵〸-〼ぁ-ㅣㅥ-퟿豈-﷿ﹰ-﻾ｦ-ﾟ𐀀-𞿿𠀀-𿿿]+)*\\.)+[A-Za-z0-9·À-ÖØ-öø-͎͐-ؚؠ-ᅞᅡ-ᙿᚁ-ឳា-᠊᠐-῿Ⰰ-ⷿ々-〇〡-〯〱-〵〸-〼ぁ-ㅣㅥ-퟿豈-﷿ﹰ-﻾ｦ-ﾟ𐀀-𞿿𠀀-𿿿]+(?:-+[A-Za-z0-9·À-ÖØ-öø-͎͐-ؚؠ-ᅞᅡ-ᙿᚁ-ឳា-᠊᠐-῿Ⰰ-ⷿ々-〇〡-〯〱-〵〸-〼ぁ-ㅣㅥ-퟿豈-﷿ﹰ-﻾ｦ-ﾟ𐀀-𞿿𠀀-𿿿]+)*$"))'::jsonpath))),
    CONSTRAINT contacts_emails_length CHECK (
CASE
    WHEN (char_length(array_to_string(emails, ''::text)) > 254) THEN (crm_private.longest_element(emails) <= 254)
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_emails_list CHECK (crm_private.is_list(emails, 100)),
    CONSTRAINT contacts_external_ids_blank CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_blank_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_external_ids_distinct CHECK (
CASE
    WHEN (cardinality(external_ids) > 1) THEN (NOT crm_private.has_duplicate_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_external_ids_legible CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_illegible_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_external_ids_length CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_long_external_id(external_ids, 100, 255))
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_external_ids_list CHECK (((cardinality(external_ids) <= 20) AND (COALESCE(array_ndims(external_ids), 1) = 1) AND (array_position(external_ids, NULL::crm.external_id) IS NULL))),
    CONSTRAINT contacts_first_name_blank CHECK ((NOT crm_private.is_blank(first_name))),
    CONSTRAINT contacts_first_name_legible CHECK (crm_private.is_legible(first_name)),
    CONSTRAINT contacts_first_name_length CHECK ((char_length(first_name) <= 255)),
    CONSTRAINT contacts_last_name_blank CHECK ((NOT crm_private.is_blank(last_name))),
    CONSTRAINT contacts_last_name_legible CHECK (crm_private.is_legible(last_name)),
    CONSTRAINT contacts_last_name_length CHECK ((char_length(last_name) <= 255)),
    CONSTRAINT contacts_owner_id_blank CHECK ((NOT crm_private.is_blank(owner_id))),
    CONSTRAINT contacts_owner_id_legible CHECK (crm_private.is_legible(owner_id)),
    CONSTRAINT contacts_owner_id_length CHECK ((char_length(owner_id) <= 255)),
    CONSTRAINT contacts_phones_blank CHECK (
CASE
    WHEN ((phones <> '{}'::text[]) AND (array_to_string(phones, '
'::text) ~ '(?:^|\n)[^!-~\n]*(?:\n|$)'::text)) THEN (NOT crm_private.has_blank_element(phones))
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_phones_legible CHECK (
CASE
    WHEN ((phones <> '{}'::text[]) AND (array_to_string(phones, ' '::text) ~ '[^ -~]'::text)) THEN (NOT crm_private.has_illegible_element(phones))
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_phones_length CHECK (
CASE
    WHEN (char_length(array_to_string(phones, ''::text)) > 255) THEN (crm_private.longest_element(phones) <= 255)
    ELSE NULL::boolean
END),
    CONSTRAINT contacts_phones_list CHECK (crm_private.is_list(phones, 100))
);

CREATE TABLE crm.deals (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    title text NOT NULL,
    company_id uuid NOT NULL,
    contact_id uuid,
    value numeric NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    stage text NOT NULL,
    probability integer NOT NULL,
    close_date date,
    lost_reason text,
    owner_id text,
    custom_fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    search_document tsvector GENERATED ALWAYS AS (crm_private.deal_document(title, custom_fields)) STORED,
    external_ids crm.external_id[] DEFAULT '{}'::crm.external_id[] NOT NULL,
    probability_given boolean DEFAULT false NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT deals_close_date_range CHECK (((close_date >= '0001-01-01'::date) AND (close_date <= '9999-12-31'::date))),
    CONSTRAINT deals_closed_at_order CHECK ((closed_at >= created_at)),
    CONSTRAINT deals_currency_known CHECK ((currency = ANY (crm.currencies()))),
    CONSTRAINT deals_custom_fields_object CHECK ((jsonb_typeof(custom_fields) = 'object'::text)),
    CONSTRAINT deals_external_ids_blank CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_blank_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT deals_external_ids_distinct CHECK (
CASE
    WHEN (cardinality(external_ids) > 1) THEN (NOT crm_private.has_duplicate_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT deals_external_ids_legible CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_illegible_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT deals_external_ids_length CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_long_external_id(external_ids, 100, 255))
    ELSE NULL::boolean
END),
    CONSTRAINT deals_external_ids_list CHECK (((cardinality(external_ids) <= 20) AND (COALESCE(array_ndims(external_ids), 1) = 1) AND (array_position(external_ids, NULL::crm.external_id) IS NULL))),
    CONSTRAINT deals_lost_reason_blank CHECK ((NOT crm_private.is_blank(lost_reason))),
    CONSTRAINT deals_lost_reason_legible CHECK (crm_private.is_printable(lost_reason)),
    CONSTRAINT deals_lost_reason_length CHECK ((char_length(lost_reason) <= 255)),
    CONSTRAINT deals_owner_id_blank CHECK ((NOT crm_private.is_blank(owner_id))),
    CONSTRAINT deals_owner_id_legible CHECK (crm_private.is_legible(owner_id)),
    CONSTRAINT deals_owner_id_length CHECK ((char_length(owner_id) <= 255)),
    CONSTRAINT deals_probability_range CHECK (((probability >= 0) AND (probability <= 100))),
    CONSTRAINT deals_title_blank CHECK ((NOT crm_private.is_blank(title))),
    CONSTRAINT deals_title_legible CHECK (crm_private.is_legible(title)),
    CONSTRAINT deals_title_length CHECK ((char_length(title) <= 255)),
    CONSTRAINT deals_value_decimals CHECK ((scale(trim_scale(value)) <= 2)),
    CONSTRAINT deals_value_range CHECK ((abs(value) < ('10000000000000'::bigint)::numeric))
);

CREATE TABLE crm.custom_field_definitions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    label text NOT NULL,
    entity_type text NOT NULL,
    field_type text NOT NULL,
    enum_values text[],
    required boolean DEFAULT false NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    description text,
    minimum text,
    maximum text,
    max_length integer,
    pattern text,
    default_value jsonb,
    is_unique boolean DEFAULT false NOT NULL,
    CONSTRAINT custom_field_definitions_default_value_holds CHECK (crm_private.satisfies_rules(default_value, field_type, enum_values, minimum, maximum, max_length,
CASE
    WHEN ((char_length(pattern) <= 255) AND crm_private.is_pattern(pattern)) THEN pattern
    ELSE NULL::text
END)),
    CONSTRAINT custom_field_definitions_default_value_unique CHECK (((default_value IS NULL) OR (NOT is_unique))),
    CONSTRAINT custom_field_definitions_description_blank CHECK ((NOT crm_private.is_blank(description))),
    CONSTRAINT custom_field_definitions_description_legible CHECK (crm_private.is_printable(description)),
    CONSTRAINT custom_field_definitions_description_length CHECK ((char_length(description) <= 1000)),
    CONSTRAINT custom_field_definitions_entity_type_known CHECK ((entity_type = ANY (ARRAY['company'::text, 'contact'::text, 'deal'::text]))),
    CONSTRAINT custom_field_definitions_enum_values_blank CHECK ((NOT crm_private.has_blank_element(enum_values))),
    CONSTRAINT custom_field_definitions_enum_values_distinct CHECK ((NOT crm_private.has_duplicates(enum_values))),
    CONSTRAINT custom_field_definitions_enum_values_legible CHECK ((NOT crm_private.has_illegible_element(enum_values))),
    CONSTRAINT custom_field_definitions_enum_values_length CHECK ((crm_private.longest_element(enum_values) <= 255)),
    CONSTRAINT custom_field_definitions_enum_values_list CHECK ((crm_private.is_list(enum_values, 1000) AND (cardinality(enum_values) > 0))),
    CONSTRAINT custom_field_definitions_enum_values_present CHECK (((field_type = ANY (ARRAY['enum'::text, 'multi_enum'::text])) = (enum_values IS NOT NULL))),
    CONSTRAINT custom_field_definitions_field_type_known CHECK ((field_type = ANY (ARRAY['text'::text, 'number'::text, 'date'::text, 'enum'::text, 'multi_enum'::text, 'boolean'::text]))),
    CONSTRAINT custom_field_definitions_is_unique_name CHECK (((NOT is_unique) OR (char_length(name) <= 39))),
    CONSTRAINT custom_field_definitions_is_unique_suited CHECK (((NOT is_unique) OR (field_type = ANY (ARRAY['text'::text, 'number'::text, 'date'::text, 'enum'::text])))),
    CONSTRAINT custom_field_definitions_label_blank CHECK ((NOT crm_private.is_blank(label))),
    CONSTRAINT custom_field_definitions_label_legible CHECK (crm_private.is_legible(label)),
    CONSTRAINT custom_field_definitions_label_length CHECK ((char_length(label) <= 255)),
    CONSTRAINT custom_field_definitions_max_length_range CHECK (((max_length >= 1) AND (max_length <= 10000))),
    CONSTRAINT custom_field_definitions_max_length_suited CHECK (((max_length IS NULL) OR (field_type = ANY (ARRAY['text'::text])))),
    CONSTRAINT custom_field_definitions_maximum_format CHECK (
CASE field_type
    WHEN 'number'::text THEN (maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'::text)
    WHEN 'date'::text THEN crm_private.satisfies_rules(to_jsonb(maximum), 'date'::text, NULL::text[], NULL::text, NULL::text, NULL::integer, NULL::text)
    ELSE NULL::boolean
END),
    CONSTRAINT custom_field_definitions_maximum_order CHECK (
CASE
    WHEN ((field_type = 'date'::text) AND crm_private.satisfies_rules(to_jsonb(minimum), 'date'::text, NULL::text[], NULL::text, NULL::text, NULL::integer, NULL::text) AND crm_private.satisfies_rules(to_jsonb(maximum), 'date'::text, NULL::text[], NULL::text, NULL::text, NULL::integer, NULL::text)) THEN ((maximum COLLATE "C") >= minimum)
    WHEN ((minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'::text) AND (maximum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'::text)) THEN ((maximum)::numeric >= (minimum)::numeric)
    ELSE NULL::boolean
END),
    CONSTRAINT custom_field_definitions_maximum_suited CHECK (((maximum IS NULL) OR (field_type = ANY (ARRAY['number'::text, 'date'::text])))),
    CONSTRAINT custom_field_definitions_minimum_format CHECK (
CASE field_type
    WHEN 'number'::text THEN (minimum ~ '^-?[0-9]{1,150}(?:\.[0-9]{1,150})?$'::text)
    WHEN 'date'::text THEN crm_private.satisfies_rules(to_jsonb(minimum), 'date'::text, NULL::text[], NULL::text, NULL::text, NULL::integer, NULL::text)
    ELSE NULL::boolean
END),
    CONSTRAINT custom_field_definitions_minimum_suited CHECK (((minimum IS NULL) OR (field_type = ANY (ARRAY['number'::text, 'date'::text])))),
    CONSTRAINT custom_field_definitions_name_format CHECK ((name ~ '^[A-Za-z][A-Za-z0-9_]*$'::text)),
    CONSTRAINT custom_field_definitions_name_length CHECK ((char_length(name) <= 100)),
    CONSTRAINT custom_field_definitions_pattern_length CHECK ((char_length(pattern) <= 255)),
    CONSTRAINT custom_field_definitions_pattern_suited CHECK (((pattern IS NULL) OR (field_type = ANY (ARRAY['text'::text])))),
    CONSTRAINT custom_field_definitions_pattern_valid CHECK (
CASE
    WHEN (char_length(pattern) <= 255) THEN crm_private.is_pattern(pattern)
    ELSE NULL::boolean
END)
);

CREATE TABLE crm.exchange_rates (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    currency text NOT NULL,
    valid_from date NOT NULL,
    rate numeric NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    CONSTRAINT exchange_rates_currency_known CHECK ((currency = ANY (crm.currencies()))),
    CONSTRAINT exchange_rates_rate_decimals CHECK ((scale(trim_scale(rate)) <= 12)),
    CONSTRAINT exchange_rates_rate_positive CHECK ((rate > (0)::numeric)),
    CONSTRAINT exchange_rates_rate_range CHECK ((abs(rate) < ('10000000000000'::bigint)::numeric)),
    CONSTRAINT exchange_rates_valid_from_range CHECK (((valid_from >= '0001-01-01'::date) AND (valid_from <= '9999-12-31'::date)))
);

CREATE TABLE crm.notes (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    content text NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    contact_id uuid GENERATED ALWAYS AS (
CASE
    WHEN (entity_type = 'contact'::text) THEN entity_id
    ELSE NULL::uuid
END) STORED,
    company_id uuid GENERATED ALWAYS AS (
CASE
    WHEN (entity_type = 'company'::text) THEN entity_id
    ELSE NULL::uuid
END) STORED,
    deal_id uuid GENERATED ALWAYS AS (
CASE
    WHEN (entity_type = 'deal'::text) THEN entity_id
    ELSE NULL::uuid
END) STORED,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    search_document tsvector GENERATED ALWAYS AS (crm_private.text_document(content, 'D'::"char")) STORED,
    external_ids crm.external_id[] DEFAULT '{}'::crm.external_id[] NOT NULL,
    CONSTRAINT notes_content_blank CHECK ((NOT crm_private.is_blank(content))),
    CONSTRAINT notes_content_legible CHECK (crm_private.is_printable(content)),
    CONSTRAINT notes_content_length CHECK ((char_length(content) <= 100000)),
    CONSTRAINT notes_entity_type_known CHECK ((entity_type = ANY (ARRAY['contact'::text, 'company'::text, 'deal'::text]))),
    CONSTRAINT notes_external_ids_blank CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_blank_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT notes_external_ids_distinct CHECK (
CASE
    WHEN (cardinality(external_ids) > 1) THEN (NOT crm_private.has_duplicate_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT notes_external_ids_legible CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_illegible_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT notes_external_ids_length CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_long_external_id(external_ids, 100, 255))
    ELSE NULL::boolean
END),
    CONSTRAINT notes_external_ids_list CHECK (((cardinality(external_ids) <= 20) AND (COALESCE(array_ndims(external_ids), 1) = 1) AND (array_position(external_ids, NULL::crm.external_id) IS NULL)))
);

CREATE TABLE crm.pipeline_stages (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    "position" integer NOT NULL,
    probability integer DEFAULT 0 NOT NULL,
    kind text DEFAULT 'open'::text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    CONSTRAINT pipeline_stages_kind_known CHECK ((kind = ANY (ARRAY['open'::text, 'won'::text, 'lost'::text]))),
    CONSTRAINT pipeline_stages_name_blank CHECK ((NOT crm_private.is_blank(name))),
    CONSTRAINT pipeline_stages_name_legible CHECK (crm_private.is_legible(name)),
    CONSTRAINT pipeline_stages_name_length CHECK ((char_length(name) <= 100)),
    CONSTRAINT pipeline_stages_position_range CHECK (("position" >= 0)),
    CONSTRAINT pipeline_stages_probability_range CHECK (((probability >= 0) AND (probability <= 100)))
);

CREATE TABLE crm.tasks (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    description text NOT NULL,
    due_date date,
    assigned_to text,
    status text DEFAULT 'open'::text NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    contact_id uuid GENERATED ALWAYS AS (
CASE
    WHEN (entity_type = 'contact'::text) THEN entity_id
    ELSE NULL::uuid
END) STORED,
    company_id uuid GENERATED ALWAYS AS (
CASE
    WHEN (entity_type = 'company'::text) THEN entity_id
    ELSE NULL::uuid
END) STORED,
    deal_id uuid GENERATED ALWAYS AS (
CASE
    WHEN (entity_type = 'deal'::text) THEN entity_id
    ELSE NULL::uuid
END) STORED,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT crm.current_user_id() NOT NULL,
    updated_by text DEFAULT crm.current_user_id() NOT NULL,
    search_document tsvector GENERATED ALWAYS AS (crm_private.text_document(description, 'B'::"char")) STORED,
    external_ids crm.external_id[] DEFAULT '{}'::crm.external_id[] NOT NULL,
    CONSTRAINT tasks_assigned_to_blank CHECK ((NOT crm_private.is_blank(assigned_to))),
    CONSTRAINT tasks_assigned_to_legible CHECK (crm_private.is_legible(assigned_to)),
    CONSTRAINT tasks_assigned_to_length CHECK ((char_length(assigned_to) <= 255)),
    CONSTRAINT tasks_description_blank CHECK ((NOT crm_private.is_blank(description))),
    CONSTRAINT tasks_description_legible CHECK (crm_private.is_printable(description)),
    CONSTRAINT tasks_description_length CHECK ((char_length(description) <= 10000)),
    CONSTRAINT tasks_due_date_range CHECK (((due_date >= '0001-01-01'::date) AND (due_date <= '9999-12-31'::date))),
    CONSTRAINT tasks_entity_type_known CHECK ((entity_type = ANY (ARRAY['contact'::text, 'company'::text, 'deal'::text]))),
    CONSTRAINT tasks_external_ids_blank CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_blank_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT tasks_external_ids_distinct CHECK (
CASE
    WHEN (cardinality(external_ids) > 1) THEN (NOT crm_private.has_duplicate_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT tasks_external_ids_legible CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_illegible_external_id(external_ids))
    ELSE NULL::boolean
END),
    CONSTRAINT tasks_external_ids_length CHECK (
CASE
    WHEN (cardinality(external_ids) > 0) THEN (NOT crm_private.has_long_external_id(external_ids, 100, 255))
    ELSE NULL::boolean
END),
    CONSTRAINT tasks_external_ids_list CHECK (((cardinality(external_ids) <= 20) AND (COALESCE(array_ndims(external_ids), 1) = 1) AND (array_position(external_ids, NULL::crm.external_id) IS NULL))),
    CONSTRAINT tasks_status_known CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text])))
);

CREATE TABLE crm_private.external_ids (
    entity_type text NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    entity_id uuid NOT NULL
);

CREATE UNLOGGED TABLE crm_private.reversals (
    transaction_id bigint NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    before jsonb,
    after jsonb,
    undoes jsonb NOT NULL
);

CREATE TEXT SEARCH CONFIGURATION crm_private.stems (
    PARSER = pg_catalog."default" );

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR asciiword WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR word WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR numword WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR email WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR url WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR host WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR sfloat WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR version WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR hword_numpart WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR hword_part WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR hword_asciipart WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR numhword WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR asciihword WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR hword WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR url_path WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR file WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR "float" WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR "int" WITH simple;

ALTER TEXT SEARCH CONFIGURATION crm_private.stems
    ADD MAPPING FOR uint WITH simple;

ALTER TABLE crm.audit_logs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME crm.audit_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW crm_private.stage_names AS
 WITH told AS (
         SELECT log.id,
            log.entity_id,
            log."timestamp",
                CASE log.action
                    WHEN 'create'::text THEN (log.changes ->> 'name'::text)
                    WHEN 'update'::text THEN (log.changes #>> '{name,new}'::text[])
                    ELSE NULL::text
                END AS name,
                CASE log.action
                    WHEN 'update'::text THEN (log.changes #>> '{name,old}'::text[])
                    WHEN 'delete'::text THEN (log.changes ->> 'name'::text)
                    ELSE NULL::text
                END AS former,
            (row_number() OVER (PARTITION BY log.entity_id ORDER BY log.id) = 1) AS is_first
           FROM crm.audit_logs log
          WHERE ((log.entity_type = 'pipeline_stage'::text) AND ((log.action <> 'update'::text) OR (log.changes ? 'name'::text)))
        ), named AS (
         SELECT told.entity_id AS stage_id,
            told.name,
            told.id AS since,
            told."timestamp" AS since_at
           FROM told
          WHERE (told.name IS NOT NULL)
        UNION ALL
         SELECT told.entity_id,
            told.former,
            0,
            '-infinity'::timestamp with time zone
           FROM told
          WHERE (told.is_first AND (told.former IS NOT NULL))
        UNION ALL
         SELECT stage_1.id,
            stage_1.name,
            0,
            '-infinity'::timestamp with time zone
           FROM crm.pipeline_stages stage_1
          WHERE (NOT (EXISTS ( SELECT
                   FROM told
                  WHERE (told.entity_id = stage_1.id))))
        )
 SELECT named.name,
    named.stage_id,
    COALESCE(stage.name, last_value(named.name) OVER (PARTITION BY named.stage_id ORDER BY named.since ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS stage,
    named.since,
    lead(named.since) OVER (PARTITION BY named.name ORDER BY named.since) AS until,
    named.since_at,
    lead(named.since_at) OVER (PARTITION BY named.name ORDER BY named.since) AS until_at
   FROM (named
     LEFT JOIN crm.pipeline_stages stage ON ((stage.id = named.stage_id)));

CREATE VIEW crm.stage_history WITH (security_invoker='true') AS
 SELECT period.entry_id,
    period.deal_id,
    period.stage,
    period.entered_at,
    period.left_at,
    (COALESCE(period.left_at, now()) - period.entered_at) AS duration,
    period.entered_by,
    period.source,
    period.stage_id
   FROM ( SELECT moved.entry_id,
            moved.deal_id,
            moved.entered_at,
            moved.entered_by,
            moved.source,
            moved.action,
            moved.stage_id,
            moved.stage,
            moved.former,
            lead(moved.entered_at) OVER (PARTITION BY moved.deal_id ORDER BY moved.entry_id) AS left_at
           FROM ( SELECT log.id AS entry_id,
                    log.entity_id AS deal_id,
                        CASE
                            WHEN (NOT (log.changes ? '@imported'::text)) THEN log."timestamp"
                            ELSE COALESCE(((log.changes ->> 'closed_at'::text))::timestamp with time zone, ((log.changes ->> 'created_at'::text))::timestamp with time zone, log."timestamp")
                        END AS entered_at,
                    log.user_id AS entered_by,
                    log.source,
                    log.action,
                    named.stage_id,
                    COALESCE(named.stage, told.stage) AS stage,
                    lag(COALESCE((named.stage_id)::text, told.stage)) OVER (PARTITION BY log.entity_id ORDER BY log.id) AS former
                   FROM ((crm.audit_logs log
                     CROSS JOIN LATERAL ( SELECT
                                CASE log.action
                                    WHEN 'create'::text THEN (log.changes ->> 'stage'::text)
                                    WHEN 'update'::text THEN (log.changes #>> '{stage,new}'::text[])
                                    ELSE NULL::text
                                END AS "case") told(stage))
                     LEFT JOIN crm_private.stage_names named ON (((named.name = told.stage) AND (named.since <= log.id) AND ((named.until IS NULL) OR (log.id < named.until)))))
                  WHERE ((log.entity_type = 'deal'::text) AND ((log.action <> 'update'::text) OR (log.changes ? 'stage'::text)) AND (( SELECT crm_private.is_administrator() AS is_administrator) OR (log.user_id = ( SELECT crm.current_user_id() AS current_user_id)) OR crm_private.is_readable('deal'::text, log.entity_id)))) moved
          WHERE ((moved.action <> 'update'::text) OR (COALESCE((moved.stage_id)::text, moved.stage) IS DISTINCT FROM moved.former))) period
  WHERE (period.stage IS NOT NULL);

CREATE VIEW crm.trash WITH (security_invoker='true') AS
 SELECT deletion.entity_type,
    deletion.entity_id AS id,
    crm_private.deleted_label(deletion.entity_type, deletion.changes) AS label,
    deletion."timestamp" AS deleted_at,
    deletion.user_id AS deleted_by,
    ( SELECT (count(*) - 1)
           FROM crm_private.cascaded_deletions(deletion.transaction_id, deletion.id, deletion.entity_type, deletion.entity_id, deletion.changes) taken(id, action)
          WHERE (taken.action = 'delete'::text)) AS cascaded_rows,
    deletion.transaction_id,
    deletion.id AS entry_id
   FROM crm.audit_logs deletion
  WHERE ((deletion.action = 'delete'::text) AND (deletion.erased_at IS NULL) AND (( SELECT crm_private.is_administrator() AS is_administrator) OR (deletion.user_id = ( SELECT crm.current_user_id() AS current_user_id))) AND (NOT crm_private.is_there(deletion.entity_type, deletion.entity_id)) AND (NOT (EXISTS ( SELECT
           FROM crm.audit_logs later
          WHERE ((later.entity_id = deletion.entity_id) AND (later.action = 'delete'::text) AND (later.id > deletion.id))))) AND (NOT (EXISTS ( SELECT
           FROM crm.audit_logs parent
          WHERE ((parent.entity_id = crm_private.cascade_parent(deletion.entity_type, deletion.changes)) AND (parent.transaction_id = deletion.transaction_id) AND (parent.action = 'delete'::text) AND (parent.id < deletion.id) AND (NOT crm_private.is_there(parent.entity_type, parent.entity_id)))))));

CREATE TABLE crm_private.api_key_hashes (
    api_key_id uuid NOT NULL,
    key_hash bytea NOT NULL
);

CREATE TABLE crm_private.audit_log_blocks (
    number bigint NOT NULL,
    last_id bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    ids bigint[] NOT NULL,
    digests bytea[] NOT NULL,
    salts bytea[] NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);
ALTER TABLE ONLY crm_private.audit_log_blocks ALTER COLUMN digests SET STORAGE EXTERNAL;
ALTER TABLE ONLY crm_private.audit_log_blocks ALTER COLUMN salts SET STORAGE EXTERNAL;

CREATE TABLE crm_private.audit_log_progress (
    id boolean DEFAULT true NOT NULL,
    sealed_to bigint DEFAULT 0 NOT NULL,
    pending_to bigint,
    pending_for text[],
    CONSTRAINT audit_log_progress_id_single CHECK (id),
    CONSTRAINT audit_log_progress_pending_complete CHECK (((pending_to IS NULL) = (pending_for IS NULL)))
);

CREATE TABLE crm_private.settings (
    id boolean DEFAULT true NOT NULL,
    trash_retention_days integer DEFAULT 30,
    base_currency text DEFAULT 'USD'::text NOT NULL,
    default_country text,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    CONSTRAINT settings_base_currency_known CHECK ((base_currency = ANY (crm.currencies()))),
    CONSTRAINT settings_default_country_known CHECK ((default_country ~ '^[A-Z]{2}$'::text)),
    CONSTRAINT settings_id_single CHECK (id),
    CONSTRAINT settings_trash_retention_days_range CHECK (((trash_retention_days >= 0) AND (trash_retention_days <= 36500)))
);

CREATE VIEW crm_private.clock AS
 SELECT effective.zone,
    ((now() AT TIME ZONE effective.zone))::date AS today
   FROM (crm_private.settings setting
     CROSS JOIN LATERAL ( SELECT COALESCE(NULLIF(current_setting('crm.time_zone'::text, true), ''::text), setting.time_zone) AS "coalesce") effective(zone));

CREATE VIEW crm_private.companies_copy AS
 SELECT NULL::text AS name,
    NULL::jsonb AS address,
    NULL::text AS owner_id,
    NULL::jsonb AS custom_fields,
    NULL::timestamp with time zone AS created_at,
    NULL::text AS created_by,
    NULL::crm.external_id[] AS external_ids
  WHERE false;

CREATE VIEW crm_private.contacts_copy AS
 SELECT NULL::text AS first_name,
    NULL::text AS last_name,
    NULL::text[] AS emails,
    NULL::text[] AS phones,
    NULL::uuid AS company_id,
    NULL::text AS owner_id,
    NULL::jsonb AS custom_fields,
    NULL::timestamp with time zone AS created_at,
    NULL::text AS created_by,
    NULL::crm.external_id[] AS external_ids
  WHERE false;

CREATE VIEW crm_private.dated_deals AS
 SELECT deal.id,
    deal.company_id,
    deal.owner_id,
    deal.stage,
    stage.kind,
    deal.probability,
    deal.value,
    deal.currency,
    deal.close_date,
    deal.created_at,
    COALESCE(((deal.closed_at AT TIME ZONE clock.zone))::date, clock.today) AS day,
    deal.closed_at,
    clock.zone
   FROM ((crm.deals deal
     JOIN crm.pipeline_stages stage ON ((stage.name = deal.stage)))
     CROSS JOIN crm_private.clock clock);

CREATE VIEW crm_private.conversions AS
 SELECT DISTINCT ON (needed.currency, needed.day) needed.currency,
    needed.day,
        CASE
            WHEN (dated.rate IS NULL) THEN needed.currency
            ELSE setting.base_currency
        END AS converted_currency,
    COALESCE(dated.rate, (1)::numeric) AS factor
   FROM ((( SELECT DISTINCT dated_deals.currency,
            dated_deals.day
           FROM crm_private.dated_deals) needed
     CROSS JOIN crm_private.settings setting)
     LEFT JOIN LATERAL ( SELECT exchange_rate.rate
           FROM crm.exchange_rates exchange_rate
          WHERE ((exchange_rate.currency = needed.currency) AND (exchange_rate.valid_from <= needed.day))
          ORDER BY exchange_rate.valid_from DESC
         LIMIT 1) dated ON (true));

CREATE VIEW crm_private.deals_copy AS
 SELECT NULL::text AS title,
    NULL::uuid AS company_id,
    NULL::uuid AS contact_id,
    NULL::numeric AS value,
    NULL::text AS currency,
    NULL::text AS stage,
    NULL::integer AS probability,
    NULL::date AS close_date,
    NULL::text AS lost_reason,
    NULL::text AS owner_id,
    NULL::jsonb AS custom_fields,
    NULL::timestamp with time zone AS created_at,
    NULL::text AS created_by,
    NULL::crm.external_id[] AS external_ids,
    NULL::timestamp with time zone AS closed_at
  WHERE false;

CREATE TABLE crm_private.dropped_indexes (
    definition_id uuid NOT NULL
);

CREATE TABLE crm_private.entity_types (
    entity_type text NOT NULL,
    entity_table regclass NOT NULL,
    label_columns name[] NOT NULL,
    is_record boolean NOT NULL,
    has_custom_fields boolean NOT NULL,
    is_mergeable boolean NOT NULL,
    restore_order integer
);

CREATE VIEW crm_private.entity_links AS
 SELECT child.entity_type,
        CASE attribute.attgenerated
            WHEN ''::"char" THEN attribute.attname
            ELSE 'entity_id'::name
        END AS field,
    attribute.attname AS key,
    parent.entity_type AS target_type,
    (con.confdeltype = 'n'::"char") AS is_severed,
    child.entity_table,
    parent.entity_table AS target_table
   FROM (((pg_constraint con
     JOIN pg_attribute attribute ON (((attribute.attrelid = con.conrelid) AND (con.conkey = ARRAY[attribute.attnum]))))
     JOIN crm_private.entity_types child ON (((child.entity_table)::oid = con.conrelid)))
     JOIN crm_private.entity_types parent ON (((parent.entity_table)::oid = con.confrelid)))
  WHERE ((con.contype = 'f'::"char") AND (con.confdeltype = ANY (ARRAY['c'::"char", 'n'::"char"])));

CREATE TABLE crm_private.erasure_lock (
    id boolean NOT NULL
);

CREATE TABLE crm_private.faulty_rows (
    transaction_id bigint NOT NULL,
    number bigint NOT NULL,
    place integer,
    item jsonb NOT NULL
);

ALTER TABLE crm_private.faulty_rows ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME crm_private.faulty_rows_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE crm_private.idempotency_keys (
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    answer bytea,
    entity_ids uuid[],
    expires_at timestamp with time zone DEFAULT (now() + '24:00:00'::interval) NOT NULL,
    CONSTRAINT idempotency_keys_key_hash_length CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT idempotency_keys_request_hash_length CHECK ((octet_length(request_hash) = 32))
);
ALTER TABLE ONLY crm_private.idempotency_keys ALTER COLUMN answer SET STORAGE EXTERNAL;

CREATE TABLE crm_private.merges (
    id bigint NOT NULL,
    entity_type text NOT NULL,
    loser_id uuid NOT NULL,
    winner_id uuid NOT NULL,
    merged_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_in bigint,
    CONSTRAINT merges_ended_in_dated CHECK (((ended_in IS NOT NULL) = (ended_at IS NOT NULL))),
    CONSTRAINT merges_entity_type_known CHECK ((entity_type = ANY (ARRAY['contact'::text, 'company'::text]))),
    CONSTRAINT merges_winner_id_other CHECK ((winner_id <> loser_id))
);

ALTER TABLE crm_private.merges ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME crm_private.merges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW crm_private.notes_copy AS
 SELECT NULL::text AS content,
    NULL::text AS entity_type,
    NULL::uuid AS entity_id,
    NULL::timestamp with time zone AS created_at,
    NULL::text AS created_by,
    NULL::crm.external_id[] AS external_ids
  WHERE false;

CREATE VIEW crm_private.rules AS
 WITH constraint_columns AS (
         SELECT DISTINCT ON (con.oid) con.oid AS constraint_oid,
            attribute.attrelid,
            attribute.attname,
            attribute.atttypid,
            attribute.attnum,
            attribute.attgenerated
           FROM ((pg_constraint con
             JOIN pg_class class ON ((class.oid = con.conrelid)))
             JOIN pg_attribute attribute ON (((attribute.attrelid = con.conrelid) AND (attribute.attnum = ANY (con.conkey)))))
          ORDER BY con.oid, (starts_with((con.conname)::text, ((((class.relname)::text || '_'::text) || (attribute.attname)::text) || '_'::text))) DESC, (length((attribute.attname)::text)) DESC
        ), constraint_texts AS (
         SELECT con.oid AS constraint_oid,
            regexp_replace(description.description, '^(@[^\n]*\n)*'::text, ''::text) AS message,
            "substring"(description.description, '(?:^|\n)@column (\w+)\n'::text) AS client_column,
            COALESCE((description.description ~ '(?:^|\n)@whole\n'::text), false) AS is_whole
           FROM (pg_constraint con
             CROSS JOIN LATERAL obj_description(con.oid, 'pg_constraint'::name) description(description))
        )
 SELECT attribute.attrelid AS table_oid,
    'required'::text AS kind,
    format('%s_%s_not_null'::text, class.relname, attribute.attname) AS constraint_name,
    (attribute.attname)::text AS column_name,
    crm_private.camel_case((attribute.attname)::text) AS field,
    'is required'::text AS message,
    format('%I is not null'::text, attribute.attname) AS condition,
    false AS per_element,
    attribute.attnum AS ordinal
   FROM (pg_attribute attribute
     JOIN pg_class class ON ((class.oid = attribute.attrelid)))
  WHERE ((attribute.attnum > 0) AND attribute.attnotnull AND (NOT attribute.attisdropped) AND (class.relkind = ANY (ARRAY['r'::"char", 'p'::"char"])) AND ((class.relnamespace = ('crm'::regnamespace)::oid) OR (class.oid IN ( SELECT entity_types.entity_table
           FROM crm_private.entity_types))))
UNION ALL
 SELECT con.conrelid AS table_oid,
        CASE con.contype
            WHEN 'c'::"char" THEN 'check'::text
            WHEN 'f'::"char" THEN 'reference'::text
            ELSE 'unique'::text
        END AS kind,
    (con.conname)::text AS constraint_name,
    COALESCE(texts.client_column, (attribute.attname)::text) AS column_name,
    crm_private.camel_case(COALESCE(texts.client_column, (attribute.attname)::text)) AS field,
    COALESCE(texts.message, ('breaks the rule '::text || (con.conname)::text)) AS message,
        CASE con.contype
            WHEN 'c'::"char" THEN pg_get_expr(con.conbin, con.conrelid)
            WHEN 'f'::"char" THEN format('exists (select from %s as referenced where referenced.%I = %s) or %3$s is null'::text, (con.confrelid)::regclass, referenced.attname, COALESCE((('('::text || pg_get_expr(generated.adbin, generated.adrelid)) || ')'::text), quote_ident((attribute.attname)::text)))
            ELSE NULL::text
        END AS condition,
    ((con.contype = 'c'::"char") AND (cardinality(con.conkey) = 1) AND (NOT texts.is_whole) AND (attribute.atttypid = ANY (ARRAY[('text[]'::regtype)::oid, ('jsonb'::regtype)::oid, ('crm.external_id[]'::regtype)::oid]))) AS per_element,
    attribute.attnum AS ordinal
   FROM ((((pg_constraint con
     JOIN constraint_columns attribute ON ((attribute.constraint_oid = con.oid)))
     JOIN constraint_texts texts ON ((texts.constraint_oid = con.oid)))
     LEFT JOIN pg_attrdef generated ON (((attribute.attgenerated = 's'::"char") AND (generated.adrelid = attribute.attrelid) AND (generated.adnum = attribute.attnum))))
     LEFT JOIN pg_attribute referenced ON (((referenced.attrelid = con.confrelid) AND (referenced.attnum = con.confkey[1]))))
  WHERE ((con.contype = ANY (ARRAY['c'::"char", 'f'::"char", 'u'::"char"])) AND ((con.connamespace = ('crm'::regnamespace)::oid) OR (con.conrelid IN ( SELECT entity_types.entity_table
           FROM crm_private.entity_types))));

CREATE VIEW crm_private.tasks_copy AS
 SELECT NULL::text AS description,
    NULL::date AS due_date,
    NULL::text AS assigned_to,
    NULL::text AS status,
    NULL::text AS entity_type,
    NULL::uuid AS entity_id,
    NULL::timestamp with time zone AS created_at,
    NULL::text AS created_by,
    NULL::crm.external_id[] AS external_ids
  WHERE false;

CREATE VIEW reporting.activity AS
 SELECT listed.day,
    log.user_id,
    log.source,
    log.entity_type,
    log.created,
    log.updated,
    log.deleted
   FROM (( SELECT clock.zone,
            (day.day)::date AS day
           FROM ((crm_private.clock clock
             CROSS JOIN LATERAL ( SELECT min(audit_logs."timestamp") AS min
                   FROM crm.audit_logs) first("timestamp"))
             CROSS JOIN LATERAL generate_series((((first."timestamp" AT TIME ZONE clock.zone))::date)::timestamp without time zone, (clock.today)::timestamp without time zone, '1 day'::interval) day(day))) listed
     CROSS JOIN LATERAL ( SELECT entry.user_id,
            entry.source,
            entry.entity_type,
            count(*) FILTER (WHERE (entry.action = 'create'::text)) AS created,
            count(*) FILTER (WHERE (entry.action = 'update'::text)) AS updated,
            count(*) FILTER (WHERE (entry.action = 'delete'::text)) AS deleted
           FROM crm.audit_logs entry
          WHERE ((entry."timestamp" >= ((listed.day)::timestamp without time zone AT TIME ZONE listed.zone)) AND (entry."timestamp" < (((listed.day + 1))::timestamp without time zone AT TIME ZONE listed.zone)) AND (entry.entity_type IN ( SELECT entity_types.entity_type
                   FROM crm_private.entity_types
                  WHERE entity_types.is_record)) AND (entry.action = ANY (ARRAY['create'::text, 'update'::text, 'delete'::text])))
          GROUP BY entry.user_id, entry.source, entry.entity_type) log);

CREATE VIEW reporting.close_date_changes AS
 SELECT deal.id AS deal_id,
    deal.title AS deal,
    company.name AS company,
    deal.owner_id,
    log."timestamp" AS changed_at,
    log.user_id AS changed_by,
    told.old_date,
    told.new_date,
    (told.new_date - told.old_date) AS days
   FROM (((crm.audit_logs log
     JOIN crm.deals deal ON ((deal.id = log.entity_id)))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
     CROSS JOIN LATERAL ( SELECT ((log.changes #>> '{close_date,old}'::text[]))::date AS old_date,
            ((log.changes #>> '{close_date,new}'::text[]))::date AS new_date) told)
  WHERE ((log.entity_type = 'deal'::text) AND (log.action = 'update'::text) AND ((log.action <> 'update'::text) OR (log.changes ?| ARRAY['stage'::text, 'value'::text, 'currency'::text, 'probability'::text, 'close_date'::text, 'owner_id'::text, 'company_id'::text])) AND (log.changes ? 'close_date'::text));

CREATE VIEW reporting.closed_deals AS
 SELECT deal.id AS deal_id,
    record.title AS deal,
    deal.company_id,
    company.name AS company,
    deal.owner_id,
    deal.stage,
    deal.kind AS outcome,
    deal.day AS closed_on,
    deal.closed_at,
    deal.value,
    deal.currency,
        CASE
            WHEN (conversion.converted_currency = setting.base_currency) THEN round((deal.value * conversion.factor), 2)
            ELSE NULL::numeric
        END AS value_in_base,
    record.lost_reason,
    (deal.day - ((deal.created_at AT TIME ZONE deal.zone))::date) AS cycle_days,
    deal.close_date AS expected_on,
    (deal.day - deal.close_date) AS days_late
   FROM ((((crm_private.dated_deals deal
     JOIN crm_private.conversions conversion ON (((conversion.currency = deal.currency) AND (conversion.day = deal.day))))
     CROSS JOIN crm_private.settings setting)
     JOIN crm.deals record ON ((record.id = deal.id)))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
  WHERE (deal.kind <> 'open'::text);

CREATE VIEW reporting.companies AS
 SELECT company.id,
    company.name,
    (company.address ->> 'street'::text) AS street,
    (company.address ->> 'city'::text) AS city,
    (company.address ->> 'state'::text) AS state,
    (company.address ->> 'postalCode'::text) AS postal_code,
    (company.address ->> 'country'::text) AS country,
    company.owner_id,
    company.created_at,
    company.created_by,
    company.updated_at,
    company.updated_by
   FROM crm.companies company;

CREATE VIEW reporting.contacts AS
 SELECT contact.id,
    ((contact.first_name || ' '::text) || contact.last_name) AS name,
    contact.first_name,
    contact.last_name,
    contact.emails[1] AS email,
    contact.emails,
    contact.phones[1] AS phone,
    contact.phones,
    contact.company_id,
    company.name AS company,
    contact.owner_id,
    contact.created_at,
    contact.created_by,
    contact.updated_at,
    contact.updated_by
   FROM (crm.contacts contact
     LEFT JOIN ( SELECT companies.id,
            companies.name
           FROM crm.companies) company ON ((company.id = contact.company_id)));

CREATE VIEW reporting.customers AS
 SELECT deal.company_id,
    company.name AS company,
    company.owner_id,
    conversion.converted_currency AS currency,
    count(*) FILTER (WHERE (deal.kind = 'won'::text)) AS won,
    COALESCE(round(sum((deal.value * conversion.factor)) FILTER (WHERE (deal.kind = 'won'::text)), 2), (0)::numeric) AS won_value,
    min(deal.day) FILTER (WHERE (deal.kind = 'won'::text)) AS first_won_on,
    max(deal.day) FILTER (WHERE (deal.kind = 'won'::text)) AS last_won_on,
    count(*) FILTER (WHERE (deal.kind = 'lost'::text)) AS lost,
    count(*) FILTER (WHERE (deal.kind = 'open'::text)) AS open_deals,
    COALESCE(round(sum((deal.value * conversion.factor)) FILTER (WHERE (deal.kind = 'open'::text)), 2), (0)::numeric) AS open_value
   FROM ((crm_private.dated_deals deal
     JOIN crm_private.conversions conversion ON (((conversion.currency = deal.currency) AND (conversion.day = deal.day))))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
  GROUP BY deal.company_id, company.name, company.owner_id, conversion.converted_currency;

CREATE VIEW reporting.data_quality AS
 SELECT 'contact without an email address'::text AS problem,
    'contact'::text AS entity_type,
    contact.id AS entity_id,
    ((contact.first_name || ' '::text) || contact.last_name) AS label,
    contact.owner_id
   FROM crm.contacts contact
  WHERE (contact.emails = '{}'::text[])
UNION ALL
 SELECT 'contact without activity in 90 days'::text AS problem,
    'contact'::text AS entity_type,
    contact.id AS entity_id,
    ((contact.first_name || ' '::text) || contact.last_name) AS label,
    contact.owner_id
   FROM crm.contacts contact
  WHERE ((contact.updated_at < (now() - '90 days'::interval)) AND (NOT (EXISTS ( SELECT
           FROM crm.tasks task
          WHERE ((task.contact_id = contact.id) AND (task.updated_at >= (now() - '90 days'::interval)))))) AND (NOT (EXISTS ( SELECT
           FROM crm.notes note
          WHERE ((note.contact_id = contact.id) AND (note.updated_at >= (now() - '90 days'::interval)))))) AND (NOT (EXISTS ( SELECT
           FROM crm.deals deal
          WHERE ((deal.contact_id = contact.id) AND (deal.updated_at >= (now() - '90 days'::interval)))))))
UNION ALL
 SELECT
        CASE
            WHEN (deal.close_date IS NULL) THEN 'open deal without a close date'::text
            ELSE 'open deal past its close date'::text
        END AS problem,
    'deal'::text AS entity_type,
    deal.id AS entity_id,
    deal.title AS label,
    deal.owner_id
   FROM ((crm.deals deal
     JOIN crm.pipeline_stages stage ON ((stage.name = deal.stage)))
     CROSS JOIN crm_private.clock clock)
  WHERE ((stage.kind = 'open'::text) AND ((deal.close_date IS NULL) OR (deal.close_date < clock.today)))
UNION ALL
 SELECT 'open task past its due date'::text AS problem,
    'task'::text AS entity_type,
    task.id AS entity_id,
    task.description AS label,
    task.assigned_to AS owner_id
   FROM (crm.tasks task
     CROSS JOIN crm_private.clock clock)
  WHERE ((task.status = 'open'::text) AND (task.due_date < clock.today));

CREATE VIEW reporting.deals AS
 SELECT deal.id,
    deal.title,
    deal.company_id,
    company.name AS company,
    deal.contact_id,
    ((contact.first_name || ' '::text) || contact.last_name) AS contact,
    deal.value,
    deal.currency,
    deal.stage,
    stage.kind AS stage_kind,
    deal.probability,
    deal.close_date,
    deal.owner_id,
    deal.created_at,
    deal.created_by,
    deal.updated_at,
    deal.updated_by,
    deal.closed_at,
    deal.lost_reason,
    deal.probability_given
   FROM (((crm.deals deal
     JOIN ( SELECT companies.id,
            companies.name
           FROM crm.companies) company ON ((company.id = deal.company_id)))
     JOIN ( SELECT pipeline_stages.name,
            pipeline_stages.kind
           FROM crm.pipeline_stages) stage ON ((stage.name = deal.stage)))
     LEFT JOIN ( SELECT contacts.id,
            contacts.first_name,
            contacts.last_name
           FROM crm.contacts) contact ON ((contact.id = deal.contact_id)));

CREATE VIEW reporting.exchange_rates AS
 SELECT exchange_rate.currency,
    setting.base_currency,
    exchange_rate.valid_from,
    (lead(exchange_rate.valid_from) OVER (PARTITION BY exchange_rate.currency ORDER BY exchange_rate.valid_from) - 1) AS valid_to,
    exchange_rate.rate
   FROM (crm.exchange_rates exchange_rate
     CROSS JOIN crm_private.settings setting);

CREATE VIEW reporting.forecast AS
 SELECT (date_trunc('month'::text, (deal.close_date)::timestamp without time zone))::date AS month,
    deal.currency,
    count(*) AS deals,
    sum(deal.value) AS value,
    round(sum(((deal.value * (deal.probability)::numeric) / (100)::numeric)), 2) AS weighted_value
   FROM (crm.deals deal
     JOIN crm.pipeline_stages stage ON ((stage.name = deal.stage)))
  WHERE (stage.kind = 'open'::text)
  GROUP BY ((date_trunc('month'::text, (deal.close_date)::timestamp without time zone))::date), deal.currency;

CREATE VIEW reporting.forecast_accuracy AS
 SELECT listed.month,
    told.currency,
    told.forecast_deals,
    told.forecast_value,
    told.forecast_weighted_value,
    told.won,
    told.won_value,
    told.forecast_won,
    told.forecast_won_value,
    told.forecast_lost,
    ((told.forecast_deals - told.forecast_won) - told.forecast_lost) AS slipped
   FROM (( SELECT clock.zone,
            (month.month)::date AS month
           FROM ((crm_private.clock clock
             CROSS JOIN LATERAL ( SELECT min(audit_logs."timestamp") AS min
                   FROM crm.audit_logs) first("timestamp"))
             CROSS JOIN LATERAL generate_series(date_trunc('month'::text, (first."timestamp" AT TIME ZONE clock.zone)), date_trunc('month'::text, (clock.today)::timestamp without time zone), '1 mon'::interval) month(month))
          WHERE ((month.month AT TIME ZONE clock.zone) >= first."timestamp")) listed
     CROSS JOIN LATERAL ( SELECT COALESCE(deal.currency, closed.currency) AS currency,
            count(deal.deal_id) AS forecast_deals,
            COALESCE(sum(deal.value), (0)::numeric) AS forecast_value,
            COALESCE(round((sum((deal.value * (deal.probability)::numeric)) * 0.01), 2), (0)::numeric) AS forecast_weighted_value,
            count(*) FILTER (WHERE (closed.kind = 'won'::text)) AS won,
            COALESCE(sum(closed.value) FILTER (WHERE (closed.kind = 'won'::text)), (0)::numeric) AS won_value,
            count(deal.deal_id) FILTER (WHERE (closed.kind = 'won'::text)) AS forecast_won,
            COALESCE(sum(closed.value) FILTER (WHERE ((closed.kind = 'won'::text) AND (deal.deal_id IS NOT NULL))), (0)::numeric) AS forecast_won_value,
            count(deal.deal_id) FILTER (WHERE (closed.kind = 'lost'::text)) AS forecast_lost
           FROM (( SELECT was.deal_id,
                    was.stage_id,
                    was.stage,
                    was.value,
                    was.currency,
                    was.probability,
                    was.close_date,
                    was.owner_id,
                    was.company_id
                   FROM (crm_private.deals_as_of(((listed.month)::timestamp without time zone AT TIME ZONE listed.zone)) was(deal_id, stage_id, stage, value, currency, probability, close_date, owner_id, company_id)
                     JOIN crm.pipeline_stages stage ON ((stage.id = was.stage_id)))
                  WHERE ((stage.kind = 'open'::text) AND (was.close_date >= listed.month) AND (was.close_date < (listed.month + '1 mon'::interval)))) deal
             FULL JOIN ( SELECT record.id,
                    record.currency,
                    record.value,
                    stage.kind
                   FROM (crm.deals record
                     JOIN crm.pipeline_stages stage ON ((stage.name = record.stage)))
                  WHERE ((record.closed_at >= ((listed.month)::timestamp without time zone AT TIME ZONE listed.zone)) AND (record.closed_at < ((listed.month + '1 mon'::interval) AT TIME ZONE listed.zone)))) closed ON ((closed.id = deal.deal_id)))
          WHERE ((deal.deal_id IS NOT NULL) OR (closed.kind = 'won'::text))
          GROUP BY COALESCE(deal.currency, closed.currency)) told);

CREATE VIEW reporting.forecast_accuracy_in_base AS
 SELECT summed.month,
    conversion.currency,
    (sum(summed.forecast_deals))::bigint AS forecast_deals,
    round(sum((summed.forecast_value * conversion.factor)), 2) AS forecast_value,
    round(sum((summed.forecast_weighted_value * conversion.factor)), 2) AS forecast_weighted_value,
    (sum(summed.won))::bigint AS won,
    round(sum((summed.won_value * conversion.factor)), 2) AS won_value,
    (sum(summed.forecast_won))::bigint AS forecast_won,
    round(sum((summed.forecast_won_value * conversion.factor)), 2) AS forecast_won_value,
    (sum(summed.forecast_lost))::bigint AS forecast_lost,
    (sum(summed.slipped))::bigint AS slipped
   FROM (((reporting.forecast_accuracy summed
     CROSS JOIN crm_private.settings setting)
     LEFT JOIN LATERAL ( SELECT exchange_rate.rate
           FROM crm.exchange_rates exchange_rate
          WHERE ((exchange_rate.currency = summed.currency) AND (exchange_rate.valid_from <= summed.month))
          ORDER BY exchange_rate.valid_from DESC
         LIMIT 1) dated ON (true))
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (dated.rate IS NULL) THEN summed.currency
                    ELSE setting.base_currency
                END AS currency,
            COALESCE(dated.rate, (1)::numeric) AS factor) conversion)
  GROUP BY summed.month, conversion.currency;

CREATE VIEW reporting.forecast_in_base AS
 SELECT summed.month,
    conversion.converted_currency AS currency,
    (sum(summed.deals))::bigint AS deals,
    round(sum((summed.value * conversion.factor)), 2) AS value,
    round((sum((summed.percents * conversion.factor)) * 0.01), 2) AS weighted_value
   FROM (( SELECT (date_trunc('month'::text, (dated_deals.close_date)::timestamp without time zone))::date AS month,
            dated_deals.currency,
            dated_deals.day,
            count(*) AS deals,
            sum(dated_deals.value) AS value,
            sum((dated_deals.value * (dated_deals.probability)::numeric)) AS percents
           FROM crm_private.dated_deals
          WHERE (dated_deals.kind = 'open'::text)
          GROUP BY ((date_trunc('month'::text, (dated_deals.close_date)::timestamp without time zone))::date), dated_deals.currency, dated_deals.day) summed
     JOIN crm_private.conversions conversion ON (((conversion.currency = summed.currency) AND (conversion.day = summed.day))))
  GROUP BY summed.month, conversion.converted_currency;

CREATE VIEW reporting.lost_reasons AS
 SELECT (date_trunc('month'::text, (deal.closed_on)::timestamp without time zone))::date AS month,
    deal.lost_reason,
    deal.owner_id,
    deal.currency,
    count(*) AS deals,
    sum(deal.value) AS value,
        CASE
            WHEN bool_and((deal.value_in_base IS NOT NULL)) THEN sum(deal.value_in_base)
            ELSE NULL::numeric
        END AS value_in_base
   FROM reporting.closed_deals deal
  WHERE (deal.outcome = 'lost'::text)
  GROUP BY ((date_trunc('month'::text, (deal.closed_on)::timestamp without time zone))::date), deal.lost_reason, deal.owner_id, deal.currency;

CREATE VIEW reporting.new_contacts AS
 SELECT (date_trunc('week'::text, (contact.created_at AT TIME ZONE clock.zone)))::date AS week,
    contact.owner_id,
    count(*) AS contacts,
    count(contact.company_id) AS with_company
   FROM (crm.contacts contact
     CROSS JOIN crm_private.clock clock)
  GROUP BY ((date_trunc('week'::text, (contact.created_at AT TIME ZONE clock.zone)))::date), contact.owner_id;

CREATE VIEW reporting.new_deals AS
 SELECT (date_trunc('month'::text, (deal.created_at AT TIME ZONE clock.zone)))::date AS month,
    deal.owner_id,
    deal.currency,
    count(*) AS deals,
    sum(deal.value) AS value,
    count(*) FILTER (WHERE (stage.kind = 'won'::text)) AS won,
    count(*) FILTER (WHERE (stage.kind = 'lost'::text)) AS lost
   FROM ((crm.deals deal
     JOIN crm.pipeline_stages stage ON ((stage.name = deal.stage)))
     CROSS JOIN crm_private.clock clock)
  GROUP BY ((date_trunc('month'::text, (deal.created_at AT TIME ZONE clock.zone)))::date), deal.owner_id, deal.currency;

CREATE VIEW reporting.notes AS
 SELECT note.id,
    note.content,
    note.entity_type,
    note.entity_id,
    COALESCE(((contact.first_name || ' '::text) || contact.last_name), company.name, deal.title) AS entity,
    note.created_at,
    note.created_by,
    note.updated_at,
    note.updated_by
   FROM (((crm.notes note
     LEFT JOIN crm.contacts contact ON ((contact.id = note.contact_id)))
     LEFT JOIN crm.companies company ON ((company.id = note.company_id)))
     LEFT JOIN crm.deals deal ON ((deal.id = note.deal_id)));

CREATE VIEW reporting.stage_periods AS
 SELECT period.deal_id,
    deal.title AS deal,
    deal.owner_id,
    company.name AS company,
    period.stage,
    period.entered_at,
    period.left_at,
    round((EXTRACT(epoch FROM (COALESCE(period.left_at, now()) - period.entered_at)) / (86400)::numeric), 2) AS days,
    period.entered_by,
    period.stage_id
   FROM ((( SELECT moved.entry_id,
            moved.deal_id,
            moved.entered_at,
            moved.entered_by,
            moved.source,
            moved.action,
            moved.stage_id,
            moved.stage,
            moved.former,
            lead(moved.entered_at) OVER (PARTITION BY moved.deal_id ORDER BY moved.entry_id) AS left_at
           FROM ( SELECT log.id AS entry_id,
                    log.entity_id AS deal_id,
                        CASE
                            WHEN (NOT (log.changes ? '@imported'::text)) THEN log."timestamp"
                            ELSE COALESCE(((log.changes ->> 'closed_at'::text))::timestamp with time zone, ((log.changes ->> 'created_at'::text))::timestamp with time zone, log."timestamp")
                        END AS entered_at,
                    log.user_id AS entered_by,
                    log.source,
                    log.action,
                    named.stage_id,
                    COALESCE(named.stage, told.stage) AS stage,
                    lag(COALESCE((named.stage_id)::text, told.stage)) OVER (PARTITION BY log.entity_id ORDER BY log.id) AS former
                   FROM ((crm.audit_logs log
                     CROSS JOIN LATERAL ( SELECT
                                CASE log.action
                                    WHEN 'create'::text THEN (log.changes ->> 'stage'::text)
                                    WHEN 'update'::text THEN (log.changes #>> '{stage,new}'::text[])
                                    ELSE NULL::text
                                END AS "case") told(stage))
                     LEFT JOIN crm_private.stage_names named ON (((named.name = told.stage) AND (named.since <= log.id) AND ((named.until IS NULL) OR (log.id < named.until)))))
                  WHERE ((log.entity_type = 'deal'::text) AND ((log.action <> 'update'::text) OR (log.changes ? 'stage'::text)))) moved
          WHERE ((moved.action <> 'update'::text) OR (COALESCE((moved.stage_id)::text, moved.stage) IS DISTINCT FROM moved.former))) period
     JOIN crm.deals deal ON ((deal.id = period.deal_id)))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
  WHERE (period.stage IS NOT NULL);

CREATE VIEW reporting.open_deals AS
 SELECT deal.id AS deal_id,
    record.title AS deal,
    deal.company_id,
    company.name AS company,
    deal.owner_id,
    deal.stage,
    deal.probability,
    deal.value,
    deal.currency,
        CASE
            WHEN (conversion.converted_currency = setting.base_currency) THEN round((deal.value * conversion.factor), 2)
            ELSE NULL::numeric
        END AS value_in_base,
    round(((deal.value * (deal.probability)::numeric) * 0.01), 2) AS weighted_value,
    deal.close_date,
        CASE
            WHEN (deal.close_date < deal.day) THEN (deal.day - deal.close_date)
            ELSE NULL::integer
        END AS days_overdue,
    (deal.day - ((deal.created_at AT TIME ZONE deal.zone))::date) AS age_days,
    entered.at AS stage_since,
    (deal.day - ((entered.at AT TIME ZONE deal.zone))::date) AS days_in_stage,
    touched.at AS last_activity_at,
    (deal.day - ((touched.at AT TIME ZONE deal.zone))::date) AS idle_days,
    todo.due AS next_task_due
   FROM (((((((crm_private.dated_deals deal
     JOIN crm_private.conversions conversion ON (((conversion.currency = deal.currency) AND (conversion.day = deal.day))))
     CROSS JOIN crm_private.settings setting)
     JOIN crm.deals record ON ((record.id = deal.id)))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
     LEFT JOIN ( SELECT period.deal_id,
            max(period.entered_at) AS at
           FROM reporting.stage_periods period
          WHERE (period.left_at IS NULL)
          GROUP BY period.deal_id) entered ON ((entered.deal_id = deal.id)))
     CROSS JOIN LATERAL ( SELECT GREATEST(record.updated_at, ( SELECT max(task.updated_at) AS max
                   FROM crm.tasks task
                  WHERE (task.deal_id = deal.id)), ( SELECT max(note.updated_at) AS max
                   FROM crm.notes note
                  WHERE (note.deal_id = deal.id))) AS "greatest") touched(at))
     LEFT JOIN LATERAL ( SELECT min(task.due_date) AS min
           FROM crm.tasks task
          WHERE ((task.deal_id = deal.id) AND (task.status = 'open'::text))) todo(due) ON (true))
  WHERE (deal.kind = 'open'::text);

CREATE VIEW reporting.open_tasks AS
 SELECT task.assigned_to,
        CASE
            WHEN (task.created_at > (now() - '7 days'::interval)) THEN 'up to 7 days'::text
            WHEN (task.created_at > (now() - '30 days'::interval)) THEN 'up to 30 days'::text
            WHEN (task.created_at > (now() - '90 days'::interval)) THEN 'up to 90 days'::text
            ELSE 'over 90 days'::text
        END AS age,
    count(*) AS tasks,
    count(*) FILTER (WHERE (task.due_date < clock.today)) AS overdue,
    min(task.due_date) AS first_due,
    min(task.created_at) AS first_created_at
   FROM (crm.tasks task
     CROSS JOIN crm_private.clock clock)
  WHERE (task.status = 'open'::text)
  GROUP BY task.assigned_to,
        CASE
            WHEN (task.created_at > (now() - '7 days'::interval)) THEN 'up to 7 days'::text
            WHEN (task.created_at > (now() - '30 days'::interval)) THEN 'up to 30 days'::text
            WHEN (task.created_at > (now() - '90 days'::interval)) THEN 'up to 90 days'::text
            ELSE 'over 90 days'::text
        END;

CREATE VIEW reporting.owner_changes AS
 SELECT log.entity_type,
    log.entity_id,
    COALESCE(deal.title, company.name, ((contact.first_name || ' '::text) || contact.last_name)) AS label,
    log."timestamp" AS changed_at,
    log.user_id AS changed_by,
    (log.changes #>> '{owner_id,old}'::text[]) AS old_owner,
    (log.changes #>> '{owner_id,new}'::text[]) AS new_owner
   FROM (((crm.audit_logs log
     LEFT JOIN crm.deals deal ON (((log.entity_type = 'deal'::text) AND (deal.id = log.entity_id))))
     LEFT JOIN crm.companies company ON (((log.entity_type = 'company'::text) AND (company.id = log.entity_id))))
     LEFT JOIN crm.contacts contact ON (((log.entity_type = 'contact'::text) AND (contact.id = log.entity_id))))
  WHERE ((log.action = 'update'::text) AND (log.changes ? 'owner_id'::text) AND (COALESCE(deal.id, company.id, contact.id) IS NOT NULL));

CREATE VIEW reporting.pipeline AS
SELECT
    NULL::text AS stage,
    NULL::integer AS "position",
    NULL::text AS kind,
    NULL::text AS currency,
    NULL::bigint AS deals,
    NULL::numeric AS value,
    NULL::numeric AS weighted_value;

CREATE VIEW reporting.pipeline_by_day AS
 SELECT listed.day,
    held.stage,
    held."position",
    held.kind,
    held.currency,
    held.deals,
    held.value,
    held.weighted_value,
    held.stage_id
   FROM (( SELECT clock.zone,
            clock.today,
            (day.day)::date AS day
           FROM ((crm_private.clock clock
             CROSS JOIN LATERAL ( SELECT min(audit_logs."timestamp") AS min
                   FROM crm.audit_logs) first("timestamp"))
             CROSS JOIN LATERAL generate_series((((first."timestamp" AT TIME ZONE clock.zone))::date)::timestamp without time zone, (clock.today)::timestamp without time zone, '1 day'::interval) day(day))) listed
     CROSS JOIN LATERAL ( SELECT deal.stage_id,
            deal.stage,
            stage."position",
            stage.kind,
            deal.currency,
            count(*) AS deals,
            sum(deal.value) AS value,
            round((sum((deal.value * (deal.probability)::numeric)) * 0.01), 2) AS weighted_value
           FROM (crm_private.deals_as_of(((((listed.day + 1))::timestamp without time zone AT TIME ZONE listed.zone) - '00:00:00.000001'::interval)) deal(deal_id, stage_id, stage, value, currency, probability, close_date, owner_id, company_id)
             LEFT JOIN crm.pipeline_stages stage ON ((stage.id = deal.stage_id)))
          GROUP BY deal.stage_id, deal.stage, stage."position", stage.kind, deal.currency) held);

CREATE VIEW reporting.pipeline_by_day_in_base AS
 SELECT summed.day,
    summed.stage,
    summed."position",
    summed.kind,
    conversion.currency,
    (sum(summed.deals))::bigint AS deals,
    round(sum((summed.value * conversion.factor)), 2) AS value,
    round(sum((summed.weighted_value * conversion.factor)), 2) AS weighted_value,
    summed.stage_id
   FROM (((reporting.pipeline_by_day summed
     CROSS JOIN crm_private.settings setting)
     LEFT JOIN LATERAL ( SELECT exchange_rate.rate
           FROM crm.exchange_rates exchange_rate
          WHERE ((exchange_rate.currency = summed.currency) AND (exchange_rate.valid_from <= summed.day))
          ORDER BY exchange_rate.valid_from DESC
         LIMIT 1) dated ON (true))
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (dated.rate IS NULL) THEN summed.currency
                    ELSE setting.base_currency
                END AS currency,
            COALESCE(dated.rate, (1)::numeric) AS factor) conversion)
  GROUP BY summed.day, summed.stage_id, summed.stage, summed."position", summed.kind, conversion.currency;

CREATE VIEW reporting.pipeline_in_base AS
SELECT
    NULL::text AS stage,
    NULL::integer AS "position",
    NULL::text AS kind,
    NULL::text AS currency,
    NULL::bigint AS deals,
    NULL::numeric AS value,
    NULL::numeric AS weighted_value;

CREATE VIEW reporting.stage_conversion AS
SELECT
    NULL::text AS stage,
    NULL::integer AS "position",
    NULL::text AS kind,
    NULL::bigint AS entered,
    NULL::bigint AS present,
    NULL::bigint AS advanced,
    NULL::numeric AS conversion_rate,
    NULL::numeric AS average_days,
    NULL::numeric AS median_days;

CREATE VIEW reporting.stage_moves AS
 SELECT moved.deal_id,
    moved.deal,
    moved.company,
    moved.owner_id,
    moved.moved_at,
    moved.moved_by,
    former.name AS from_stage,
    moved.stage AS to_stage,
        CASE
            WHEN (stage.kind = 'won'::text) THEN 'won'::text
            WHEN (stage.kind = 'lost'::text) THEN 'lost'::text
            WHEN (former.kind <> 'open'::text) THEN 'reopened'::text
            WHEN (stage."position" < former."position") THEN 'back'::text
            ELSE 'forward'::text
        END AS direction
   FROM ((( SELECT period.deal_id,
            period.deal,
            period.company,
            period.owner_id,
            period.entered_at AS moved_at,
            period.entered_by AS moved_by,
            period.stage,
            period.stage_id,
            lag(period.stage_id) OVER (PARTITION BY period.deal_id ORDER BY period.entered_at) AS former_id
           FROM reporting.stage_periods period) moved
     JOIN crm.pipeline_stages former ON ((former.id = moved.former_id)))
     JOIN crm.pipeline_stages stage ON ((stage.id = moved.stage_id)));

CREATE VIEW reporting.tasks AS
 SELECT task.id,
    task.description,
    task.status,
    task.due_date,
    task.assigned_to,
    task.entity_type,
    task.entity_id,
    COALESCE(((contact.first_name || ' '::text) || contact.last_name), company.name, deal.title) AS entity,
    task.created_at,
    task.created_by,
    task.updated_at,
    task.updated_by
   FROM (((crm.tasks task
     LEFT JOIN crm.contacts contact ON ((contact.id = task.contact_id)))
     LEFT JOIN crm.companies company ON ((company.id = task.company_id)))
     LEFT JOIN crm.deals deal ON ((deal.id = task.deal_id)));

CREATE VIEW reporting.value_changes AS
 SELECT deal.id AS deal_id,
    deal.title AS deal,
    company.name AS company,
    deal.owner_id,
    log."timestamp" AS changed_at,
    log.user_id AS changed_by,
    was.value AS old_value,
    was.currency AS old_currency,
    became.value AS new_value,
    became.currency AS new_currency,
        CASE
            WHEN (was.currency = became.currency) THEN (became.value - was.value)
            ELSE NULL::numeric
        END AS change,
    round(((became.value * became_rate.factor) - (was.value * was_rate.factor)), 2) AS change_in_base
   FROM ((((((((crm.audit_logs log
     JOIN crm.deals deal ON ((deal.id = log.entity_id)))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
     CROSS JOIN crm_private.clock clock)
     CROSS JOIN crm_private.settings setting)
     CROSS JOIN LATERAL ( SELECT (COALESCE((log.changes #>> '{value,new}'::text[]), ( SELECT (later.changes #>> '{value,old}'::text[])
                   FROM crm.audit_logs later
                  WHERE ((later.entity_id = log.entity_id) AND (later.entity_type = 'deal'::text) AND (later.action = 'update'::text) AND (later.id > log.id) AND (later.changes ? 'value'::text))
                  ORDER BY later.id
                 LIMIT 1), (deal.value)::text))::numeric AS value,
            COALESCE((log.changes #>> '{currency,new}'::text[]), ( SELECT (later.changes #>> '{currency,old}'::text[])
                   FROM crm.audit_logs later
                  WHERE ((later.entity_id = log.entity_id) AND (later.entity_type = 'deal'::text) AND (later.action = 'update'::text) AND (later.id > log.id) AND (later.changes ? 'currency'::text))
                  ORDER BY later.id
                 LIMIT 1), deal.currency) AS currency) became)
     CROSS JOIN LATERAL ( SELECT COALESCE(((log.changes #>> '{value,old}'::text[]))::numeric, became.value) AS value,
            COALESCE((log.changes #>> '{currency,old}'::text[]), became.currency) AS currency,
            ((log."timestamp" AT TIME ZONE clock.zone))::date AS day) was)
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (was.currency = setting.base_currency) THEN (1)::numeric
                    ELSE ( SELECT exchange_rate.rate
                       FROM crm.exchange_rates exchange_rate
                      WHERE ((exchange_rate.currency = was.currency) AND (exchange_rate.valid_from <= was.day))
                      ORDER BY exchange_rate.valid_from DESC
                     LIMIT 1)
                END AS rate) was_rate(factor))
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (became.currency = setting.base_currency) THEN (1)::numeric
                    ELSE ( SELECT exchange_rate.rate
                       FROM crm.exchange_rates exchange_rate
                      WHERE ((exchange_rate.currency = became.currency) AND (exchange_rate.valid_from <= was.day))
                      ORDER BY exchange_rate.valid_from DESC
                     LIMIT 1)
                END AS rate) became_rate(factor))
  WHERE ((log.entity_type = 'deal'::text) AND (log.action = 'update'::text) AND ((log.action <> 'update'::text) OR (log.changes ?| ARRAY['stage'::text, 'value'::text, 'currency'::text, 'probability'::text, 'close_date'::text, 'owner_id'::text, 'company_id'::text])) AND (log.changes ?| ARRAY['value'::text, 'currency'::text]));

CREATE VIEW reporting.win_rates AS
 SELECT (date_trunc('month'::text, (deal.closed_at AT TIME ZONE clock.zone)))::date AS month,
    deal.owner_id,
    deal.company_id,
    company.name AS company,
    deal.currency,
    count(*) FILTER (WHERE (stage.kind = 'won'::text)) AS won,
    count(*) FILTER (WHERE (stage.kind = 'lost'::text)) AS lost,
    round(avg(((stage.kind = 'won'::text))::integer), 4) AS win_rate,
    COALESCE(sum(deal.value) FILTER (WHERE (stage.kind = 'won'::text)), (0)::numeric) AS won_value,
    COALESCE(sum(deal.value) FILTER (WHERE (stage.kind = 'lost'::text)), (0)::numeric) AS lost_value,
    sum(cycle.days) FILTER (WHERE (stage.kind = 'won'::text)) AS won_days,
    round(avg(cycle.days) FILTER (WHERE (stage.kind = 'won'::text)), 2) AS average_cycle
   FROM ((((crm.deals deal
     JOIN crm.pipeline_stages stage ON ((stage.name = deal.stage)))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
     CROSS JOIN crm_private.clock clock)
     CROSS JOIN LATERAL ( SELECT (((deal.closed_at AT TIME ZONE clock.zone))::date - ((deal.created_at AT TIME ZONE clock.zone))::date) AS "?column?") cycle(days))
  WHERE (stage.kind = ANY (ARRAY['won'::text, 'lost'::text]))
  GROUP BY ((date_trunc('month'::text, (deal.closed_at AT TIME ZONE clock.zone)))::date), deal.owner_id, deal.company_id, company.name, deal.currency;

CREATE VIEW reporting.win_rates_in_base AS
 SELECT (date_trunc('month'::text, (deal.closed_at AT TIME ZONE deal.zone)))::date AS month,
    deal.owner_id,
    deal.company_id,
    company.name AS company,
    conversion.converted_currency AS currency,
    count(*) FILTER (WHERE (deal.kind = 'won'::text)) AS won,
    count(*) FILTER (WHERE (deal.kind = 'lost'::text)) AS lost,
    round(avg(((deal.kind = 'won'::text))::integer), 4) AS win_rate,
    COALESCE(round(sum(converted.value) FILTER (WHERE (deal.kind = 'won'::text)), 2), (0)::numeric) AS won_value,
    COALESCE(round(sum(converted.value) FILTER (WHERE (deal.kind = 'lost'::text)), 2), (0)::numeric) AS lost_value,
    sum(cycle.days) FILTER (WHERE (deal.kind = 'won'::text)) AS won_days,
    round(avg(cycle.days) FILTER (WHERE (deal.kind = 'won'::text)), 2) AS average_cycle
   FROM ((((crm_private.dated_deals deal
     JOIN crm_private.conversions conversion ON (((conversion.currency = deal.currency) AND (conversion.day = deal.day))))
     JOIN crm.companies company ON ((company.id = deal.company_id)))
     CROSS JOIN LATERAL ( SELECT (((deal.closed_at AT TIME ZONE deal.zone))::date - ((deal.created_at AT TIME ZONE deal.zone))::date) AS "?column?") cycle(days))
     CROSS JOIN LATERAL ( SELECT (deal.value * conversion.factor) AS "?column?") converted(value))
  WHERE (deal.kind = ANY (ARRAY['won'::text, 'lost'::text]))
  GROUP BY ((date_trunc('month'::text, (deal.closed_at AT TIME ZONE deal.zone)))::date), deal.owner_id, deal.company_id, company.name, conversion.converted_currency;

ALTER TABLE ONLY crm_private.companies_copy ALTER COLUMN custom_fields SET DEFAULT '{}'::jsonb;

ALTER TABLE ONLY crm_private.companies_copy ALTER COLUMN external_ids SET DEFAULT '{}'::crm.external_id[];

ALTER TABLE ONLY crm_private.contacts_copy ALTER COLUMN emails SET DEFAULT '{}'::text[];

ALTER TABLE ONLY crm_private.contacts_copy ALTER COLUMN phones SET DEFAULT '{}'::text[];

ALTER TABLE ONLY crm_private.contacts_copy ALTER COLUMN custom_fields SET DEFAULT '{}'::jsonb;

ALTER TABLE ONLY crm_private.contacts_copy ALTER COLUMN external_ids SET DEFAULT '{}'::crm.external_id[];

ALTER TABLE ONLY crm_private.deals_copy ALTER COLUMN currency SET DEFAULT 'USD'::text;

ALTER TABLE ONLY crm_private.deals_copy ALTER COLUMN custom_fields SET DEFAULT '{}'::jsonb;

ALTER TABLE ONLY crm_private.deals_copy ALTER COLUMN external_ids SET DEFAULT '{}'::crm.external_id[];

ALTER TABLE ONLY crm_private.notes_copy ALTER COLUMN external_ids SET DEFAULT '{}'::crm.external_id[];

ALTER TABLE ONLY crm_private.tasks_copy ALTER COLUMN status SET DEFAULT 'open'::text;

ALTER TABLE ONLY crm_private.tasks_copy ALTER COLUMN external_ids SET DEFAULT '{}'::crm.external_id[];

ALTER TABLE ONLY crm.api_keys
    ADD CONSTRAINT api_keys_name_unique UNIQUE (name);

ALTER TABLE ONLY crm.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.audit_logs
    ADD CONSTRAINT audit_logs_pkey PRIMARY KEY ("timestamp", id);

ALTER TABLE ONLY crm.companies
    ADD CONSTRAINT companies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.custom_field_definitions
    ADD CONSTRAINT custom_field_definitions_name_unique UNIQUE (entity_type, name);

ALTER TABLE ONLY crm.custom_field_definitions
    ADD CONSTRAINT custom_field_definitions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.deals
    ADD CONSTRAINT deals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.exchange_rates
    ADD CONSTRAINT exchange_rates_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.exchange_rates
    ADD CONSTRAINT exchange_rates_valid_from_unique UNIQUE (currency, valid_from);

ALTER TABLE ONLY crm.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.pipeline_stages
    ADD CONSTRAINT pipeline_stages_name_unique UNIQUE (name);

ALTER TABLE ONLY crm.pipeline_stages
    ADD CONSTRAINT pipeline_stages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm_private.api_key_hashes
    ADD CONSTRAINT api_key_hashes_key_hash_unique UNIQUE (key_hash);

ALTER TABLE ONLY crm_private.api_key_hashes
    ADD CONSTRAINT api_key_hashes_pkey PRIMARY KEY (api_key_id);

ALTER TABLE ONLY crm_private.audit_log_blocks
    ADD CONSTRAINT audit_log_blocks_last_id_unique UNIQUE (last_id);

ALTER TABLE ONLY crm_private.audit_log_blocks
    ADD CONSTRAINT audit_log_blocks_pkey PRIMARY KEY (number);

ALTER TABLE ONLY crm_private.audit_log_progress
    ADD CONSTRAINT audit_log_progress_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm_private.dropped_indexes
    ADD CONSTRAINT dropped_indexes_pkey PRIMARY KEY (definition_id);

ALTER TABLE ONLY crm_private.entity_types
    ADD CONSTRAINT entity_types_entity_table_key UNIQUE (entity_table);

ALTER TABLE ONLY crm_private.entity_types
    ADD CONSTRAINT entity_types_pkey PRIMARY KEY (entity_type);

ALTER TABLE ONLY crm_private.erasure_lock
    ADD CONSTRAINT erasure_lock_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm_private.external_ids
    ADD CONSTRAINT external_ids_pkey PRIMARY KEY (entity_type, source, id) DEFERRABLE;

ALTER TABLE ONLY crm_private.faulty_rows
    ADD CONSTRAINT faulty_rows_pkey PRIMARY KEY (transaction_id, number);

ALTER TABLE ONLY crm_private.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key_hash);

ALTER TABLE ONLY crm_private.merges
    ADD CONSTRAINT merges_pkey PRIMARY KEY (id);

ALTER TABLE ONLY crm_private.reversals
    ADD CONSTRAINT reversals_pkey PRIMARY KEY (transaction_id, entity_id, entity_type);

ALTER TABLE ONLY crm_private.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (id);

CREATE INDEX audit_logs_attached_to ON ONLY crm.audit_logs USING btree (crm_private.attached_to(action, changes)) WHERE ((entity_type = ANY (ARRAY['task'::text, 'note'::text])) AND (changes ? 'entity_id'::text));

CREATE INDEX audit_logs_deals ON ONLY crm.audit_logs USING btree ("timestamp") WHERE ((entity_type = 'deal'::text) AND ((action <> 'update'::text) OR (changes ?| ARRAY['stage'::text, 'value'::text, 'currency'::text, 'probability'::text, 'close_date'::text, 'owner_id'::text, 'company_id'::text])));

CREATE INDEX audit_logs_deleted ON ONLY crm.audit_logs USING btree ("timestamp") WHERE ((action = 'delete'::text) AND (erased_at IS NULL));

CREATE INDEX audit_logs_entity_id ON ONLY crm.audit_logs USING btree (entity_id);

CREATE INDEX audit_logs_erased ON ONLY crm.audit_logs USING btree ("timestamp") WHERE (erased_at IS NOT NULL);

CREATE INDEX audit_logs_id ON ONLY crm.audit_logs USING btree (id);

CREATE INDEX audit_logs_owners ON ONLY crm.audit_logs USING btree ("timestamp") WHERE ((action = 'update'::text) AND (changes ? 'owner_id'::text));

CREATE INDEX audit_logs_stages ON ONLY crm.audit_logs USING btree ("timestamp") WHERE (entity_type = 'pipeline_stage'::text);

CREATE INDEX audit_logs_transaction_id ON ONLY crm.audit_logs USING brin (transaction_id, id) WITH (pages_per_range='16', autosummarize='on');

CREATE INDEX audit_logs_user_id ON ONLY crm.audit_logs USING btree (user_id);

CREATE INDEX companies_created_at ON crm.companies USING btree (created_at);

CREATE INDEX companies_custom_fields ON crm.companies USING gin (custom_fields jsonb_path_ops);

CREATE INDEX companies_match_keys ON crm.companies USING gin (match_keys);

CREATE INDEX companies_name ON crm.companies USING btree (name);

CREATE INDEX companies_name_words ON crm.companies USING gin (crm_private.name_words(name) extensions.gin_trgm_ops) WITH (gin_pending_list_limit='512');

CREATE INDEX companies_owner_id ON crm.companies USING btree (owner_id);

CREATE INDEX companies_search_document ON crm.companies USING gin (search_document) WITH (gin_pending_list_limit='512');

CREATE INDEX contacts_company_id ON crm.contacts USING btree (company_id);

CREATE INDEX contacts_created_at ON crm.contacts USING btree (created_at);

CREATE INDEX contacts_custom_fields ON crm.contacts USING gin (custom_fields jsonb_path_ops);

CREATE INDEX contacts_emails ON crm.contacts USING gin (emails);

CREATE INDEX contacts_last_name_first_name ON crm.contacts USING btree (last_name, first_name);

CREATE INDEX contacts_match_keys ON crm.contacts USING gin (match_keys);

CREATE INDEX contacts_name_words ON crm.contacts USING gin (crm_private.contact_name_words(first_name, last_name, phones) extensions.gin_trgm_ops) WITH (gin_pending_list_limit='512');

CREATE INDEX contacts_owner_id ON crm.contacts USING btree (owner_id);

CREATE INDEX contacts_search_document ON crm.contacts USING gin (search_document) WITH (gin_pending_list_limit='512');

CREATE INDEX deals_close_date ON crm.deals USING btree (close_date);

CREATE INDEX deals_closed_at ON crm.deals USING btree (closed_at) WHERE (closed_at IS NOT NULL);

CREATE INDEX deals_company_id ON crm.deals USING btree (company_id);

CREATE INDEX deals_contact_id ON crm.deals USING btree (contact_id);

CREATE INDEX deals_created_at ON crm.deals USING btree (created_at);

CREATE INDEX deals_custom_fields ON crm.deals USING gin (custom_fields jsonb_path_ops);

CREATE INDEX deals_name_words ON crm.deals USING gin (crm_private.name_words(title) extensions.gin_trgm_ops) WITH (gin_pending_list_limit='512');

CREATE INDEX deals_owner_id ON crm.deals USING btree (owner_id);

CREATE INDEX deals_search_document ON crm.deals USING gin (search_document) WITH (gin_pending_list_limit='512');

CREATE INDEX deals_stage ON crm.deals USING btree (stage);

CREATE INDEX notes_company_id ON crm.notes USING btree (company_id) WHERE (company_id IS NOT NULL);

CREATE INDEX notes_contact_id ON crm.notes USING btree (contact_id) WHERE (contact_id IS NOT NULL);

CREATE INDEX notes_created_at ON crm.notes USING btree (created_at);

CREATE INDEX notes_deal_id ON crm.notes USING btree (deal_id) WHERE (deal_id IS NOT NULL);

CREATE INDEX notes_entity_id ON crm.notes USING btree (entity_id);

CREATE INDEX notes_search_document ON crm.notes USING gin (search_document) WITH (gin_pending_list_limit='512');

CREATE INDEX tasks_assigned_to ON crm.tasks USING btree (assigned_to);

CREATE INDEX tasks_company_id ON crm.tasks USING btree (company_id) WHERE (company_id IS NOT NULL);

CREATE INDEX tasks_contact_id ON crm.tasks USING btree (contact_id) WHERE (contact_id IS NOT NULL);

CREATE INDEX tasks_deal_id ON crm.tasks USING btree (deal_id) WHERE (deal_id IS NOT NULL);

CREATE INDEX tasks_due_date ON crm.tasks USING btree (due_date);

CREATE INDEX tasks_entity_id ON crm.tasks USING btree (entity_id);

CREATE INDEX tasks_search_document ON crm.tasks USING gin (search_document) WITH (gin_pending_list_limit='512');

CREATE INDEX tasks_status ON crm.tasks USING btree (status);

CREATE INDEX idempotency_keys_expires_at_idx ON crm_private.idempotency_keys USING btree (expires_at);

CREATE INDEX merges_ended ON crm_private.merges USING btree (loser_id) WHERE (ended_at IS NOT NULL);

CREATE UNIQUE INDEX merges_loser_id ON crm_private.merges USING btree (loser_id) WHERE (ended_at IS NULL);

CREATE INDEX merges_winner_id ON crm_private.merges USING btree (winner_id);

CREATE OR REPLACE VIEW reporting.pipeline AS
 SELECT stage.name AS stage,
    stage."position",
    stage.kind,
    deal.currency,
    count(deal.id) AS deals,
    COALESCE(sum(deal.value), (0)::numeric) AS value,
    COALESCE(round(sum(((deal.value * (deal.probability)::numeric) / (100)::numeric)), 2), (0)::numeric) AS weighted_value
   FROM (crm.pipeline_stages stage
     LEFT JOIN crm.deals deal ON ((deal.stage = stage.name)))
  GROUP BY stage.id, deal.currency;

CREATE OR REPLACE VIEW reporting.pipeline_in_base AS
 SELECT stage.name AS stage,
    stage."position",
    stage.kind,
    conversion.converted_currency AS currency,
    (COALESCE(sum(summed.deals), (0)::numeric))::bigint AS deals,
    COALESCE(round(sum((summed.value * conversion.factor)), 2), (0)::numeric) AS value,
    COALESCE(round((sum((summed.percents * conversion.factor)) * 0.01), 2), (0)::numeric) AS weighted_value
   FROM ((crm.pipeline_stages stage
     LEFT JOIN ( SELECT dated_deals.stage,
            dated_deals.currency,
            dated_deals.day,
            count(*) AS deals,
            sum(dated_deals.value) AS value,
            sum((dated_deals.value * (dated_deals.probability)::numeric)) AS percents
           FROM crm_private.dated_deals
          GROUP BY dated_deals.stage, dated_deals.currency, dated_deals.day) summed ON ((summed.stage = stage.name)))
     LEFT JOIN crm_private.conversions conversion ON (((conversion.currency = summed.currency) AND (conversion.day = summed.day))))
  GROUP BY stage.id, conversion.converted_currency;

CREATE OR REPLACE VIEW reporting.stage_conversion AS
 WITH periods AS MATERIALIZED (
         SELECT stage_periods.deal_id,
            stage_periods.stage_id,
            stage_periods.entered_at,
            stage_periods.left_at
           FROM reporting.stage_periods
        ), visits AS (
         SELECT period.deal_id,
            stage_1.id AS stage_id,
            bool_or((period.left_at IS NULL)) AS is_present,
            max(stage_1."position") AS "position",
            max(max(stage_1."position")) FILTER (WHERE (stage_1.kind <> 'lost'::text)) OVER (PARTITION BY period.deal_id) AS furthest
           FROM (periods period
             JOIN crm.pipeline_stages stage_1 ON ((stage_1.id = period.stage_id)))
          GROUP BY period.deal_id, stage_1.id
        ), deals AS (
         SELECT visits.stage_id,
            count(*) AS entered,
            count(*) FILTER (WHERE visits.is_present) AS present,
            count(*) FILTER (WHERE (visits.furthest > visits."position")) AS advanced
           FROM visits
          GROUP BY visits.stage_id
        ), stays AS (
         SELECT periods.stage_id,
            avg((periods.left_at - periods.entered_at)) AS average,
            percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY (periods.left_at - periods.entered_at)) AS median
           FROM periods
          WHERE (periods.left_at IS NOT NULL)
          GROUP BY periods.stage_id
        )
 SELECT stage.name AS stage,
    stage."position",
    stage.kind,
    COALESCE(deals.entered, (0)::bigint) AS entered,
    COALESCE(deals.present, (0)::bigint) AS present,
    COALESCE(deals.advanced, (0)::bigint) AS advanced,
        CASE stage.kind
            WHEN 'open'::text THEN round(((deals.advanced)::numeric / (deals.entered)::numeric), 4)
            ELSE NULL::numeric
        END AS conversion_rate,
    round((EXTRACT(epoch FROM stays.average) / (86400)::numeric), 2) AS average_days,
    round((EXTRACT(epoch FROM stays.median) / (86400)::numeric), 2) AS median_days
   FROM ((crm.pipeline_stages stage
     LEFT JOIN deals ON ((deals.stage_id = stage.id)))
     LEFT JOIN stays ON ((stays.stage_id = stage.id)));

CREATE TRIGGER _100_default_custom_fields BEFORE INSERT ON crm.companies FOR EACH ROW WHEN (((jsonb_typeof(new.custom_fields) = 'object'::text) AND (NOT (new.custom_fields ?& NULL::text[])))) EXECUTE FUNCTION crm_private.default_custom_fields('{}');

CREATE TRIGGER _100_default_custom_fields BEFORE INSERT ON crm.contacts FOR EACH ROW WHEN (((jsonb_typeof(new.custom_fields) = 'object'::text) AND (NOT (new.custom_fields ?& NULL::text[])))) EXECUTE FUNCTION crm_private.default_custom_fields('{}');

CREATE TRIGGER _100_default_custom_fields BEFORE INSERT ON crm.deals FOR EACH ROW WHEN (((jsonb_typeof(new.custom_fields) = 'object'::text) AND (NOT (new.custom_fields ?& NULL::text[])))) EXECUTE FUNCTION crm_private.default_custom_fields('{}');

CREATE TRIGGER _100_mark_given_probability BEFORE UPDATE OF probability ON crm.deals FOR EACH ROW WHEN (((new.probability IS NOT NULL) AND ((new.probability IS DISTINCT FROM old.probability) OR (new.stage IS DISTINCT FROM old.stage)))) EXECUTE FUNCTION crm_private.mark_given_probability();

CREATE TRIGGER _100_normalise_custom_fields BEFORE INSERT OR UPDATE ON crm.companies FOR EACH ROW WHEN (((new.custom_fields ? '$merge'::text) OR jsonb_path_exists(new.custom_fields, 'strict $.*?(@ == null)'::jsonpath, silent => true))) EXECUTE FUNCTION crm_private.normalise_custom_fields();

CREATE TRIGGER _100_normalise_custom_fields BEFORE INSERT OR UPDATE ON crm.contacts FOR EACH ROW WHEN (((new.custom_fields ? '$merge'::text) OR jsonb_path_exists(new.custom_fields, 'strict $.*?(@ == null)'::jsonpath, silent => true))) EXECUTE FUNCTION crm_private.normalise_custom_fields();

CREATE TRIGGER _100_normalise_custom_fields BEFORE INSERT OR UPDATE ON crm.deals FOR EACH ROW WHEN (((new.custom_fields ? '$merge'::text) OR jsonb_path_exists(new.custom_fields, 'strict $.*?(@ == null)'::jsonpath, silent => true))) EXECUTE FUNCTION crm_private.normalise_custom_fields();

CREATE TRIGGER _100_normalise_position BEFORE INSERT ON crm.pipeline_stages FOR EACH ROW WHEN ((new."position" IS NULL)) EXECUTE FUNCTION crm_private.normalise_stage_position();

CREATE TRIGGER _100_normalise_stage BEFORE INSERT OR UPDATE OF stage, probability ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm_private.follow_stage();

CREATE TRIGGER _100_normalise_value BEFORE INSERT OR UPDATE ON crm.deals FOR EACH ROW WHEN (((scale(new.value) <> 2) AND (scale(trim_scale(new.value)) <= 2))) EXECUTE FUNCTION crm_private.normalise_deal_value();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.api_keys FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.companies FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.contacts FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.custom_field_definitions FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.deals FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.exchange_rates FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.notes FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.pipeline_stages FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_insert BEFORE INSERT ON crm.tasks FOR EACH ROW WHEN (((((((new.version IS DISTINCT FROM 1) OR (new.created_at IS DISTINCT FROM now())) OR (new.updated_at IS DISTINCT FROM now())) OR (new.created_by IS DISTINCT FROM crm.current_user_id())) OR (new.updated_by IS DISTINCT FROM new.created_by)) OR (current_setting('crm.bulk_stamps'::text, true) <> ''::text))) EXECUTE FUNCTION crm_private.stamp_insert();

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.api_keys FOR EACH ROW WHEN ((NOT (new.last_used_at IS DISTINCT FROM old.last_used_at))) EXECUTE FUNCTION crm_private.api_keys_stamp('api_key');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.companies FOR EACH ROW EXECUTE FUNCTION crm_private.companies_stamp('company');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.contacts FOR EACH ROW EXECUTE FUNCTION crm_private.contacts_stamp('contact');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.custom_field_definitions FOR EACH ROW EXECUTE FUNCTION crm_private.custom_field_definitions_stamp('custom_field_definition');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm_private.deals_stamp('deal');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.exchange_rates FOR EACH ROW EXECUTE FUNCTION crm_private.exchange_rates_stamp('exchange_rate');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.notes FOR EACH ROW EXECUTE FUNCTION crm_private.notes_stamp('note');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.pipeline_stages FOR EACH ROW EXECUTE FUNCTION crm_private.pipeline_stages_stamp('pipeline_stage');

CREATE TRIGGER _110_stamp_update BEFORE UPDATE ON crm.tasks FOR EACH ROW EXECUTE FUNCTION crm_private.tasks_stamp('task');

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.api_keys FOR EACH ROW EXECUTE FUNCTION crm_private.api_keys_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.companies FOR EACH ROW EXECUTE FUNCTION crm_private.companies_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.contacts FOR EACH ROW EXECUTE FUNCTION crm_private.contacts_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.custom_field_definitions FOR EACH ROW EXECUTE FUNCTION crm_private.custom_field_definitions_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm_private.deals_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.exchange_rates FOR EACH ROW EXECUTE FUNCTION crm_private.exchange_rates_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.notes FOR EACH ROW EXECUTE FUNCTION crm_private.notes_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.pipeline_stages FOR EACH ROW EXECUTE FUNCTION crm_private.pipeline_stages_validate();

CREATE TRIGGER _200_validate BEFORE INSERT OR UPDATE ON crm.tasks FOR EACH ROW EXECUTE FUNCTION crm_private.tasks_validate();

CREATE TRIGGER _210_refuse_base BEFORE INSERT OR UPDATE ON crm.exchange_rates FOR EACH ROW EXECUTE FUNCTION crm_private.refuse_base_rate();

CREATE TRIGGER _210_refuse_moved BEFORE UPDATE ON crm.custom_field_definitions FOR EACH ROW WHEN ((new.entity_type <> old.entity_type)) EXECUTE FUNCTION crm_private.refuse_moved_definition();

CREATE TRIGGER _300_external_ids_delete AFTER DELETE ON crm.companies REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('company');

CREATE TRIGGER _300_external_ids_delete AFTER DELETE ON crm.contacts REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('contact');

CREATE TRIGGER _300_external_ids_delete AFTER DELETE ON crm.deals REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('deal');

CREATE TRIGGER _300_external_ids_delete AFTER DELETE ON crm.notes REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('note');

CREATE TRIGGER _300_external_ids_delete AFTER DELETE ON crm.tasks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('task');

CREATE TRIGGER _300_external_ids_insert AFTER INSERT ON crm.companies REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('company');

CREATE TRIGGER _300_external_ids_insert AFTER INSERT ON crm.contacts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('contact');

CREATE TRIGGER _300_external_ids_insert AFTER INSERT ON crm.deals REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('deal');

CREATE TRIGGER _300_external_ids_insert AFTER INSERT ON crm.notes REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('note');

CREATE TRIGGER _300_external_ids_insert AFTER INSERT ON crm.tasks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('task');

CREATE TRIGGER _300_external_ids_update AFTER UPDATE ON crm.companies REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('company');

CREATE TRIGGER _300_external_ids_update AFTER UPDATE ON crm.contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('contact');

CREATE TRIGGER _300_external_ids_update AFTER UPDATE ON crm.deals REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('deal');

CREATE TRIGGER _300_external_ids_update AFTER UPDATE ON crm.notes REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('note');

CREATE TRIGGER _300_external_ids_update AFTER UPDATE ON crm.tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.keep_external_ids('task');

CREATE TRIGGER _300_merges_insert AFTER INSERT ON crm.companies REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.end_merges();

CREATE TRIGGER _300_merges_insert AFTER INSERT ON crm.contacts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.end_merges();

CREATE TRIGGER _500_definitions_delete AFTER DELETE ON crm.custom_field_definitions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.definitions_changed();

CREATE TRIGGER _500_definitions_insert AFTER INSERT ON crm.custom_field_definitions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.definitions_changed();

CREATE TRIGGER _500_definitions_update AFTER UPDATE ON crm.custom_field_definitions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.definitions_changed();

CREATE TRIGGER _500_lock_deals BEFORE UPDATE OF kind, probability ON crm.pipeline_stages FOR EACH STATEMENT EXECUTE FUNCTION crm_private.lock_deals();

CREATE TRIGGER _500_stages_update AFTER UPDATE ON crm.pipeline_stages REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.stages_changed();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.api_keys REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.api_keys_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.companies REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.companies_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.contacts REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.contacts_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.custom_field_definitions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.custom_field_definitions_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.deals REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.deals_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.exchange_rates REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.exchange_rates_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.notes REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.notes_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.pipeline_stages REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.pipeline_stages_audit_log();

CREATE TRIGGER _900_audit_log_delete AFTER DELETE ON crm.tasks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.tasks_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.api_keys REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.api_keys_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.companies REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.companies_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.contacts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.contacts_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.custom_field_definitions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.custom_field_definitions_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.deals REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.deals_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.exchange_rates REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.exchange_rates_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.notes REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.notes_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.pipeline_stages REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.pipeline_stages_audit_log();

CREATE TRIGGER _900_audit_log_insert AFTER INSERT ON crm.tasks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.tasks_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.api_keys REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.api_keys_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.companies REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.companies_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.contacts_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.custom_field_definitions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.custom_field_definitions_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.deals REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.deals_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.exchange_rates REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.exchange_rates_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.notes REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.notes_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.pipeline_stages REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.pipeline_stages_audit_log();

CREATE TRIGGER _900_audit_log_update AFTER UPDATE ON crm.tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION crm_private.tasks_audit_log();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.api_keys FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.audit_logs FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.companies FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.contacts FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.custom_field_definitions FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.deals FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.exchange_rates FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.notes FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.pipeline_stages FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _900_refuse_truncate BEFORE TRUNCATE ON crm.tasks FOR EACH STATEMENT EXECUTE FUNCTION crm_private.refuse_truncate();

CREATE TRIGGER _100_copy INSTEAD OF INSERT ON crm_private.companies_copy FOR EACH ROW EXECUTE FUNCTION crm_private.companies_copied();

CREATE TRIGGER _100_copy INSTEAD OF INSERT ON crm_private.contacts_copy FOR EACH ROW EXECUTE FUNCTION crm_private.contacts_copied();

CREATE TRIGGER _100_copy INSTEAD OF INSERT ON crm_private.deals_copy FOR EACH ROW EXECUTE FUNCTION crm_private.deals_copied();

CREATE TRIGGER _100_copy INSTEAD OF INSERT ON crm_private.notes_copy FOR EACH ROW EXECUTE FUNCTION crm_private.notes_copied();

CREATE TRIGGER _100_copy INSTEAD OF INSERT ON crm_private.tasks_copy FOR EACH ROW EXECUTE FUNCTION crm_private.tasks_copied();

ALTER TABLE ONLY crm.contacts
    ADD CONSTRAINT contacts_company_id_exists FOREIGN KEY (company_id) REFERENCES crm.companies(id) ON DELETE SET NULL;

ALTER TABLE ONLY crm.deals
    ADD CONSTRAINT deals_company_id_exists FOREIGN KEY (company_id) REFERENCES crm.companies(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm.deals
    ADD CONSTRAINT deals_contact_id_exists FOREIGN KEY (contact_id) REFERENCES crm.contacts(id) ON DELETE SET NULL;

ALTER TABLE ONLY crm.deals
    ADD CONSTRAINT deals_stage_exists FOREIGN KEY (stage) REFERENCES crm.pipeline_stages(name) ON UPDATE CASCADE;

ALTER TABLE ONLY crm.notes
    ADD CONSTRAINT notes_company_id_exists FOREIGN KEY (company_id) REFERENCES crm.companies(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm.notes
    ADD CONSTRAINT notes_contact_id_exists FOREIGN KEY (contact_id) REFERENCES crm.contacts(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm.notes
    ADD CONSTRAINT notes_deal_id_exists FOREIGN KEY (deal_id) REFERENCES crm.deals(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm.tasks
    ADD CONSTRAINT tasks_company_id_exists FOREIGN KEY (company_id) REFERENCES crm.companies(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm.tasks
    ADD CONSTRAINT tasks_contact_id_exists FOREIGN KEY (contact_id) REFERENCES crm.contacts(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm.tasks
    ADD CONSTRAINT tasks_deal_id_exists FOREIGN KEY (deal_id) REFERENCES crm.deals(id) ON DELETE CASCADE;

ALTER TABLE ONLY crm_private.api_key_hashes
    ADD CONSTRAINT api_key_hashes_api_key_id_exists FOREIGN KEY (api_key_id) REFERENCES crm.api_keys(id) ON DELETE CASCADE;

ALTER TABLE crm.api_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY api_keys_select ON crm.api_keys FOR SELECT TO crm_admin USING (true);

ALTER TABLE crm.audit_logs ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_logs_select ON crm.audit_logs FOR SELECT TO crm_reader USING (((user_id = ( SELECT crm.current_user_id() AS current_user_id)) OR crm_private.is_readable(entity_type, entity_id)));

CREATE POLICY audit_logs_select_all ON crm.audit_logs FOR SELECT TO crm_admin USING (true);

ALTER TABLE crm.companies ENABLE ROW LEVEL SECURITY;

CREATE POLICY companies_delete ON crm.companies FOR DELETE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY companies_insert ON crm.companies FOR INSERT TO crm_member WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY companies_select ON crm.companies FOR SELECT TO crm_reader USING (true);

CREATE POLICY companies_update ON crm.companies FOR UPDATE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.contacts ENABLE ROW LEVEL SECURITY;

CREATE POLICY contacts_delete ON crm.contacts FOR DELETE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY contacts_insert ON crm.contacts FOR INSERT TO crm_member WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY contacts_select ON crm.contacts FOR SELECT TO crm_reader USING (true);

CREATE POLICY contacts_update ON crm.contacts FOR UPDATE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.custom_field_definitions ENABLE ROW LEVEL SECURITY;

CREATE POLICY custom_field_definitions_delete ON crm.custom_field_definitions FOR DELETE TO crm_admin USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY custom_field_definitions_insert ON crm.custom_field_definitions FOR INSERT TO crm_admin WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY custom_field_definitions_select ON crm.custom_field_definitions FOR SELECT TO crm_reader USING (true);

CREATE POLICY custom_field_definitions_update ON crm.custom_field_definitions FOR UPDATE TO crm_admin USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.deals ENABLE ROW LEVEL SECURITY;

CREATE POLICY deals_delete ON crm.deals FOR DELETE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY deals_insert ON crm.deals FOR INSERT TO crm_member WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY deals_select ON crm.deals FOR SELECT TO crm_reader USING (true);

CREATE POLICY deals_update ON crm.deals FOR UPDATE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.exchange_rates ENABLE ROW LEVEL SECURITY;

CREATE POLICY exchange_rates_delete ON crm.exchange_rates FOR DELETE TO crm_admin USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY exchange_rates_insert ON crm.exchange_rates FOR INSERT TO crm_admin WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY exchange_rates_select ON crm.exchange_rates FOR SELECT TO crm_reader USING (true);

CREATE POLICY exchange_rates_update ON crm.exchange_rates FOR UPDATE TO crm_admin USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.notes ENABLE ROW LEVEL SECURITY;

CREATE POLICY notes_delete ON crm.notes FOR DELETE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY notes_insert ON crm.notes FOR INSERT TO crm_member WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY notes_select ON crm.notes FOR SELECT TO crm_reader USING (true);

CREATE POLICY notes_update ON crm.notes FOR UPDATE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.pipeline_stages ENABLE ROW LEVEL SECURITY;

CREATE POLICY pipeline_stages_delete ON crm.pipeline_stages FOR DELETE TO crm_admin USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY pipeline_stages_insert ON crm.pipeline_stages FOR INSERT TO crm_admin WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY pipeline_stages_select ON crm.pipeline_stages FOR SELECT TO crm_reader USING (true);

CREATE POLICY pipeline_stages_update ON crm.pipeline_stages FOR UPDATE TO crm_admin USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm.tasks ENABLE ROW LEVEL SECURITY;

CREATE POLICY tasks_delete ON crm.tasks FOR DELETE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY tasks_insert ON crm.tasks FOR INSERT TO crm_member WITH CHECK (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

CREATE POLICY tasks_select ON crm.tasks FOR SELECT TO crm_reader USING (true);

CREATE POLICY tasks_update ON crm.tasks FOR UPDATE TO crm_member USING (( SELECT crm_private.caller_is_authenticated() AS caller_is_authenticated));

ALTER TABLE crm_private.api_key_hashes ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.audit_log_blocks ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.audit_log_progress ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.dropped_indexes ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.entity_types ENABLE ROW LEVEL SECURITY;

CREATE POLICY entity_types_select ON crm_private.entity_types FOR SELECT TO crm_reader USING (true);

ALTER TABLE crm_private.erasure_lock ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.external_ids ENABLE ROW LEVEL SECURITY;

CREATE POLICY external_ids_select ON crm_private.external_ids FOR SELECT TO crm_reader USING (crm_private.is_readable(entity_type, entity_id));

ALTER TABLE crm_private.faulty_rows ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.merges ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.reversals ENABLE ROW LEVEL SECURITY;

ALTER TABLE crm_private.settings ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA crm TO crm_reader;

GRANT USAGE ON SCHEMA crm_custom TO crm_reader;

GRANT USAGE ON SCHEMA crm_private TO crm_server;
GRANT USAGE ON SCHEMA crm_private TO crm_member;
GRANT USAGE ON SCHEMA crm_private TO crm_reader;

GRANT USAGE ON SCHEMA extensions TO crm_reader;

GRANT USAGE ON SCHEMA reporting TO crm_reporter;

GRANT SELECT ON TABLE crm.api_keys TO crm_admin;

GRANT SELECT ON TABLE crm.audit_logs TO crm_reader;

GRANT SELECT ON TABLE crm.companies TO crm_reader;
GRANT DELETE ON TABLE crm.companies TO crm_member;

GRANT INSERT(name),UPDATE(name) ON TABLE crm.companies TO crm_member;

GRANT INSERT(address),UPDATE(address) ON TABLE crm.companies TO crm_member;

GRANT INSERT(owner_id),UPDATE(owner_id) ON TABLE crm.companies TO crm_member;

GRANT INSERT(custom_fields),UPDATE(custom_fields) ON TABLE crm.companies TO crm_member;

GRANT UPDATE(version) ON TABLE crm.companies TO crm_member;

GRANT INSERT(external_ids),UPDATE(external_ids) ON TABLE crm.companies TO crm_member;

GRANT SELECT ON TABLE crm.contacts TO crm_reader;
GRANT DELETE ON TABLE crm.contacts TO crm_member;

GRANT INSERT(first_name),UPDATE(first_name) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(last_name),UPDATE(last_name) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(emails),UPDATE(emails) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(phones),UPDATE(phones) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(company_id),UPDATE(company_id) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(owner_id),UPDATE(owner_id) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(custom_fields),UPDATE(custom_fields) ON TABLE crm.contacts TO crm_member;

GRANT UPDATE(version) ON TABLE crm.contacts TO crm_member;

GRANT INSERT(external_ids),UPDATE(external_ids) ON TABLE crm.contacts TO crm_member;

GRANT SELECT ON TABLE crm.deals TO crm_reader;
GRANT DELETE ON TABLE crm.deals TO crm_member;

GRANT INSERT(title),UPDATE(title) ON TABLE crm.deals TO crm_member;

GRANT INSERT(company_id),UPDATE(company_id) ON TABLE crm.deals TO crm_member;

GRANT INSERT(contact_id),UPDATE(contact_id) ON TABLE crm.deals TO crm_member;

GRANT INSERT(value),UPDATE(value) ON TABLE crm.deals TO crm_member;

GRANT INSERT(currency),UPDATE(currency) ON TABLE crm.deals TO crm_member;

GRANT INSERT(stage),UPDATE(stage) ON TABLE crm.deals TO crm_member;

GRANT INSERT(probability),UPDATE(probability) ON TABLE crm.deals TO crm_member;

GRANT INSERT(close_date),UPDATE(close_date) ON TABLE crm.deals TO crm_member;

GRANT INSERT(lost_reason),UPDATE(lost_reason) ON TABLE crm.deals TO crm_member;

GRANT INSERT(owner_id),UPDATE(owner_id) ON TABLE crm.deals TO crm_member;

GRANT INSERT(custom_fields),UPDATE(custom_fields) ON TABLE crm.deals TO crm_member;

GRANT UPDATE(version) ON TABLE crm.deals TO crm_member;

GRANT INSERT(external_ids),UPDATE(external_ids) ON TABLE crm.deals TO crm_member;

GRANT SELECT ON TABLE crm.custom_field_definitions TO crm_reader;
GRANT DELETE ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(name),UPDATE(name) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(label),UPDATE(label) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(entity_type) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(field_type),UPDATE(field_type) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(enum_values),UPDATE(enum_values) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(required),UPDATE(required) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT UPDATE(version) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(description),UPDATE(description) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(minimum),UPDATE(minimum) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(maximum),UPDATE(maximum) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(max_length),UPDATE(max_length) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(pattern),UPDATE(pattern) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(default_value),UPDATE(default_value) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT INSERT(is_unique),UPDATE(is_unique) ON TABLE crm.custom_field_definitions TO crm_admin;

GRANT SELECT ON TABLE crm.exchange_rates TO crm_reader;
GRANT DELETE ON TABLE crm.exchange_rates TO crm_admin;

GRANT INSERT(currency),UPDATE(currency) ON TABLE crm.exchange_rates TO crm_admin;

GRANT INSERT(valid_from),UPDATE(valid_from) ON TABLE crm.exchange_rates TO crm_admin;

GRANT INSERT(rate),UPDATE(rate) ON TABLE crm.exchange_rates TO crm_admin;

GRANT UPDATE(version) ON TABLE crm.exchange_rates TO crm_admin;

GRANT SELECT ON TABLE crm.notes TO crm_reader;
GRANT DELETE ON TABLE crm.notes TO crm_member;

GRANT INSERT(content),UPDATE(content) ON TABLE crm.notes TO crm_member;

GRANT INSERT(entity_type),UPDATE(entity_type) ON TABLE crm.notes TO crm_member;

GRANT INSERT(entity_id),UPDATE(entity_id) ON TABLE crm.notes TO crm_member;

GRANT UPDATE(version) ON TABLE crm.notes TO crm_member;

GRANT INSERT(external_ids),UPDATE(external_ids) ON TABLE crm.notes TO crm_member;

GRANT SELECT ON TABLE crm.pipeline_stages TO crm_reader;
GRANT DELETE ON TABLE crm.pipeline_stages TO crm_admin;

GRANT INSERT(name),UPDATE(name) ON TABLE crm.pipeline_stages TO crm_admin;

GRANT INSERT("position"),UPDATE("position") ON TABLE crm.pipeline_stages TO crm_admin;

GRANT INSERT(probability),UPDATE(probability) ON TABLE crm.pipeline_stages TO crm_admin;

GRANT INSERT(kind),UPDATE(kind) ON TABLE crm.pipeline_stages TO crm_admin;

GRANT UPDATE(version) ON TABLE crm.pipeline_stages TO crm_admin;

GRANT SELECT ON TABLE crm.tasks TO crm_reader;
GRANT DELETE ON TABLE crm.tasks TO crm_member;

GRANT INSERT(description),UPDATE(description) ON TABLE crm.tasks TO crm_member;

GRANT INSERT(due_date),UPDATE(due_date) ON TABLE crm.tasks TO crm_member;

GRANT INSERT(assigned_to),UPDATE(assigned_to) ON TABLE crm.tasks TO crm_member;

GRANT INSERT(status),UPDATE(status) ON TABLE crm.tasks TO crm_member;

GRANT INSERT(entity_type),UPDATE(entity_type) ON TABLE crm.tasks TO crm_member;

GRANT INSERT(entity_id),UPDATE(entity_id) ON TABLE crm.tasks TO crm_member;

GRANT UPDATE(version) ON TABLE crm.tasks TO crm_member;

GRANT INSERT(external_ids),UPDATE(external_ids) ON TABLE crm.tasks TO crm_member;

GRANT SELECT ON TABLE crm_private.external_ids TO crm_reader;

GRANT SELECT ON TABLE crm_private.stage_names TO crm_reader;

GRANT SELECT ON TABLE crm.stage_history TO crm_reader;

GRANT SELECT ON TABLE crm.trash TO crm_member;

GRANT INSERT ON TABLE crm_private.companies_copy TO crm_admin;

GRANT INSERT(name) ON TABLE crm_private.companies_copy TO crm_member;

GRANT INSERT(address) ON TABLE crm_private.companies_copy TO crm_member;

GRANT INSERT(owner_id) ON TABLE crm_private.companies_copy TO crm_member;

GRANT INSERT(custom_fields) ON TABLE crm_private.companies_copy TO crm_member;

GRANT INSERT(external_ids) ON TABLE crm_private.companies_copy TO crm_member;

GRANT INSERT ON TABLE crm_private.contacts_copy TO crm_admin;

GRANT INSERT(first_name) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(last_name) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(emails) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(phones) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(company_id) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(owner_id) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(custom_fields) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT(external_ids) ON TABLE crm_private.contacts_copy TO crm_member;

GRANT INSERT ON TABLE crm_private.deals_copy TO crm_admin;

GRANT INSERT(title) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(company_id) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(contact_id) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(value) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(currency) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(stage) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(probability) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(close_date) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(lost_reason) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(owner_id) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(custom_fields) ON TABLE crm_private.deals_copy TO crm_member;

GRANT INSERT(external_ids) ON TABLE crm_private.deals_copy TO crm_member;

GRANT SELECT ON TABLE crm_private.entity_types TO crm_reader;

GRANT SELECT ON TABLE crm_private.entity_links TO crm_member;

GRANT INSERT ON TABLE crm_private.notes_copy TO crm_admin;

GRANT INSERT(content) ON TABLE crm_private.notes_copy TO crm_member;

GRANT INSERT(entity_type) ON TABLE crm_private.notes_copy TO crm_member;

GRANT INSERT(entity_id) ON TABLE crm_private.notes_copy TO crm_member;

GRANT INSERT(external_ids) ON TABLE crm_private.notes_copy TO crm_member;

GRANT INSERT ON TABLE crm_private.tasks_copy TO crm_admin;

GRANT INSERT(description) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT INSERT(due_date) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT INSERT(assigned_to) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT INSERT(status) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT INSERT(entity_type) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT INSERT(entity_id) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT INSERT(external_ids) ON TABLE crm_private.tasks_copy TO crm_member;

GRANT SELECT ON TABLE reporting.activity TO crm_reporter;

GRANT SELECT ON TABLE reporting.close_date_changes TO crm_reporter;

GRANT SELECT ON TABLE reporting.closed_deals TO crm_reporter;

GRANT SELECT ON TABLE reporting.companies TO crm_reporter;

GRANT SELECT ON TABLE reporting.contacts TO crm_reporter;

GRANT SELECT ON TABLE reporting.customers TO crm_reporter;

GRANT SELECT ON TABLE reporting.data_quality TO crm_reporter;

GRANT SELECT ON TABLE reporting.deals TO crm_reporter;

GRANT SELECT ON TABLE reporting.exchange_rates TO crm_reporter;

GRANT SELECT ON TABLE reporting.forecast TO crm_reporter;

GRANT SELECT ON TABLE reporting.forecast_accuracy TO crm_reporter;

GRANT SELECT ON TABLE reporting.forecast_accuracy_in_base TO crm_reporter;

GRANT SELECT ON TABLE reporting.forecast_in_base TO crm_reporter;

GRANT SELECT ON TABLE reporting.lost_reasons TO crm_reporter;

GRANT SELECT ON TABLE reporting.new_contacts TO crm_reporter;

GRANT SELECT ON TABLE reporting.new_deals TO crm_reporter;

GRANT SELECT ON TABLE reporting.notes TO crm_reporter;

GRANT SELECT ON TABLE reporting.stage_periods TO crm_reporter;

GRANT SELECT ON TABLE reporting.open_deals TO crm_reporter;

GRANT SELECT ON TABLE reporting.open_tasks TO crm_reporter;

GRANT SELECT ON TABLE reporting.owner_changes TO crm_reporter;

GRANT SELECT ON TABLE reporting.pipeline TO crm_reporter;

GRANT SELECT ON TABLE reporting.pipeline_by_day TO crm_reporter;

GRANT SELECT ON TABLE reporting.pipeline_by_day_in_base TO crm_reporter;

GRANT SELECT ON TABLE reporting.pipeline_in_base TO crm_reporter;

GRANT SELECT ON TABLE reporting.stage_conversion TO crm_reporter;

GRANT SELECT ON TABLE reporting.stage_moves TO crm_reporter;

GRANT SELECT ON TABLE reporting.tasks TO crm_reporter;

GRANT SELECT ON TABLE reporting.value_changes TO crm_reporter;

GRANT SELECT ON TABLE reporting.win_rates TO crm_reporter;

GRANT SELECT ON TABLE reporting.win_rates_in_base TO crm_reporter;

ALTER DEFAULT PRIVILEGES FOR ROLE postgres REVOKE ALL ON FUNCTIONS  FROM PUBLIC;
