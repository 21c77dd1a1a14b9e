const t = 'The year 1999, and 2026-11-25; a@b.example x@y.zz '.repeat(40);
JSON.stringify([t.match(/(?<y>\d{4})-(?<m>\d\d)/).groups, [...t.matchAll(/\b\w+@[\w.]+/g)].length, t.replace(/(\w+) (\w+)/g, '$2 $1').length, t.split(/[,;] ?/).length, /(a+)+$/.test('a'.repeat(12) + 'b'), /\p{Lu}/u.exec('éÉ')[0], /(?<=\$)\d+/.exec('a$42')[0]]);
