let x = 1n;
for (let i = 1n; i < 200n; i++) x *= i;
[x.toString(), (x >> 100n).toString(16), BigInt.asUintN(64, x * 3n), (-x / 7n) % 1000007n].join();
