// SPDX-License-Identifier: Apache-2.0

// The prelude runs once, before the snapshot. It gets the only door to the host, a function that takes one string, and
// returns the functions that the host calls. A script runs in the same realm and may change every prototype, so nothing below
// looks up a method when it could be changed: what is needed is captured first, and records have no prototype.
(function (host) {
  'use strict';

  const { create, defineProperty, freeze } = Object;
  const { apply } = Reflect;
  const { stringify, parse } = JSON;
  const { isArray } = Array;
  const P = Promise, E = Error, T = TypeError, S = String, M = Map;
  const { slice } = S.prototype;
  const mapForEach = M.prototype.forEach, setForEach = Set.prototype.forEach;
  const mapSize = Object.getOwnPropertyDescriptor(M.prototype, 'size').get;
  const setSize = Object.getOwnPropertyDescriptor(Set.prototype, 'size').get;
  const { then } = P.prototype;

  // CallSites would hand out the functions of this file.
  delete E.prepareStackTrace;
  defineProperty(E, 'prepareStackTrace', { value: undefined });

  const fixed = (name, value) => defineProperty(globalThis, name, { value, enumerable: true });

  // tell sends a message. The host answers null when a limit is reached, then gets the place, and does not return.
  function tell(message) {
    if (host(message) === null) host('P' + new E().stack);
  }

  class ToolError extends E {
    #tool;
    name = 'ToolError';
    code = 'error';
    retryable = false;
    details = undefined;
    server = undefined;
    tool = undefined;
    constructor(message, fields, at) {
      super(message);
      this.#tool = true;
      for (const key in fields) defineProperty(this, key, { value: fields[key], writable: true, enumerable: true, configurable: true });
      if (at !== undefined) defineProperty(this, 'stack', { value: 'ToolError: ' + message + '\n' + at, writable: true, configurable: true });
    }
    static is(e) { return #tool in e; }
  }
  const isToolError = ToolError.is;
  delete ToolError.is;
  freeze(ToolError);
  freeze(ToolError.prototype);
  fixed('ToolError', ToolError);

  // Calls.

  const pending = create(null);
  let calls = 0;

  // call sends what begins with head and ends with the arguments.
  function call(head, text, server, tool, at) {
    return new P((resolve, reject) => {
      pending[++calls] = { resolve, reject, at, server, tool };
      tell(head + text);
    });
  }

  const headOf = (server, tool) => 'C' + server + '\n' + tool + '\n';

  // encode returns the arguments as the text of an object.
  function encode(args, server, tool) {
    if (args === undefined || args === null) return '{}';
    if (typeof args === 'object' && !isArray(args)) {
      const text = stringify(args);
      if (text !== undefined && text[0] === '{') return text;
    }
    const what = server + '.' + tool;
    throw new T(what + ' takes one object with named arguments, as in ' + what + '({name: value})');
  }

  function failed(error) {
    return new P((_, reject) => reject(error));
  }

  function settle(seq, text) {
    const rejected = seq < 0;
    if (rejected) seq = -seq;
    const p = pending[seq];
    if (p === undefined) return;
    delete pending[seq];
    try {
      const value = parse(text);
      if (!rejected) return p.resolve(value);
      p.reject(new ToolError(value.message, {
        __proto__: null, code: value.code, retryable: value.retryable === true, details: value.details, server: p.server, tool: p.tool,
      }, p.at));
    } catch (e) {
      p.reject(e);
    }
  }

  // Servers: any property of one is a call, but for what the language itself asks objects for.

  const hidden = {
    __proto__: null, then: true, constructor: true, prototype: true, toJSON: true, valueOf: true, toString: true,
    toLocaleString: true, hasOwnProperty: true, isPrototypeOf: true, propertyIsEnumerable: true,
  };
  hidden['__proto__'] = true;

  const readOnly = (name) => { throw new T(name + ' is read-only'); };
  const traps = {
    __proto__: null,
    get(_, key) {
      if (typeof key !== 'string') return undefined;
      const known = this.members[key];
      if (known !== undefined) return known;
      if (hidden[key]) return key === 'toString' ? () => '[server ' + this.name + ']' : undefined;
      const { index, name } = this, head = headOf(index, key);
      return this.members[key] = freeze((args) => {
        let text, at;
        try {
          text = encode(args, name, key);
          at = new E().stack;
        } catch (e) {
          return failed(e);
        }
        return call(head, text, name, key, at);
      });
    },
    has(_, key) { return typeof key === 'string' && !hidden[key]; },
    set() { readOnly(this.name); },
    defineProperty() { readOnly(this.name); },
    deleteProperty() { readOnly(this.name); },
    setPrototypeOf() { readOnly(this.name); },
  };
  const empty = freeze(create(null));

  // Functions beside servers: a first argument that is no object gets the name that the host chose for it.
  function builtin(name, first) {
    return freeze((value, more) => {
      let text;
      try {
        if (value !== undefined && first !== '' && (typeof value !== 'object' || isArray(value))) value = { __proto__: null, ...more, [first]: value };
        text = encode(value, 'tools', name);
      } catch (e) {
        return failed(e);
      }
      return call(headOf(-1, name), text, 'tools', name, new E().stack);
    });
  }

  // Timers.

  const timers = create(null);
  let timerIDs = 0;

  function start(ms, run) {
    timers[++timerIDs] = run;
    ms = +ms;
    tell('S' + timerIDs + '\n' + (ms > 0 ? ms : 0));
    return timerIDs;
  }

  function fire(id) {
    const run = timers[id];
    if (run === undefined) return;
    delete timers[id];
    try {
      run();
    } catch (e) {
      fail(e);
    }
  }

  fixed('sleep', freeze((ms) => new P((resolve) => start(ms, resolve))));
  fixed('setTimeout', freeze((f, ms, ...args) => {
    if (typeof f !== 'function') throw new T('setTimeout takes a function');
    return start(ms, () => apply(f, undefined, args));
  }));
  fixed('clearTimeout', freeze((id) => {
    if (typeof id !== 'number' || timers[id] === undefined) return;
    delete timers[id];
    host('X' + id);
  }));
  const settled = P.resolve();
  fixed('queueMicrotask', freeze((f) => {
    if (typeof f !== 'function') throw new T('queueMicrotask takes a function');
    apply(then, settled, [() => {
      try {
        apply(f, undefined, []);
      } catch (e) {
        fail(e);
      }
    }]);
  }));

  // Console.

  function plain(key, value) {
    switch (typeof value) {
      case 'bigint': return S(value) + 'n';
      case 'function': return '[function]';
      case 'symbol': return S(value);
      case 'object': break;
      default: return value;
    }
    if (value === null) return value;
    if (is(mapSize, value)) {
      const entries = create(null);
      apply(mapForEach, value, [(v, k) => { entries[S(k)] = v; }]);
      return entries;
    }
    if (is(setSize, value)) {
      const entries = [];
      apply(setForEach, value, [(v) => { defineProperty(entries, entries.length, { value: v, enumerable: true }); }]);
      return entries;
    }
    if (value instanceof E) return S(value);
    return value;
  }

  function is(getter, value) {
    try {
      apply(getter, value, []);
      return true;
    } catch {
      return false;
    }
  }

  function show(value) {
    if (typeof value === 'string') return value;
    try {
      if (typeof value === 'object' && value !== null) {
        if (value instanceof E) return S(value) + '\n' + value.stack;
        return stringify(value, plain) ?? '[object]';
      }
      if (typeof value === 'bigint') return S(value) + 'n';
      if (typeof value === 'function') return '[function]';
      return S(value);
    } catch (e) {
      return '[an object that cannot be shown]';
    }
  }

  let full = false;
  function log(level, args) {
    if (full) return void host('L');
    let text = '';
    for (let i = 0; i < args.length; i++) text += (i === 0 ? '' : ' ') + show(args[i]);
    full = host('L' + level + '\n' + text) === null;
  }

  const console = create(null);
  const method = (name, f) => defineProperty(console, name, { value: freeze(f), enumerable: true });
  for (const level of ['debug', 'info', 'log', 'warn', 'error']) method(level, (...args) => log(level, args));
  for (const name of ['dir', 'table', 'group', 'groupCollapsed']) method(name, (...args) => log('log', args));
  for (const name of ['groupEnd', 'time', 'timeEnd', 'timeLog', 'count', 'countReset', 'clear']) method(name, () => {});
  method('trace', (...args) => log('debug', args));
  method('assert', (ok, ...args) => { if (!ok) log('error', ['assertion failed', ...args]); });
  fixed('console', freeze(console));

  // Random numbers from a seed of the host's (sfc32).

  let a = 0, b = 0, c = 0, d = 0;
  defineProperty(Math, 'random', {
    value: freeze(() => {
      const t = (a + b + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = ((c << 21) | (c >>> 11)) + t | 0;
      return (t >>> 0) / 4294967296;
    }),
  });

  // The end of a script.

  function text(read) {
    try {
      const v = read();
      return typeof v === 'string' ? apply(slice, v, [0, 4096]) : '';
    } catch {
      return '';
    }
  }

  function describe(e) {
    if ((typeof e !== 'object' && typeof e !== 'function') || e === null) {
      return { __proto__: null, name: 'NonError', message: typeof e === 'string' ? text(() => e) : show(e) };
    }
    const d = { __proto__: null, name: text(() => e.name), message: text(() => e.message), stack: text(() => e.stack) };
    if (isToolError(e)) {
      d.tool = true;
      d.code = text(() => e.code);
    } else if (d.name === '' && d.message === '') {
      d.name = 'NonError';
      d.message = text(() => show(e));
    }
    return d;
  }

  function fail(e) {
    let report = '{}';
    try {
      report = stringify(describe(e));
    } catch { /* the host knows what it means that there is nothing */ }
    host('F' + report);
  }

  function finish(value) {
    if (value === undefined) return void host('U');
    let report;
    try {
      report = stringify(value);
    } catch (e) {
      let why = '{}';
      try {
        why = stringify(describe(e));
      } catch { /* as above */ }
      return void host('R' + why);
    }
    if (report === undefined) return void host('N' + typeof value);
    host('D' + report);
  }

  async function run(script) {
    let value;
    try {
      value = await script();
    } catch (e) {
      return fail(e);
    }
    finish(value);
  }

  function setup(text) {
    const o = parse(text);
    for (let i = 0; i < o.servers.length; i++) {
      fixed(o.servers[i], new Proxy(empty, { __proto__: traps, index: i, name: o.servers[i], members: create(null) }));
    }
    const tools = create(null);
    for (let i = 0; i < o.builtins.length; i++) {
      const b = o.builtins[i], f = builtin(b.name, b.first);
      if (b.global) fixed(b.name, f);
      else defineProperty(tools, b.name, { value: f, enumerable: true });
    }
    if (o.builtins.length > 0) fixed('tools', freeze(tools));
    [a, b, c, d] = o.seed;
    for (let i = 0; i < 12; i++) Math.random();
  }

  return [setup, run, settle, fire, fail];
})
