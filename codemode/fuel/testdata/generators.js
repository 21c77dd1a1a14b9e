function* g(n) { try { for (let i = 0; i < n; i++) { const x = yield i; if (x) i += x } } finally { yield 'end' } }
const it = g(20); const r = [it.next(), it.next(3), it.next(), it.return(9), it.next()];
JSON.stringify([r, [...g(4)], Iterator.from(g(9)).map((x) => x * 2).filter((x) => x % 3).take(3).toArray()]);
