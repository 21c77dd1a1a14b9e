JSON.stringify([Object.groupBy([1, 2, 3, 4, 5], (x) => x % 2 ? 'odd' : 'even'), [...new Set([1, 2, 3]).union(new Set([3, 4]))], [...Map.groupBy('hello', (c) => c)].length]);
