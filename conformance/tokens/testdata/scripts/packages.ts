const found = await filesystem.search_files({ path: "repositories", pattern: "**/package.json" });
const files = await Promise.all(found.content.split("\n").map(path => filesystem.read_text_file({ path })));
return files.map(f => JSON.parse(f.content)).map(p => ({ name: p.name, version: p.version }));
