const keep = [];
let thrown = '';
try { for (let i = 0; i < 40; i++) keep.push(new ArrayBuffer(100000 + i), 'x'.repeat(50000) + i) } catch (e) { thrown = e.message }
keep.map((k) => k.byteLength ?? k.length).reduce((a, b) => a + b) + thrown;
