// SPDX-License-Identifier: Apache-2.0

// Runs a list of steps through one of the two TypeScript SDKs. It reads one JSON object from standard input,
//   {sdk: "1"|"2", era: "legacy"|"auto", url, token | command, args, env, steps: [{op, name, args}]}
// and prints {revision, tools, prompts, resources, templates, results: [...]}: all names of all pages, and what every
// step gave, as the SDK hands it to its user.

import { text } from "node:stream/consumers";

const job = JSON.parse(await text(process.stdin));
const sdk = job.sdk === "1" ? await v1() : await v2();
const client = sdk.client;
await client.connect(sdk.transport);
const logs = [];
sdk.onLog((params) => logs.push(params.data));
if (sdk.revision() < "2026-07-28") {
  await client.setLoggingLevel("info");
}
const report = {
  revision: sdk.revision(),
  tools: (await pages((p) => client.listTools(p), "tools")).map((t) => t.name),
  prompts: (await pages((p) => client.listPrompts(p), "prompts")).map((p) => p.name),
  resources: (await pages((p) => client.listResources(p), "resources")).map((r) => r.uri),
  templates: (await pages((p) => client.listResourceTemplates(p), "resourceTemplates")).map((r) => r.uriTemplate),
  results: [],
};
for (const step of job.steps) {
  try {
    report.results.push(await run(step));
  } catch (e) {
    report.results.push({ error: { code: e.code, message: e.message } });
  }
}
await client.close();
process.stdout.write(JSON.stringify(report));

async function run({ op, name, args }) {
  switch (op) {
    case "call":
      return sdk.call({ name, arguments: args });
    case "progress": {
      const seen = [];
      const result = await sdk.call({ name, arguments: args }, { onprogress: (p) => seen.push(p.progress) });
      return { progress: seen.join(" "), result };
    }
    case "log": {
      logs.length = 0;
      const result = await sdk.call({ name, arguments: args, _meta: { "io.modelcontextprotocol/logLevel": "info" } });
      return { log: logs.join(", "), result };
    }
    case "prompt":
      return client.getPrompt({ name, arguments: args });
    case "read":
      return client.readResource({ uri: name });
    case "complete":
      return client.complete({ ref: name.includes("://") ? { type: "ref/resource", uri: name } : { type: "ref/prompt", name }, argument: args.argument, context: args.context });
  }
  throw new Error(`unknown step ${op}`);
}

// pages follows the cursors itself: the SDKs differ in whether they do.
async function pages(list, key) {
  const all = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? undefined : { cursor });
    all.push(...page[key]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

function transport(HTTP, Stdio) {
  if (job.url) {
    return new HTTP(new URL(job.url), { requestInit: { headers: { Authorization: `Bearer ${job.token}` } } });
  }
  return new Stdio({ command: job.command, args: job.args, env: { ...process.env, ...job.env } });
}

async function v1() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const { LoggingMessageNotificationSchema } = await import("@modelcontextprotocol/sdk/types.js");
  const client = new Client({ name: "interop", version: "1" });
  let revision;
  const t = transport(StreamableHTTPClientTransport, StdioClientTransport);
  const set = t.setProtocolVersion?.bind(t);
  t.setProtocolVersion = (v) => {
    revision = v;
    set?.(v);
  };
  return {
    client,
    transport: t,
    revision: () => revision,
    call: (params, options) => client.callTool(params, undefined, options),
    onLog: (f) => client.setNotificationHandler(LoggingMessageNotificationSchema, (n) => f(n.params)),
  };
}

async function v2() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const client = new Client({ name: "interop", version: "1" }, job.era === "auto" ? { versionNegotiation: { mode: "auto" } } : undefined);
  return {
    client,
    transport: transport(StreamableHTTPClientTransport, StdioClientTransport),
    revision: () => client.getNegotiatedProtocolVersion(),
    call: (params, options) => client.callTool(params, options),
    onLog: (f) => client.setNotificationHandler("notifications/message", (n) => f(n.params)),
  };
}
