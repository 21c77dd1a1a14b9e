let s = '';
for (let i = 0; i < 2000; i++) s += String.fromCodePoint(0x61 + i % 26, 0x1f600 + i % 50);
[s.length, [...s].length, s.slice(1000, 1010), s.indexOf('z'), s.lastIndexOf('a'), s.at(-1).charCodeAt(0), s.replaceAll('a', '<$&>').length, 'ÄÖß'.toLowerCase() + 'ıß'.toUpperCase(), 'a\u0301'.normalize('NFC').length, 'abc'.padStart(9, '12'), ' x '.trim(), 'b'.localeCompare('a'), encodeURIComponent('ü&/'), btoa('hello'), atob('aGk=')].join();
