const listing = await filesystem.list_directory({ path: "logs" });
const files = listing.content.split("\n").map(l => l.replace("[FILE] ", "").trim()).filter(f => f.endsWith(".log")).sort();
const counts = await Promise.all(files.map(async file => {
  const { content } = await filesystem.read_text_file({ path: `logs/${file}` });
  return { file, errors: content.split("\n").filter(l => l.split(/\s+/)[1] === "ERROR").length };
}));
const csv = ["file,errors", ...counts.map(c => `${c.file},${c.errors}`)].join("\n") + "\n";
await filesystem.write_file({ path: "errors.csv", content: csv });
return { files: files.length, errors: counts.reduce((sum, c) => sum + c.errors, 0) };
