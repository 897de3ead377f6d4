import { industries, interests, leadSources } from "./words.ts";

/** The custom fields of the demonstration data: one of each type, at least. */
export const definitions = [
  {
    entity_type: "company",
    name: "industry",
    label: "Industry",
    field_type: "enum",
    enum_values: industries,
  },
  {
    entity_type: "company",
    name: "employees",
    label: "Employees",
    field_type: "number",
    minimum: "1",
  },
  {
    entity_type: "company",
    name: "website",
    label: "Website",
    field_type: "text",
    max_length: 200,
  },
  { entity_type: "company", name: "customer_since", label: "Customer since", field_type: "date" },
  {
    entity_type: "contact",
    name: "job_title",
    label: "Job title",
    field_type: "text",
    max_length: 100,
  },
  { entity_type: "contact", name: "newsletter", label: "Newsletter", field_type: "boolean" },
  {
    entity_type: "contact",
    name: "interests",
    label: "Interests",
    field_type: "multi_enum",
    enum_values: interests,
  },
  {
    entity_type: "deal",
    name: "lead_source",
    label: "Lead source",
    field_type: "enum",
    enum_values: leadSources,
  },
] as const;
