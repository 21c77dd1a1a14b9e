const o = { _n: 0, get n() { return this._n++ }, set n(v) { this._n = v } };
Object.defineProperty(o, 'x', { get: () => 'const', enumerable: false });
o.n = 5; [o.n, o.n, o.x, Object.entries(o), Object.getOwnPropertyNames(o)].join();
