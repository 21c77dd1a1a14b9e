// SPDX-License-Identifier: Apache-2.0

// An everything server for the official suite on @modelcontextprotocol/server 2: both protocol eras on one HTTP URL.
// Usage: node everything-ts.mjs HOST:PORT. It exposes what the suite's server scenarios call, by their exact names.
// Requests of 2025-11-25 get a session each client opens with initialize; its interactive tools ask in the middle of the
// call. Requests of 2026-07-28 are served one by one, and its interactive tools answer input_required.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import {
  Server,
  WebStandardStreamableHTTPServerTransport,
  acceptedContent,
  createMcpHandler,
  hostHeaderValidationResponse,
  inputRequired,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  MissingRequiredClientCapabilityError,
  originValidationResponse,
  ProtocolError,
} from "@modelcontextprotocol/server";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";
const invalidParams = -32602;

const text = (t) => ({ type: "text", text: t });
const say = (...content) => ({ content: content.map((c) => (typeof c === "string" ? text(c) : c)) });
const form = (message, properties, required) => ({ message, requestedSchema: { type: "object", properties, ...(required && { required }) } });
const ask = (...args) => inputRequired.elicit(form(...args));
const sample = (prompt, maxTokens) => ({ messages: [{ role: "user", content: text(prompt) }], maxTokens });
const string = { type: "string" };

// state is a requestState with a seal: what comes back changed is refused. The suite wants that refusal, not secrecy.
const state = (value) => `${value}.${sum(value)}`;
const sum = (value) => [...value].reduce((n, c) => (n * 31 + c.codePointAt(0)) >>> 0, 7).toString(36);
function stateOf(ctx) {
  const raw = ctx.mcpReq.requestState();
  if (raw === undefined) return undefined;
  const dot = raw.lastIndexOf(".");
  if (dot < 0 || raw.slice(dot + 1) !== sum(raw.slice(0, dot))) throw new ProtocolError(invalidParams, "requestState was changed");
  return raw.slice(0, dot);
}
const answers = (ctx) => ctx.mcpReq.inputResponses ?? {};
const given = (ctx, key, field) => acceptedContent(answers(ctx), key)?.[field];
const declared = (ctx) => ctx.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};

// What the triggers add and take away again.
const dynamic = { tool: false, prompt: false };

const tools = {
  test_simple_text: { run: () => say("This is a simple text response for testing.") },
  test_image_content: { run: () => say({ type: "image", data: PNG, mimeType: "image/png" }) },
  test_audio_content: { run: () => say({ type: "audio", data: WAV, mimeType: "audio/wav" }) },
  test_embedded_resource: {
    run: () => say({ type: "resource", resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." } }),
  },
  test_multiple_content_types: {
    run: () =>
      say("Multiple content types test:", { type: "image", data: PNG, mimeType: "image/png" }, {
        type: "resource",
        resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data","value":123}' },
      }),
  },
  test_tool_with_logging: {
    async run(_, ctx) {
      const lines = ["Tool execution started", "Tool processing data", "Tool execution completed"];
      for (const [i, line] of lines.entries()) {
        if (i > 0) await wait(50);
        await ctx.mcpReq.log("info", line);
      }
      return say("Tool with logging executed successfully");
    },
  },
  test_tool_with_progress: {
    async run(_, ctx) {
      const progressToken = ctx.mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progress > 0) await wait(50);
        if (progressToken === undefined) continue;
        await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` } });
      }
      return say(String(progressToken));
    },
  },
  test_error_handling: { run: () => ({ ...say("This tool intentionally returns an error for testing"), isError: true }) },
  test_sampling: {
    args: { prompt: string },
    async run({ prompt }, ctx) {
      const r = await ctx.mcpReq.requestSampling(sample(prompt, 100));
      return say(`LLM response: ${r.content.text}`);
    },
  },
  test_elicitation: {
    args: { message: string },
    async run({ message }, ctx) {
      const r = await ctx.mcpReq.elicitInput(form(message, { username: { ...string, description: "User's response" }, email: string }, ["username", "email"]));
      return say(`User response: action=${r.action}, content=${JSON.stringify(r.content ?? {})}`);
    },
  },
  test_elicitation_sep1034_defaults: {
    async run(_, ctx) {
      const r = await ctx.mcpReq.elicitInput(
        form("Please review the defaults", {
          name: { ...string, default: "John Doe" },
          age: { type: "integer", default: 30 },
          score: { type: "number", default: 95.5 },
          status: { ...string, enum: ["active", "inactive", "pending"], default: "active" },
          verified: { type: "boolean", default: true },
        }),
      );
      return say(`Elicitation completed: action=${r.action}, content=${JSON.stringify(r.content ?? {})}`);
    },
  },
  test_elicitation_sep1330_enums: {
    async run(_, ctx) {
      const titled = (n) => [1, 2, 3].map((i) => ({ const: `value${i}`, title: `${n} ${i}` }));
      const options = ["option1", "option2", "option3"];
      const r = await ctx.mcpReq.elicitInput(
        form("Please choose", {
          untitledSingle: { ...string, enum: options },
          titledSingle: { ...string, oneOf: titled("Choice") },
          legacyEnum: { ...string, enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
          untitledMulti: { type: "array", items: { ...string, enum: options } },
          titledMulti: { type: "array", items: { anyOf: titled("Option") } },
        }),
      );
      return say(`Elicitation completed: action=${r.action}, content=${JSON.stringify(r.content ?? {})}`);
    },
  },
  json_schema_2020_12_tool: {
    schema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: string, city: string } } },
      properties: {
        name: string,
        address: { $ref: "#/$defs/address" },
        contactMethod: { ...string, enum: ["phone", "email"] },
        phone: string,
        email: string,
      },
      allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
      if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
      then: { required: ["phone"] },
      else: { required: ["email"] },
      additionalProperties: false,
    },
    run: (args) => say(JSON.stringify(args)),
  },
  test_reconnection: {
    async run(_, ctx) {
      ctx.http?.closeSSE?.();
      await wait(100);
      return say("Reconnection test completed successfully.");
    },
  },
  test_x_mcp_header: {
    args: { region: { ...string, "x-mcp-header": "Region" }, level: { type: "integer" } },
    optional: true,
    run: (args) => say(JSON.stringify(args)),
  },
  test_missing_capability: {
    run(_, ctx) {
      if (!declared(ctx).sampling) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
      return say("The client can sample.");
    },
  },
  test_streaming_elicitation: {
    async run(_, ctx) {
      const progressToken = ctx.mcpReq._meta?.progressToken ?? "stream";
      for (const progress of [1, 2]) {
        await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 2 } });
      }
      return say("Streamed.");
    },
  },
  test_logging_tool: {
    async run(_, ctx) {
      await ctx.mcpReq.log("info", "only for those who asked");
      return say("Logged.");
    },
  },
  test_trigger_tool_change: {
    async run(_, ctx, change) {
      dynamic.tool = !dynamic.tool;
      await change("tools");
      return say(`The dynamic tool is ${dynamic.tool ? "there" : "gone"}.`);
    },
  },
  test_trigger_prompt_change: {
    async run(_, ctx, change) {
      dynamic.prompt = !dynamic.prompt;
      await change("prompts");
      return say(`The dynamic prompt is ${dynamic.prompt ? "there" : "gone"}.`);
    },
  },
  test_input_required_result_elicitation: {
    run(_, ctx) {
      const name = given(ctx, "user_name", "name");
      return name ? say(`Hello, ${name}!`) : inputRequired({ inputRequests: { user_name: ask("What is your name?", { name: string }, ["name"]) } });
    },
  },
  test_input_required_result_sampling: {
    run(_, ctx) {
      const r = answers(ctx).capital_question;
      return r ? say(`The model says: ${r.content?.text}`) : inputRequired({ inputRequests: { capital_question: inputRequired.createMessage(sample("What is the capital of France?", 100)) } });
    },
  },
  test_input_required_result_list_roots: {
    run(_, ctx) {
      const r = answers(ctx).client_roots;
      return r ? say(`Roots: ${(r.roots ?? []).map((root) => root.uri).join(" ")}`) : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    },
  },
  test_input_required_result_request_state: {
    run(_, ctx) {
      if (stateOf(ctx) === "confirming" && given(ctx, "confirm", "ok") !== undefined) return say("state-ok");
      return inputRequired({ inputRequests: { confirm: ask("Please confirm", { ok: { type: "boolean" } }, ["ok"]) }, requestState: state("confirming") });
    },
  },
  test_input_required_result_multiple_inputs: {
    run(_, ctx) {
      const { user_name, greeting, client_roots } = answers(ctx);
      if (stateOf(ctx) === "three" && user_name && greeting && client_roots) {
        return say(`${greeting.content?.text} ${given(ctx, "user_name", "name")}, ${(client_roots.roots ?? []).length} roots`);
      }
      return inputRequired({
        inputRequests: {
          user_name: ask("What is your name?", { name: string }, ["name"]),
          greeting: inputRequired.createMessage(sample("Generate a greeting", 50)),
          client_roots: inputRequired.listRoots(),
        },
        requestState: state("three"),
      });
    },
  },
  test_input_required_result_multi_round: {
    run(_, ctx) {
      const at = stateOf(ctx);
      const name = given(ctx, "step1", "name");
      const color = given(ctx, "step2", "color");
      if (at?.startsWith("2:") && color) return say(`${at.slice(2)} likes ${color}.`);
      if (at === "1" && name) {
        return inputRequired({ inputRequests: { step2: ask("Step 2: What is your favorite color?", { color: string }, ["color"]) }, requestState: state(`2:${name}`) });
      }
      return inputRequired({ inputRequests: { step1: ask("Step 1: What is your name?", { name: string }, ["name"]) }, requestState: state("1") });
    },
  },
  test_input_required_result_tampered_state: {
    run(_, ctx) {
      if (stateOf(ctx) === "sealed" && given(ctx, "confirm", "ok") !== undefined) return say("state-ok");
      return inputRequired({ inputRequests: { confirm: ask("Please confirm", { ok: { type: "boolean" } }, ["ok"]) }, requestState: state("sealed") });
    },
  },
  test_input_required_result_capabilities: {
    run(_, ctx) {
      if (Object.keys(answers(ctx)).length > 0) return say("Answered.");
      const can = declared(ctx);
      const inputRequests = {
        ...(can.elicitation && { user_name: ask("What is your name?", { name: string }, ["name"]) }),
        ...(can.sampling && { greeting: inputRequired.createMessage(sample("Generate a short greeting", 50)) }),
        ...(can.roots && { client_roots: inputRequired.listRoots() }),
      };
      return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : say("The client can be asked nothing.");
    },
  },
};

const message = (content) => ({ role: "user", content: typeof content === "string" ? text(content) : content });
const prompts = {
  test_simple_prompt: { run: () => [message("This is a simple prompt for testing.")] },
  test_prompt_with_arguments: { args: ["arg1", "arg2"], run: (a) => [message(`Prompt with arguments: arg1='${a.arg1}', arg2='${a.arg2}'`)] },
  test_prompt_with_embedded_resource: {
    args: ["resourceUri"],
    run: (a) => [
      message({ type: "resource", resource: { uri: a.resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." } }),
      message("Please process the embedded resource above."),
    ],
  },
  test_prompt_with_image: { run: () => [message({ type: "image", data: PNG, mimeType: "image/png" }), message("Please analyze the image above.")] },
  test_input_required_result_prompt: {
    run(_, ctx) {
      const context = given(ctx, "user_context", "context");
      return context ? [message(`Context: ${context}`)] : inputRequired({ inputRequests: { user_context: ask("What context should the prompt use?", { context: string }, ["context"]) } });
    },
  },
};

const resources = {
  "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
  "test://static-binary": { mimeType: "image/png", blob: PNG },
  "test://watched-resource": { mimeType: "text/plain", text: "Watched resource content" },
};

function read(uri) {
  if (resources[uri]) return { uri, ...resources[uri] };
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id !== undefined) return { uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
  throw new ProtocolError(invalidParams, "Resource not found", { uri });
}

const definition = ([name, { args, optional, schema }]) => ({
  name,
  description: `The suite's ${name}`,
  inputSchema: schema ?? { type: "object", properties: args ?? {}, ...(args && !optional && { required: Object.keys(args) }) },
});

// everything makes one server: for a session of 2025-11-25, or for one request of 2026-07-28.
function everything(change) {
  const server = new Server(
    { name: "everything-ts", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {} } },
  );
  change ??= (what) => (what === "tools" ? server.sendToolListChanged() : server.sendPromptListChanged());
  server.setRequestHandler("tools/list", () => ({
    tools: [...Object.entries(tools).map(definition), ...(dynamic.tool ? [definition(["test_dynamic_tool", {}])] : [])],
  }));
  server.setRequestHandler("tools/call", async (request, ctx) => {
    const tool = tools[request.params.name];
    if (!tool) throw new ProtocolError(invalidParams, `Unknown tool: ${request.params.name}`);
    return tool.run(request.params.arguments ?? {}, ctx, change);
  });
  server.setRequestHandler("prompts/list", () => ({
    prompts: [...Object.entries(prompts), ...(dynamic.prompt ? [["test_dynamic_prompt", {}]] : [])].map(([name, { args = [] }]) => ({
      name,
      description: `The suite's ${name}`,
      arguments: args.map((a) => ({ name: a, description: a, required: true })),
    })),
  }));
  server.setRequestHandler("prompts/get", async (request, ctx) => {
    const prompt = prompts[request.params.name];
    if (!prompt) throw new ProtocolError(invalidParams, `Unknown prompt: ${request.params.name}`);
    const messages = await prompt.run(request.params.arguments ?? {}, ctx);
    return Array.isArray(messages) ? { messages } : messages;
  });
  server.setRequestHandler("resources/list", () => ({
    resources: Object.entries(resources).map(([uri, { mimeType }]) => ({ uri, name: uri.slice("test://".length), description: `The suite's ${uri}`, mimeType })),
  }));
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template", description: "The suite's template", mimeType: "application/json" }],
  }));
  server.setRequestHandler("resources/read", (request) => ({ contents: [read(request.params.uri)] }));
  server.setRequestHandler("resources/subscribe", () => ({}));
  server.setRequestHandler("resources/unsubscribe", () => ({}));
  server.setRequestHandler("completion/complete", () => ({ completion: { values: [], total: 0, hasMore: false } }));
  return server;
}

const modern = createMcpHandler(() => everything((what) => (what === "tools" ? modern.notify.toolsChanged() : modern.notify.promptsChanged())), { legacy: "reject" });

// events keeps the messages of one session, so that a client can come back for them.
function events() {
  const kept = [];
  return {
    async storeEvent(streamId, message) {
      kept.push({ streamId, message });
      return String(kept.length);
    },
    async replayEventsAfter(last, { send }) {
      const streamId = kept[Number(last) - 1]?.streamId;
      for (const [i, e] of kept.entries()) {
        if (i >= Number(last) && e.streamId === streamId) await send(String(i + 1), e.message);
      }
      return streamId;
    },
  };
}

const sessions = new Map();
async function legacy(request) {
  const id = request.headers.get("mcp-session-id");
  if (id !== null) {
    const transport = sessions.get(id);
    if (transport) return transport.handleRequest(request);
    return Response.json({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }, { status: 404 });
  }
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: events(),
    retryInterval: 10,
    onsessioninitialized: (sid) => void sessions.set(sid, transport),
    onsessionclosed: (sid) => void sessions.delete(sid),
  });
  await everything().connect(transport);
  return transport.handleRequest(request);
}

async function serve(request) {
  const refused = hostHeaderValidationResponse(request, localhostAllowedHostnames()) ?? originValidationResponse(request, localhostAllowedOrigins());
  if (refused) return refused;
  return (await isLegacyRequest(request)) ? legacy(request) : modern.fetch(request);
}

// relay copies a response to its client until either has enough.
async function relay(response, res) {
  res.writeHead(response.status, Object.fromEntries(response.headers));
  res.flushHeaders();
  const reader = response.body?.getReader();
  res.on("close", () => reader?.cancel().catch(() => {}));
  for (let part = await reader?.read(); part && !part.done; part = await reader.read()) res.write(part.value);
  res.end();
}

const [host, port] = process.argv[2].split(":");
createServer(async (req, res) => {
  const gone = new AbortController();
  res.on("close", () => gone.abort());
  try {
    const body = req.method === "POST" ? await buffer(req) : undefined;
    const headers = Object.entries(req.headers).flatMap(([k, v]) => [v].flat().map((one) => [k, one]));
    await relay(await serve(new Request(`http://${req.headers.host}${req.url}`, { method: req.method, headers, body, signal: gone.signal })), res);
  } catch (e) {
    if (!gone.signal.aborted) console.error(e);
    if (!res.headersSent) res.writeHead(500);
    res.end();
  }
}).listen(Number(port), host);
