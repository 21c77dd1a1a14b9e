const words = 'pear Apple fig éclair zebra apple Fig banana cherry date elder grape'.split(' ');
const objs = Array.from({ length: 400 }, (_, i) => ({ k: (i * 31) % 17, i }));
[words.sort().join(), words.sort((a, b) => b.length - a.length || (a < b ? -1 : 1)).join(), objs.sort((a, b) => a.k - b.k).map((o) => o.i).slice(0, 40)].join(';');
