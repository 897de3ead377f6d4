// What an application does with the package; compiled against its types.
import {
  createPool,
  createServices,
  customFieldsSchema,
  type Contact,
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
customFieldsSchema([{ name: "size", fieldType: "number", enumValues: null, required: false }]);
await pool.end();
