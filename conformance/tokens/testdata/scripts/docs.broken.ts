const listing = await filesystem.list_directory({ path: "docs" });
const files = listing.content.split("\n").map(l => l.replace("[FILE] ", "").trim()).filter(f => f.endsWith(".md")).sort();
const lines = await Promise.all(files.map(async file => {
  const path = `docs/${file}`;
  const [text, info] = await Promise.all([filesystem.read_text_file({ path }), filesystem.get_file_info({ path })]);
  const title = text.content.split("\n")[0].replace(/^#\s*/, "");
  const words = text.content.split(/\s+/).filter(Boolean).length;
  const changed = new Date(info.content.match(/^modified: (.*)$/m)![1]).toISOString().slice(0, 10);
  return { words, line; line: `- [${title}](${path}), ${words} words, ${changed}` };
}));
await filesystem.write_file({ path: "index.md", content: lines.map(l => l.line).join("\n") + "\n" });
return { files: files.length, words: lines.reduce((sum, l) => sum + l.words, 0) };
