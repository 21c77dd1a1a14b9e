function f(x) { switch (x) { case 1: case '1': return 'one'; default: return typeof x; case null: { } case 2: x = 'fell'; } return x }
[1, '1', 2, null, undefined, NaN, {}].map(f).join();
