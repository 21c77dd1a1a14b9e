const m = new Map(), w = new WeakMap(), s = new Set();
for (let i = 0; i < 3000; i++) { const k = { i }; m.set(i % 2 ? i : String(i), i); w.set(k, i); s.add(w.get(k) % 100) }
for (let i = 0; i < 3000; i += 3) m.delete(i);
[m.size, s.size, [...m.keys()].slice(-5), m.get('4'), m.has(3)].join();
