let out = '';
(async () => { for (let i = 0; i < 20; i++) { await null; out += i } })();
out + '.';
