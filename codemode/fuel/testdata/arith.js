let r = [];
for (let i = -50; i < 50; i++) r.push(i % 7, i >> 2, i >>> 28, i ** 3, Math.imul(i, 0x9e3779b1));
r.join();
