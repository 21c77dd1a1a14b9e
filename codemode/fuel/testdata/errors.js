const out = [];
for (const f of [() => null.x, () => undef, () => JSON.parse('{'), () => new Array(-1), () => 1n + 1, () => decodeURI('%'), () => { throw { a: 1 } }, () => Symbol() + '', () => 'x'.repeat(-1)]) {
  try { f(); } catch (e) { out.push(String(e.name) + ':' + e.message) } finally { out.push('f') }
}
out.join('|');
