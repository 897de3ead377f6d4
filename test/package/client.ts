// What an application does with the package; compiled against its types.
import {
  createPool,
  createRepositories,
  createServices,
  customFieldsSchema,
  type Contact,
  type Filter,
  ValidationError,
} from "pgcrm/client";

const pool = createPool({ connectionString: process.env.SERVER_DATABASE_URL ?? "" });
const { companies, contacts } = createServices(pool);

const acme = await companies.createCompany({ name: "Acme" }, "ada");
const ada: Contact = await contacts.createContact(
  { firstName: "Ada", lastName: "Byron", emails: ["ada@acme.example"], companyId: acme.id },
  "ada",
);
try {
  await contacts.createContact({ firstName: " ", lastName: "Byron", emails: ["x"] }, "ada");
} catch (error) {
  if (!(error instanceof ValidationError)) throw error;
  console.log(JSON.stringify({ company: acme.name, contact: ada.lastName, fields: error.fields }));
}
const filter: Filter<"contact"> = { company: { name: { startsWith: "Ac" } } };
const page = await createRepositories(pool).contacts.findPage(filter, {
  orderBy: { lastName: "asc" },
  with: { company: true, deals: { first: 1 } },
});
for (const { company, deals } of page.rows) {
  const name: string | undefined = company?.name;
  const value: string | undefined = deals[0]?.value;
  if (name !== acme.name || value !== undefined) throw new Error("not the company");
}
// @ts-expect-error: no such field
const unknown: Filter<"contact"> = { nickname: { equalTo: "x" } };
if (Object.keys(unknown).length !== 1) throw new Error("not the filter");
customFieldsSchema([{ name: "size", fieldType: "number", enumValues: null, required: false }]);
await pool.end();
