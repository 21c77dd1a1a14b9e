declare const memory: {
  create_entities(input: {entities: {name: string; entityType: string; observations: string[]}[]}): Promise<{entities: {name: string; entityType: string; observations: string[]}[]}>; // [write] Create multiple new entities in the knowledge graph
  create_relations(input: {relations: {from: string; to: string; relationType: string}[]}): Promise<{relations: {from: string; to: string; relationType: string}[]}>; // [write] Create multiple new relations between entities in the knowledge graph
  add_observations(input: {observations: {entityName: string; contents: string[]}[]}): Promise<{results: {entityName: string; addedObservations: string[]}[]}>; // [write] Add new observations to existing entities in the knowledge graph
  delete_entities(input: {entityNames: string[]}): Promise<{success: boolean; message: string}>; // [write, destructive] Delete multiple entities and their associated relations from the knowledge graph
  delete_observations(input: {deletions: {entityName: string; observations: string[]}[]}): Promise<{success: boolean; message: string}>; // [write, destructive] Delete specific observations from entities in the knowledge graph
  delete_relations(input: {relations: {from: string; to: string; relationType: string}[]}): Promise<{success: boolean; message: string}>; // [write, destructive] Delete multiple relations from the knowledge graph
  read_graph(): Promise<{entities: {name: string; entityType: string; observations: string[]}[]; relations: {from: string; to: string; relationType: string}[]}>; // [read] Read the entire knowledge graph
  search_nodes(input: {query: string}): Promise<{entities: {name: string; entityType: string; observations: string[]}[]; relations: {from: string; to: string; relationType: string}[]}>; // [read] Search for nodes in the knowledge graph based on a query
  open_nodes(input: {names: string[]}): Promise<{entities: {name: string; entityType: string; observations: string[]}[]; relations: {from: string; to: string; relationType: string}[]}>; // [read] Open specific nodes in the knowledge graph by their names
};
