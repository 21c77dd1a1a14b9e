const log = [];
const p = new Proxy({ a: 1 }, { get: (t, k, r) => { log.push(String(k)); return Reflect.get(t, k, r) }, has: (t, k) => k.length > 2, ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true, value: 5 }) });
[p.a, 'abc' in p, 'a' in p, Object.keys(p), JSON.stringify(p), log].join(';');
