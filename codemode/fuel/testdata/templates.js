const tag = (s, ...v) => s.raw.join('|') + v.join('+');
tag`a${1}\n${[2, 3]}c` + `${`${1 + 1}`}`;
