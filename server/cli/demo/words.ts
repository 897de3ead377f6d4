/** Where a company is, and what companies and people are called there. */
export interface Region {
  readonly country: string;
  readonly currency: string;
  readonly cities: readonly string[];
  readonly streets: readonly string[];
  readonly firstNames: readonly string[];
  readonly lastNames: readonly string[];
  /** The activity of a company, in its name. Each belongs to an industry. */
  readonly activities: Readonly<Record<Industry, readonly string[]>>;
  readonly legalForms: readonly string[];
  /** Phone numbers that are not assigned: a prefix, and the number of digits after it. */
  readonly phones: readonly (readonly [prefix: string, digits: number])[];
}

export type Industry = "Energy" | "Food" | "Logistics" | "Software";

export const industries: readonly Industry[] = ["Energy", "Food", "Logistics", "Software"];

const english = {
  Energy: ["Energy", "Power", "Solar", "Grid Services"],
  Food: ["Bakeries", "Foods", "Coffee Roasters", "Dairy"],
  Logistics: ["Logistics", "Freight", "Warehousing", "Couriers"],
  Software: ["Software", "Systems", "Analytics", "Digital"],
} as const;

export const regions: readonly Region[] = [
  {
    country: "GB",
    currency: "GBP",
    cities: ["Leeds", "Bristol", "Glasgow", "Cardiff", "Belfast", "Sheffield", "Norwich"],
    streets: ["High Street", "Station Road", "Mill Lane", "Quay Street", "Park Row"],
    firstNames: [
      ...["Maya", "Tom", "Grace", "Oliver", "Amelia", "Harry", "Isla", "George", "Freya", "Jack"],
      ...["Ruby", "Arthur", "Zara", "Callum", "Eilidh", "Owen", "Niamh", "Leo", "Imogen", "Rhys"],
      ...["Hamish", "Phoebe", "Declan", "Bronwen", "Winston", "Priti"],
      ...["Barnaby", "Saoirse", "Edmund", "Tamsin", "Kwame", "Lorna"],
    ],
    lastNames: [
      ...["Okafor", "Hargreaves", "Finch", "Alder", "Whitfield", "Ashworth", "Pemberton", "Rowe"],
      ...["Sinclair", "Llewellyn", "Bancroft", "Thackeray", "Mahmood", "Kingsley", "Dunmore"],
      ...["Fairfax", "Hollis", "Marlowe", "Quinn", "Underhill", "Vickers", "Yardley", "Calder"],
      ...["Thornbury", "Okonkwo", "Bellamy", "Crowther", "Eastwood", "Gilchrist", "Ingram"],
      ...["Jessop", "Larkin", "Nuttall", "Oakden", "Radcliffe", "Stirling", "Treharne"],
    ],
    activities: english,
    legalForms: ["Ltd", "plc"],
    phones: [
      ["+44 113 496 0", 3],
      ["+44 117 496 0", 3],
      ["+44 141 496 0", 3],
      ["+44 20 7946 0", 3],
      ["+44 7700 900", 3],
    ],
  },
  {
    country: "US",
    currency: "USD",
    cities: ["Denver", "Portland", "Austin", "Chicago", "Boston", "Tucson", "Savannah"],
    streets: ["Main Street", "Cedar Avenue", "Lakeview Drive", "Mission Boulevard", "2nd Street"],
    firstNames: [
      ...["Luis", "Priya", "Emma", "Noah", "Ava", "Ethan", "Sofia", "Mason", "Harper", "Diego"],
      ...["Abigail", "Jamal", "Chloe", "Wyatt", "Naomi", "Kevin", "Lily", "Tyrone", "Grace", "Sam"],
      ...["Marcus", "Savannah", "Dwight", "Guadalupe", "Hank", "Imani"],
      ...["Joelle", "Keanu", "Latoya", "Miles", "Ramona", "Trent"],
    ],
    lastNames: [
      ...["Ortega", "Nair", "Caldwell", "Brooks", "Delgado", "Harrington", "Kowalski", "Lindgren"],
      ...["McAllister", "Nakamura", "Prescott", "Ramirez", "Sullivan", "Tran", "Vance", "Whitaker"],
      ...["Abernathy", "Boone", "Castellano", "Drummond", "Estrada", "Goldberg", "Hutchins"],
      ...["Pettigrew", "Quintana", "Rutherford", "Stanton", "Valdez", "Weatherby", "Yates"],
      ...["Zapata", "Ackerman", "Bridger", "Cordova", "Fitzgerald", "Gallagher", "Ivanov"],
    ],
    activities: english,
    legalForms: ["Inc.", "LLC"],
    phones: [
      ["+1 303 555 01", 2],
      ["+1 503 555 01", 2],
      ["+1 512 555 01", 2],
      ["+1 312 555 01", 2],
      ["+1 617 555 01", 2],
      ["+1 520 555 01", 2],
      ["+1 912 555 01", 2],
      ["+1 206 555 01", 2],
    ],
  },
  {
    country: "DE",
    currency: "EUR",
    cities: ["Husum", "Köln", "Leipzig", "München", "Hamburg", "Würzburg", "Göttingen"],
    streets: ["Hauptstraße", "Hafenstraße", "Lindenweg", "Am Markt", "Schloßallee"],
    firstNames: [
      ...["Jörg", "Anke", "Matthias", "Sabine", "Felix", "Greta", "Uwe", "Karin", "Lukas"],
      ...["Mia", "Jürgen", "Birgit", "Emil", "Frieda", "Günther", "Heike", "Ole", "Svenja", "Timo"],
      ...["Annika", "Burkhard", "Dörte", "Eike", "Falk", "Gesine"],
      ...["Henning", "Ilka", "Jannis", "Katja", "Leonhard", "Mareike"],
    ],
    lastNames: [
      ...["Petersen", "Müller", "Schäfer", "Köhler", "Baumgartner", "Reinhardt", "Winkelmann"],
      ...["Vogel", "Lorenz", "Kaiser", "Böhm", "Hartwig", "Jansen", "Krüger", "Lindemann"],
      ...["Oswald", "Pohl", "Rösler", "Steinbach", "Trautmann", "Ulrich", "Zimmermann"],
      ...["Achterberg", "Brandt", "Claußen", "Dietrich", "Engelhardt", "Fröhlich", "Giese"],
      ...["Holtz", "Ihde", "Kessler", "Nowak", "Quandt", "Seidel", "Wendt"],
    ],
    activities: {
      Energy: ["Energie", "Windkraft", "Solartechnik", "Stadtwerke"],
      Food: ["Bäckerei", "Molkerei", "Feinkost", "Brauerei"],
      Logistics: ["Spedition", "Logistik", "Lagerhaus", "Kurierdienst"],
      Software: ["Software", "Systeme", "Datentechnik", "Digital"],
    },
    legalForms: ["GmbH", "AG", "KG"],
    phones: [
      ["+49 30 23125 ", 3],
      ["+49 69 90009 ", 3],
      ["+49 40 66969 ", 3],
      ["+49 221 4710 ", 3],
      ["+49 89 99998 ", 3],
    ],
  },
  {
    country: "NL",
    currency: "EUR",
    cities: ["Rotterdam", "Utrecht", "Groningen", "Eindhoven", "Haarlem", "Breda"],
    streets: ["Dorpsstraat", "Kerkstraat", "Havenweg", "Molenweg", "Stationsplein"],
    firstNames: [
      ...["Sanne", "Daan", "Femke", "Bram", "Lotte", "Sem", "Anouk", "Thijs", "Maud", "Ruben"],
      ...["Fleur", "Jasper", "Noor", "Gijs", "Eva", "Koen", "Iris", "Wouter", "Roos", "Pieter"],
      ...["Annelies", "Bas", "Carlijn", "Dirk", "Esmée", "Floris"],
      ...["Hanneke", "Jelle", "Kim", "Loes", "Marnix", "Tess"],
    ],
    lastNames: [
      ...["de Wit", "van den Berg", "Bakker", "Visser", "Mulder", "van Dijk", "Smit", "de Graaf"],
      ...["Vermeulen", "van der Meer", "Postma", "Hoekstra", "Kuipers", "Dekker", "Brouwer"],
      ...["van Leeuwen", "Schouten", "Willems", "Zijlstra", "Terpstra", "Molenaar", "Prins"],
      ...["Aalbers", "Buitenhuis", "Claassen", "Driessen", "Elzinga", "Faber", "Goossens"],
      ...["Huizinga", "Jonker", "Koster", "Lammers", "Nijland", "Oosterhuis", "Wiersma"],
    ],
    activities: {
      Energy: ["Energie", "Windenergie", "Zonnestroom", "Netbeheer"],
      Food: ["Bakkerijen", "Zuivel", "Koffiebranders", "Versgroep"],
      Logistics: ["Logistics", "Transport", "Opslag", "Koeriers"],
      Software: ["Software", "Systemen", "Data", "Digitaal"],
    },
    legalForms: ["B.V.", "N.V."],
    phones: [["+31 85 555 ", 4]],
  },
  {
    country: "FR",
    currency: "EUR",
    cities: ["Lyon", "Nantes", "Besançon", "Toulouse", "Lille", "Orléans", "Nîmes"],
    streets: ["rue de la République", "place du Marché", "quai des Brumes", "avenue Foch"],
    firstNames: [
      ...["Chloé", "Étienne", "Camille", "Hugo", "Zoé", "Théo", "Inès", "Mathis", "Léa", "Rémi"],
      ...["Margaux", "Baptiste", "Noémie", "Clément", "Élodie", "Yanis", "Agathe", "Loïc"],
      ...["Amélie", "Benoît", "Corentin", "Delphine", "Émile", "Fanny"],
      ...["Gaëlle", "Hélène", "Joachim", "Lucie", "Maxence", "Océane"],
    ],
    lastNames: [
      ...["Lefèvre", "Moreau", "Garnier", "Chevalier", "Bertrand", "Fontaine", "Rousseau"],
      ...["Mercier", "Beaulieu", "Caron", "Delacroix", "Gauthier", "Hébert", "Lacroix"],
      ...["Marchand", "Noël", "Perrin", "Renaud", "Séguin", "Tessier", "Vasseur", "Benali"],
      ...["Arnaud", "Boucher", "Clavel", "Dumont", "Étienvre", "Faure", "Guérin"],
      ...["Huguenin", "Joubert", "Legrand", "Meunier", "Pichon", "Roux", "Villeneuve"],
    ],
    activities: {
      Energy: ["Énergies", "Éolien", "Solaire", "Réseaux"],
      Food: ["Boulangeries", "Fromageries", "Torréfaction", "Épicerie"],
      Logistics: ["Logistique", "Transports", "Entrepôts", "Messagerie"],
      Software: ["Logiciels", "Systèmes", "Données", "Numérique"],
    },
    legalForms: ["SA", "SARL", "SAS"],
    phones: [
      ["+33 1 99 00 ", 4],
      ["+33 4 65 71 ", 4],
    ],
  },
  {
    country: "NO",
    currency: "NOK",
    cities: ["Bergen", "Oslo", "Tromsø", "Ålesund", "Trondheim", "Bodø"],
    streets: ["Storgata", "Kirkegata", "Havnegata", "Strandveien", "Bryggen"],
    firstNames: [
      ...["Ingrid", "Lars", "Solveig", "Håkon", "Astrid", "Bjørn", "Sigrid", "Øyvind", "Kari"],
      ...["Magnus", "Tuva", "Eirik", "Ragnhild", "Torstein", "Åse", "Gunnar", "Liv", "Sverre"],
      ...["Anders", "Berit", "Dag", "Elin", "Frode", "Guro"],
      ...["Henrik", "Inger", "Jostein", "Kjersti", "Mona", "Trygve"],
    ],
    lastNames: [
      ...["Halvorsen", "Bakke", "Dahl", "Eikeland", "Fossum", "Grønli", "Haugen", "Iversen"],
      ...["Jørgensen", "Knutsen", "Lie", "Myhre", "Nygård", "Opsahl", "Ruud", "Solberg"],
      ...["Tveit", "Ulvestad", "Vik", "Ødegård", "Aasen", "Brekke", "Christensen"],
      ...["Aune", "Berntsen", "Dyrdal", "Engen", "Flaten", "Gulbrandsen", "Hegge"],
      ...["Isaksen", "Kvam", "Lunde", "Moen", "Næss", "Ravn", "Sæther"],
    ],
    activities: {
      Energy: ["Energi", "Vannkraft", "Havvind", "Nett"],
      Food: ["Sjømat", "Bakeri", "Meieri", "Kaffebrenneri"],
      Logistics: ["Frakt", "Rederi", "Lager", "Transport"],
      Software: ["Programvare", "Systemer", "Data", "Digital"],
    },
    legalForms: ["AS", "ASA"],
    phones: [["+47 55 55 ", 4]],
  },
  {
    country: "BR",
    currency: "BRL",
    cities: ["Curitiba", "São Paulo", "Florianópolis", "Recife", "Goiânia", "Belém"],
    streets: ["Rua das Flores", "Avenida Brasil", "Rua do Comércio", "Travessa São João"],
    firstNames: [
      ...["Helena", "João", "Beatriz", "Thiago", "Mariana", "Caio", "Luíza", "Rafael", "Antônia"],
      ...["Vinícius", "Camila", "Otávio", "Débora", "Mateus", "Lívia", "Sérgio", "Yasmin", "Davi"],
      ...["Adriana", "Bruno", "Cecília", "Diego", "Eduarda", "Fábio"],
      ...["Gabriela", "Heitor", "Isadora", "José", "Larissa", "Murilo"],
    ],
    lastNames: [
      ...["Souza", "Araújo", "Cavalcanti", "Figueiredo", "Magalhães", "Nogueira", "Pacheco"],
      ...["Queiroz", "Ribeiro", "Siqueira", "Teixeira", "Vasconcelos", "Almeida", "Barbosa"],
      ...["Conceição", "Drummond", "Fagundes", "Guimarães", "Lacerda", "Moura", "Peixoto"],
      ...["Amaral", "Bittencourt", "Camargo", "Dantas", "Evangelista", "Fonseca", "Godoy"],
      ...["Itaparica", "Junqueira", "Leitão", "Meireles", "Novaes", "Prado", "Xavier"],
    ],
    activities: {
      Energy: ["Energia", "Eólica", "Solar", "Distribuidora"],
      Food: ["Café", "Alimentos", "Laticínios", "Panificadora"],
      Logistics: ["Logística", "Transportes", "Armazéns", "Encomendas"],
      Software: ["Software", "Sistemas", "Dados", "Digital"],
    },
    legalForms: ["Ltda.", "S.A."],
    phones: [["+55 41 5555 ", 4]],
  },
  {
    country: "JP",
    currency: "JPY",
    cities: ["Ōsaka", "Sapporo", "Fukuoka", "Nagoya", "Sendai", "Kōbe"],
    streets: ["Chūō", "Honmachi", "Ekimae", "Minato", "Sakuragaoka"],
    firstNames: [
      ...["Yuki", "Haruto", "Aoi", "Kenji", "Sakura", "Ren", "Hina", "Takumi", "Emi", "Sōta"],
      ...["Mei", "Daiki", "Nanami", "Kaito", "Rin", "Shōhei", "Ayaka", "Yūto", "Misaki", "Jun"],
      ...["Akira", "Chihiro", "Daisuke", "Fumiko", "Gorō", "Haruka"],
      ...["Itsuki", "Kaori", "Makoto", "Naoko", "Ryō", "Tomoko"],
    ],
    lastNames: [
      ...["Satō", "Suzuki", "Takahashi", "Watanabe", "Kobayashi", "Yamamoto", "Inoue", "Kimura"],
      ...["Shimizu", "Hayashi", "Saitō", "Matsuda", "Ogawa", "Fujii", "Nishimura", "Ōta"],
      ...["Miura", "Kaneko", "Endō", "Aoki", "Murakami", "Hasegawa", "Kondō", "Sakamoto"],
      ...["Arai", "Chiba", "Doi", "Fukuda", "Hamada", "Ishikawa", "Kudō"],
      ...["Maeda", "Nakagawa", "Okada", "Sugiyama", "Taniguchi", "Uchida", "Yokoyama"],
    ],
    activities: {
      Energy: ["Denryoku", "Energy", "Solar", "Power Works"],
      Food: ["Shokuhin", "Foods", "Seika", "Coffee"],
      Logistics: ["Unyu", "Logistics", "Sōko", "Express"],
      Software: ["Systems", "Software", "Data", "Digital"],
    },
    legalForms: ["K.K.", "G.K."],
    phones: [["+81 6 5555 ", 4]],
  },
];

/** The users of the demonstration. A few of them win more deals than others. */
export const users: readonly string[] = ["ann", "ben", "chloé", "dmitri", "emi", "farah"];

export const jobTitles: readonly string[] = [
  ...["Managing director", "Head of purchasing", "Operations manager", "Finance director"],
  ...["IT manager", "Plant manager", "Buyer", "Project lead", "Assistant", "Head of quality"],
];

export const interests: readonly string[] = ["Automation", "Pricing", "Security", "Sustainability"];

export const leadSources: readonly string[] = ["Referral", "Trade fair", "Web", "Cold call"];

export const lostReasons: readonly string[] = [
  ...["Price", "Chose a competitor", "No budget this year", "Project cancelled"],
  ...["No decision", "Missing feature"],
];

export const products: Readonly<Record<Industry, readonly string[]>> = {
  Energy: ["Turbine monitoring", "Smart meters", "Battery storage", "Grid forecast", "Inspection"],
  Food: ["Ovens", "Cold chain sensors", "Roastery control", "Recipe database", "Packaging line"],
  Logistics: [
    "Warehouse scanners",
    "Route planning",
    "Ferry booking",
    "Fleet tracking",
    "Conveyor",
  ],
  Software: ["Licences", "Premium support", "Data migration", "Single sign-on", "Training"],
};

export const qualifiers: readonly string[] = [
  ...["pilot", "phase 2", "renewal", "extension", "two years", "three sites", "40 seats"],
  ...["framework agreement", "replacement", "feasibility study"],
];

export const taskTexts: readonly string[] = [
  ...["Send the revised offer", "Ask for the number of sites", "Call back after the board meeting"],
  ...["Prepare the product demonstration", "Invoice the first year", "Check the delivery date"],
  ...["Send references from the same industry", "Agree on the price of the option"],
  ...["Visit the site", "Introduce the project lead", "Clarify data protection with their lawyer"],
  ...["Send the signed contract", "Remind them of the deadline", "Write down why it was lost"],
];

export const noteTexts: readonly string[] = [
  ...["Prefers the telephone, mornings only.", "Decides together with the head of operations."],
  ...["Moves to another office in spring.", "Asked for a discount of ten percent."],
  ...["Was happy with the last delivery.", "Compares us with two competitors."],
  ...["The budget is approved for this quarter.", "Wants a trial before the decision."],
  ...["Met at the trade fair; interested in automation.", "Payment terms of 60 days are a must."],
  ...["The current contract ends in autumn.", "Complained about the slow support."],
  ...["Needs an offer in the local language.", "The technical check went well."],
  ...["On holiday until the end of the month.", "Recommended us to a sister company."],
];
