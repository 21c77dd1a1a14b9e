const n = 20000, p = new Uint8Array(n + 1).fill(1);
for (let i = 2; i * i <= n; i++) if (p[i]) for (let j = i * i; j <= n; j += i) p[j] = 0;
p.slice(2).reduce((a, b) => a + b);
