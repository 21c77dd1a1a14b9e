const o = { s: '\u2028"\\\n', n: [1e300, -0, null, true], d: { e: { f: [] } }, u: undefined };
const t = JSON.stringify(o, null, 2);
JSON.stringify(JSON.parse(t, (k, v) => typeof v === 'number' ? v + 1 : v)) + t.length + JSON.stringify('\ud800') + JSON.rawJSON('1e1000').rawJSON;
