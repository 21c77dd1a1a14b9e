const b = new Uint8Array(700000);
b.fill(7, 10, 600000);
b.copyWithin(300000, 5, 400000);
b.copyWithin(1, 100, 690000);
b.set(b.subarray(1000, 300000), 200000);
let h = 0;
for (let i = 0; i < b.length; i += 997) h = (h * 31 + b[i]) | 0;
h + ':' + b.reduce((s, x) => (s + x) | 0, 0);
