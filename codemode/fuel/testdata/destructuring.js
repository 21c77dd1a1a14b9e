const { a = 1, ...rest } = { b: 2, c: [3, [4]] };
const [x, , ...[y = 9]] = 'héllo';
((p, { q, r: [s] } = { q: 5, r: 'z' }, ...t) => JSON.stringify([a, rest, x, y, p, q, s, t]))(0, undefined, 7, 8);
