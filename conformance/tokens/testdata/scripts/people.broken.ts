const { content } = await filesystem.read_text_file({ path: "people.csv" });
const rows = content.trim().split("\n").slice(1).map(l => l.split(","));
const teams = [...new Set(rows.map(r => r[2]))].sort();
await memory.create_entities({
  entities: [
    ...rows.map(([name, role]) => ({ name, entityType: "person", observations: [role] })),
    ...teams.map(name => ({ name, entityType: "team" })),
  ],
});
await memory.create_relations({ relations: rows.map(([from, , to]) => ({ from, to, relationType: "works in" })) });
const graph = await memory.read_graph({});
return { entities: graph.entities.length, relations: graph.relations.length };
