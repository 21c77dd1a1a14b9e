// SPDX-License-Identifier: Apache-2.0

// Reads a list of JSON Schemas from standard input and prints what json-schema-to-typescript makes of each, as namespaces
// that each export a type named T.
import { text } from "node:stream/consumers";
import { compile } from "json-schema-to-typescript";

const options = { additionalProperties: false, bannerComment: "", format: false, $refOptions: { resolve: { external: false } } };
const out = [];
for (const [i, schema] of JSON.parse(await text(process.stdin)).entries()) {
  delete schema.title;
  const source = await compile(schema, "T", options);
  // An interface has no implicit index signature, an object type has: the members are what is compared.
  out.push(`namespace N${i} {\n${source.replace(/export interface (\w+) \{/g, "export type $1 = {")}\n}`);
}
console.log(JSON.stringify(out));
