// SPDX-License-Identifier: Apache-2.0

// Calls tools that ask back, through one of the two TypeScript SDKs, and answers. It reads one JSON object from standard
// input, {sdk: "1"|"2", url, token, roots, sample, steps: [{name, args, answers}]}, and prints
// {revision, steps: [{asked, text, error}]}. SDK 1 speaks 2025-11-25, SDK 2 is pinned to 2026-07-28. The elicitations of
// a step get its answers one after the other; one too many is an error.

import { text } from "node:stream/consumers";

const job = JSON.parse(await text(process.stdin));
const headers = { Authorization: `Bearer ${job.token}` };
const implementation = { name: "elicitation", version: "1" };
const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
let asked, answers;

const handlers = {
  "elicitation/create": ({ params }) => {
    const mode = params.mode ?? "form";
    asked.push(`${mode} ${mode === "url" ? params.url : params.message}`);
    if (answers.length === 0) {
      throw new Error(`no answer is left for ${params.message}`);
    }
    return answers.shift();
  },
  "sampling/createMessage": ({ params }) => {
    const content = [params.messages[0].content].flat();
    asked.push(`sampling ${content[0].text}`);
    return { role: "assistant", model: "a model", stopReason: "endTurn", content: { type: "text", text: job.sample } };
  },
  "roots/list": () => {
    asked.push("roots");
    return { roots: job.roots };
  },
};

const sdk = job.sdk === "1" ? await v1() : await v2();
const report = { revision: "", steps: [] };
for (const step of job.steps) {
  asked = [];
  answers = [...(step.answers ?? [])];
  const seen = { asked };
  try {
    const result = await sdk.call({ name: step.name, arguments: step.args ?? {} });
    seen.text = result.content.map((c) => c.text).join("\n");
    if (result.isError) {
      seen.error = seen.text;
    }
  } catch (e) {
    seen.error = `${e.code}: ${e.message}`;
  }
  report.steps.push(seen);
}
report.revision = sdk.revision();
await sdk.close();
process.stdout.write(JSON.stringify(report));

async function v1() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  const client = new Client(implementation, { capabilities });
  for (const schema of [CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema]) {
    client.setRequestHandler(schema, handlers[schema.shape.method.value]);
  }
  const transport = new StreamableHTTPClientTransport(new URL(job.url), { requestInit: { headers } });
  await client.connect(transport);
  return { call: (params) => client.callTool(params), revision: () => transport.protocolVersion, close: () => client.close() };
}

async function v2() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const client = new Client(implementation, { capabilities, versionNegotiation: { mode: { pin: "2026-07-28" } } });
  for (const [method, handler] of Object.entries(handlers)) {
    client.setRequestHandler(method, handler);
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(job.url), { requestInit: { headers } }));
  return { call: (params) => client.callTool(params), revision: () => client.getNegotiatedProtocolVersion(), close: () => client.close() };
}
