const a = Array.from({ length: 500 }, (_, i) => (i * 7919) % 1009);
JSON.stringify([a.slice().sort((x, y) => x - y), a.toReversed().slice(0, 9), a.indexOf(7), a.findLast((x) => x > 1000), a.copyWithin(3, 100, 140).length, a.flatMap((x) => x % 3 ? [] : [x, x]).length, a.splice(10, 100).reduce((s, x) => s + x)]);
